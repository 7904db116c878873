"""The science: importable in a notebook; knows no queue, no SQL, no HTTP and no environment.

``audit``        the experiment, top to bottom       ``report``     verdicts, rates and the answer
``mitigations``  one paper a file                    ``verdicts``   the six words and when they apply
``probes``       one paper a file                    ``rates``      intervals and permutation tests
``scorers``      one judge of copies a file          ``diffusion``  the equations everything rests on
``model``        the one importer of diffusers       ``edits``      weights switched off, and back on
"""
