"""Canaries: images planted in a model at known duplication counts, so that the auditor can be audited.

    rows → deck → plant → folder → audit → compare

``python -m worker.canaries plant …`` makes a model whose truth is known, ``python -m worker.canaries audit …`` compares
what an audit says of it with that truth (docs/canaries.md).
"""
