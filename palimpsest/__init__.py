"""Palimpsest: is a memorized training image removed from a text-to-image model, or only hidden?

What others import: the contract (plain data), the client and the command line.
"""

__version__ = "0.1.0"
