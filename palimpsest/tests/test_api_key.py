"""How a key is written, and that no typo is taken for one."""

import zlib

import pytest

from palimpsest.api_key import DIGITS, ApiKey, checksum

KEY = ApiKey("0" * 12, "a" * 43)


def test_a_key_is_read_as_it_was_minted() -> None:
    """``pal_``, 12 characters, ``_``, 43 and 6 more: 66 in all, and no two alike."""
    keys = [ApiKey.minted() for _ in range(50)]
    assert [ApiKey.read(key.text) for key in keys] == keys
    assert {len(key.text) for key in keys} == {4 + 12 + 1 + 43 + 6}
    assert len({key.secret for key in keys}) == len({key.prefix for key in keys}) == 50


def test_the_checksum_is_crc_32_in_base_62() -> None:
    """Of all that stands before it; small numbers have zeros in front. CRC-32 of nothing is 0, of "a" 0xE8B7BE43."""
    assert checksum("") == "000000"
    value = 0
    for digit in checksum("a"):
        value = 62 * value + DIGITS.index(digit)
    assert value == 0xE8B7BE43 == zlib.crc32(b"a")
    assert KEY.text == f"pal_{'0' * 12}_{'a' * 43}" + checksum(f"pal_{'0' * 12}_{'a' * 43}")


def test_no_character_can_be_another() -> None:
    """Each of the 66, replaced by the next digit; and each pair of neighbours that differ, exchanged."""
    text = ApiKey.minted().text
    for place, character in enumerate(text):
        other = DIGITS[(DIGITS.find(character) + 1) % 62]
        assert ApiKey.read(text[:place] + other + text[place + 1 :]) is None
        swapped = text[:place] + text[place + 1 : place + 2] + character + text[place + 2 :]
        assert swapped == text or ApiKey.read(swapped) is None


@pytest.mark.parametrize("text", ["", "pal_", KEY.text[:-1], KEY.text + "0", KEY.text + "\n", " " + KEY.text, "é" * 66])
def test_what_has_another_form_is_no_key(text: str) -> None:
    """Too short, too long, or of other characters."""
    assert ApiKey.read(text) is None


def test_a_secret_is_not_shown() -> None:
    """Where a key is printed by mistake."""
    assert "a" * 43 not in repr(KEY)
