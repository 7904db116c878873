"""What anybody can put into a header or a query is read or refused in our words: never another error."""

import base64
from contextlib import suppress
from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from ledger.errors import LedgerError
from palimpsest.api_key import ApiKey
from palimpsest.renderings.formats import FORMATS
from service import answers, cursor, identity, preferences
from service.callers import is_loopback, presented, without_port
from service.errors import Refusal
from service.negotiation import chosen
from service.routes.audits import KEY, VALIDATE_ONLY

WORDS = st.text(st.characters(max_codepoint=255), max_size=200)
"""What a header can hold, as it arrives: latin-1."""
EVERYTHING = cursor.Selection(None, None)
PARTS = (
    "wait",
    "=",
    "10",
    ";",
    ",",
    '"',
    " ",
    "q=0.5",
    "*",
    "/",
    "application/json",
    "W/",
    "Bearer ",
    "Basic ",
    "pal_",
)
SHAPED = st.lists(st.sampled_from(PARTS) | WORDS, max_size=12).map("".join)
"""Pieces of what is expected, in any order."""
DEEP = base64.urlsafe_b64encode(b"[" * 3000).decode()


def asked(name: str, value: str) -> Request:
    """A request with this header."""
    scope: dict[str, Any] = {"type": "http", "headers": [(name.lower().encode(), value.encode("latin-1"))]}
    return Request({**scope, "query_string": f"validate_only={value}".encode()})


@given(st.text(max_size=300) | st.binary(max_size=300).map(base64.urlsafe_b64encode).map(bytes.decode) | st.just(DEEP))
def test_a_cursor(text: str) -> None:
    """What nobody wrote is refused, also JSON that is nested deeper than a parser goes."""
    with pytest.raises(Refusal):
        cursor.read(text, EVERYTHING)


@given(SHAPED)
def test_prefer(text: str) -> None:
    """A number of seconds within bounds, whatever it says."""
    assert 0 <= preferences.wait(text) <= preferences.LONGEST_WAIT


@given(SHAPED, st.sampled_from(['"tag"', 'W/"3"']))
def test_if_none_match(text: str, tag: str) -> None:
    """A tag is known if it is there, or all are."""
    bare = tag.removeprefix("W/")
    told = [word.strip() for word in text.split(",")]
    assert answers.is_known(text, tag) == any(word in ("*", "W/*", bare, f"W/{bare}") for word in told)


@given(SHAPED)
def test_accept(text: str) -> None:
    """One of the formats, or 406."""
    with suppress(Refusal):
        assert chosen(None, text) in FORMATS.values()


@given(SHAPED, st.sampled_from(["GET", "POST"]))
def test_authorization(text: str, method: str) -> None:
    """No key, however it looks: its checksum would have to be right by chance."""
    assert presented(text, method) is None
    assert ApiKey.read(text) is None


@given(SHAPED)
def test_an_idempotency_key_and_a_flag(text: str) -> None:
    """As they are described, or refused."""
    for parameter, name in ((KEY, "Idempotency-Key"), (VALIDATE_ONLY, "x")):
        with suppress(RequestValidationError):
            assert isinstance(parameter.read(asked(name, text)), str | bool)


@given(st.text(max_size=80))
def test_an_id(text: str) -> None:
    """What is no id of ours is an id of nothing, before anybody looks it up."""
    for read in (identity.checked, identity.checked_key, identity.checked_webhook, identity.checked_set):
        with pytest.raises(LedgerError):
            read(text)


@given(st.text(max_size=80))
def test_a_host(text: str) -> None:
    """Is this machine's own, or not."""
    assert isinstance(is_loopback(without_port(text)), bool)
