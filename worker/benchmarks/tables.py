"""Markdown of the pages."""

from collections.abc import Iterable


def table(head: list[str], rows: Iterable[list[str]]) -> list[str]:
    """A Markdown table."""
    return ["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]]
