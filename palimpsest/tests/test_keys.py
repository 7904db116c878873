"""Keys issued, listed and revoked by both clients and by the command line, over real HTTP."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from palimpsest.client import AsyncAuditClient, AuditClient
from palimpsest.commands import app
from palimpsest.contract.catalogue import ModelList
from palimpsest.contract.keys import IssuedKey, Key, KeyList
from palimpsest.contract.problems import Code
from palimpsest.errors import ProblemError, Unreachable
from palimpsest.tests.example import a_problem
from palimpsest.tests.gateway import Gateway, Said, saying

AT = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
CREATE, LIST, REVOKE = "POST /v1/admin/keys", "GET /v1/admin/keys", "DELETE /v1/admin/keys/key_1"
SECRET = "pal_" + "p" * 12 + "_" + "s" * 49


def a_key(**changes: Any) -> Key:
    """One that was never used."""
    plain = {"id": "key_1", "prefix": "p" * 12, "name": "ci", "scopes": ["audits:read"], "created_at": AT}
    open_end = {"expires_at": None, "revoked_at": None, "last_used_at": None}
    return Key.model_validate({**plain, **open_end, **changes})


ISSUED = IssuedKey(key=SECRET, **a_key().model_dump())
REVOKED = a_key(revoked_at=AT)
LONG = "key_" + "2" * 26
LISTED = KeyList(
    data=[
        a_key(id=LONG, name="a pipeline " * 9, expires_at=AT, last_used_at=AT, scopes=["admin"]),
        REVOKED,
        a_key(id="key_3"),
    ]
)


def blocking(gateway: Gateway, act: Callable[[Any], Any]) -> Any:
    """What the blocking client makes of it."""
    with AuditClient(gateway.url, api_key="mine") as client:
        return act(client.keys)


def awaiting(gateway: Gateway, act: Callable[[Any], Any]) -> Any:
    """What the awaiting client makes of it."""

    async def acted() -> Any:
        async with AsyncAuditClient(gateway.url, api_key="mine") as client:
            return await act(client.keys)

    return asyncio.run(acted())


@pytest.mark.parametrize("acting", [blocking, awaiting])
def test_both_clients_issue_list_and_revoke(gateway: Gateway, acting: Callable[..., Any]) -> None:
    """The caller's own key goes along; a key without ``days`` is asked for without a word of them."""
    gateway.will_say(CREATE, saying(ISSUED, 201))
    gateway.will_say(LIST, saying(LISTED))
    gateway.will_say(REVOKE, saying(REVOKED))
    assert acting(gateway, lambda keys: keys.create("ci", ["audits:read"])) == ISSUED
    assert acting(gateway, lambda keys: keys.create("ci", ["admin"], days=7)) == ISSUED
    assert acting(gateway, lambda keys: keys.list()) == LISTED
    assert acting(gateway, lambda keys: keys.revoke("key_1")) == REVOKED
    assert [json.loads(heard.body) for heard in gateway.heard if heard.body] == [
        {"name": "ci", "scopes": ["audits:read"]},
        {"name": "ci", "scopes": ["admin"], "days": 7},
    ]
    assert {heard.headers["authorization"] for heard in gateway.heard} == {"Bearer mine"}


@pytest.mark.parametrize("acting", [blocking, awaiting])
def test_a_key_is_asked_for_once(gateway: Gateway, acting: Callable[..., Any]) -> None:
    """Where the answer was lost there may be a key that nobody knows; a second call would make two."""
    gateway.will_say(CREATE, Said(503))
    with pytest.raises(Unreachable):
        acting(gateway, lambda keys: keys.create("ci", ["admin"]))
    assert len(gateway.heard) == 1


def test_the_environments_key_is_sent(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless another is given, or none by an empty one."""
    monkeypatch.setenv("PALIMPSEST_API_KEY", "the environment's")
    gateway.will_say("GET /v1/models", saying(ModelList(data=[])))
    for given in (None, "another", ""):
        with AuditClient(gateway.url, api_key=given) as client:
            client.models()
    sent = [heard.headers.get("authorization") for heard in gateway.heard]
    assert sent == ["Bearer the environment's", "Bearer another", None]


def test_a_refusal_is_the_services(gateway: Gateway) -> None:
    """401 and 403 are problems like any other, and are not repeated."""
    gateway.will_say(LIST, saying(a_problem(403, Code.SCOPE_MISSING), 403))
    with pytest.raises(ProblemError, match="SCOPE_MISSING"):
        blocking(gateway, lambda keys: keys.list())
    assert len(gateway.heard) == 1


def invoke(gateway: Gateway, *arguments: str) -> Result:
    """The command line, told by its environment where the service is and who asks."""
    told = {"PALIMPSEST_URL": gateway.url, "PALIMPSEST_API_KEY": "mine"}
    return CliRunner().invoke(app, ["admin", "keys", *arguments], env=told)


def test_create_prints_the_key_and_nothing_else(gateway: Gateway) -> None:
    """On stdout, so that a shell can keep it; what it is, on stderr."""
    gateway.will_say(CREATE, saying(ISSUED, 201))
    words = ["create", "ci", "--scope", "audits:read", "--scope", "audits:write", "--days", "90"]
    result = invoke(gateway, *words)
    assert (result.exit_code, result.stdout) == (0, SECRET + "\n")
    assert "key_1" in result.stderr
    [heard] = gateway.heard
    assert json.loads(heard.body) == {"name": "ci", "scopes": ["audits:read", "audits:write"], "days": 90}
    assert heard.headers["authorization"] == "Bearer mine"


@pytest.mark.parametrize(
    "words", [["create", "ci", "--scope", "audits"], ["create", "ci"], ["create", "", "--scope", "admin"], ["revoke"]]
)
def test_what_cannot_be_a_key_is_not_asked_for(gateway: Gateway, words: list[str]) -> None:
    """Exit 4, and the service hears nothing."""
    assert invoke(gateway, *words).exit_code == 4
    assert gateway.heard == []


def test_list_says_how_each_key_stands(gateway: Gateway) -> None:
    """Until when it is good, and when it was used; an id is whole, however long the name is."""
    gateway.will_say(LIST, saying(LISTED))
    lines = {line.split()[0]: line for line in invoke(gateway, "list").stdout.splitlines() if line.startswith("key_")}
    assert lines[LONG].rstrip().endswith("until 2026-01-02")
    assert lines["key_1"].rstrip().endswith("revoked 2026-01-02")
    assert lines["key_3"].rstrip().endswith("yes")
    assert ("2026-01-02 03:04" in lines[LONG], "never" in lines["key_3"]) == (True, True)


def test_revoke_names_the_key(gateway: Gateway) -> None:
    """One line."""
    gateway.will_say(REVOKE, saying(REVOKED))
    assert invoke(gateway, "revoke", "key_1").stdout == "key key_1 revoked\n"
