"""The Prefer header, as RFC 7240 writes it."""

import pytest

from service import preferences


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("wait=10", 10),
        ("Wait=10", 10),
        ('respond-async, wait="10"', 10),
        ("wait = 10; foo=bar", 10),
        ("wait=10, wait=20", 10),
        ("wait=31", 30),
        ("wait=999999999", 30),
        ("wait=0", 0),
        ("wait=-1", 0),
        ("wait=1.5", 0),
        ("wait", 0),
        ("wait=" + "9" * 1000, 0),
        ("await=3", 0),
        ("handling=lenient", 0),
    ],
)
def test_the_wait_that_is_preferred(prefer: str | None, seconds: int) -> None:
    """The first counts, 30 at most; what is not understood is passed over, as preferences are."""
    assert preferences.wait(prefer) == seconds
