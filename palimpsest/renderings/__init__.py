"""A report in the languages of other tools: one format, one file, each a pure function of the report's own bytes.

``formats`` lists them. Nothing here draws, searches or judges anew, and nothing knows a clock: equal reports give equal
bytes. What is signed is signed by whoever holds a key (``dsse``), and verified by whoever has its other half.
"""
