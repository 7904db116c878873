"""The report for people: one HTML page without a script, whose pictures are asked for one by one from beside it.

Every picture is ``evidence/<sha256>``, relative to the report's own address: whoever may read evidence sees it, whoever
may not sees what it is called, and the page is the same. ``palimpsest page`` makes one file of it instead.
"""

from palimpsest.pages.report_page import page
from palimpsest.pages.strips import strips
from palimpsest.renderings.original import Original


def render(original: Original) -> bytes:
    """The page as it is served."""
    return page(original, lambda digest: f"evidence/{digest}", images="'self'")


def wanted(original: Original) -> list[str]:
    """The digests of the pictures that the page shows, each once."""
    seen: list[str] = []
    strips(original.report, seen.append)
    return list(dict.fromkeys(seen))


def alone(original: Original, pictures: dict[str, str] | None = None) -> bytes:
    """The page as one file: with ``pictures``, data URIs by digest, or without any."""
    return page(original, (pictures or {}).get, images="")
