"""Cursors go out and come back."""

import pytest

from service.cursor import Selection, read, written
from service.errors import Refusal

EVERYTHING = Selection(None, None)
FAILED = Selection("failed", None)


def test_a_cursor_comes_back_as_the_audit_it_stands_behind() -> None:
    """For the selection it was written for; no audit has no cursor, and no cursor no audit."""
    assert read(written(FAILED, "aud_1"), FAILED) == "aud_1"
    assert written(FAILED, None) is None
    assert read(None, FAILED) is None


def test_a_cursor_is_good_for_its_own_listing_only() -> None:
    """Another selection refuses it."""
    with pytest.raises(Refusal):
        read(written(FAILED, "aud_1"), EVERYTHING)


@pytest.mark.parametrize("text", ["", "x", "é", "bnVsbA", "WzEsIDJd", "e30", "====", "W" * 999])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    """Not base64, not JSON, or JSON of another shape."""
    with pytest.raises(Refusal):
        read(text, EVERYTHING)
