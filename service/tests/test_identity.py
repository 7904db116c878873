"""What may be an audit's id."""

import pytest

from ledger.errors import NotFound
from service.identity import checked


def test_an_id_is_as_it_is() -> None:
    """26 characters behind the prefix."""
    assert checked("aud_01M8607V55EVBN8TBSARPMQB85") == "aud_01M8607V55EVBN8TBSARPMQB85"


@pytest.mark.parametrize("other", ["", "x", "aud_", "aud_" + "é" * 26, "\0", "aud_01M8607V55EVBN8TBSARPMQB85\n"])
def test_what_cannot_be_one_is_of_nothing(other: str) -> None:
    """No database is asked."""
    with pytest.raises(NotFound):
        checked(other)
