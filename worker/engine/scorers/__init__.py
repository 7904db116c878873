"""Judges of copies, one a file."""
