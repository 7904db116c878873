"""What several tests stand on."""

from collections.abc import Iterator

import pytest

from palimpsest.tests.gateway import Gateway, serving


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A scripted service over real HTTP."""
    with serving() as running:
        yield running
