"""Who may ask: keys of every kind of bad, this machine and others, and what each is told."""

import base64
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from ledger import schema
from palimpsest.api_key import ApiKey
from service.callers import is_local, is_loopback, without_port
from service.tests.conftest import Bench
from service.tests.keyed import a_key, ask, bearing, codes


def test_a_key_lets_in_and_names_the_tenant(bench: Bench) -> None:
    """The scheme's name is read in any case, as the RFC has it."""
    key = a_key(bench, "audits:read")
    assert ask(bench, key).status_code == 200
    for scheme in ("bearer", "BEARER"):
        assert bench.client.get("/v1/audits", headers={"Authorization": f"{scheme} {key.key}"}).status_code == 200


def test_once_there_is_a_key_everybody_needs_one(bench: Bench) -> None:
    """Before, this machine does not; and a key that was revoked was one, too."""
    assert ask(bench, None).status_code == 200
    assert bench.client.get("/readyz").json()["keys"].startswith("not required on this machine")
    key = a_key(bench)
    refused = ask(bench, None)
    assert codes([refused]) == [(401, "API_KEY_MISSING")]
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="palimpsest"'
    assert bench.client.get("/readyz").json()["keys"] == "required"
    assert ask(bench, key, f"/v1/admin/keys/{key.id}", "DELETE").status_code == 200
    assert codes([ask(bench, None), ask(bench, key)]) == [(401, "API_KEY_MISSING"), (401, "API_KEY_INVALID")]


def test_what_is_not_a_good_key_is_refused(bench: Bench) -> None:
    """No bearer, a typo, somebody else's secret under a known prefix, a prefix nobody has: all the same code."""
    key = a_key(bench)
    known = ApiKey.read(key.key)
    assert known is not None
    sent = [
        "",
        "Bearer",
        f"Basic {key.key}",
        key.key,
        f"Bearer {key.key[:-1]}",
        f"Bearer {key.key} {key.key}",
        f"Bearer {ApiKey(known.prefix, ApiKey.minted().secret).text}",
        f"Bearer {ApiKey.minted().text}",
    ]
    answers = [bench.client.get("/v1/audits", headers={"Authorization": text}) for text in sent]
    assert set(codes(answers)) == {(401, "API_KEY_INVALID")}
    assert {answer.headers["WWW-Authenticate"] for answer in answers} == {
        'Bearer realm="palimpsest", error="invalid_token"'
    }
    assert known.secret not in "".join(answer.text for answer in answers)


def basic(text: str) -> dict[str, str]:
    """The header of Basic, as a browser sends what its user typed."""
    return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


def test_a_browser_sends_the_key_as_a_password(bench: Bench) -> None:
    """With any name or none, for reading only: what a page from elsewhere makes it send changes nothing."""
    key = a_key(bench)
    for name in ("", "me", "pal"):
        assert bench.client.get("/v1/audits", headers=basic(f"{name}:{key.key}")).status_code == 200
    refused = [
        bench.client.get("/v1/audits", headers=basic(text))
        for text in (key.key, f"{key.key}:", f"me:{key.key[:-1]}", "")
    ]
    refused.append(bench.client.post("/v1/audits/aud_1/cancel", headers=basic(f":{key.key}")))
    refused.append(bench.client.delete(f"/v1/admin/keys/{key.id}", headers=basic(f":{key.key}")))
    refused.append(bench.client.get("/v1/audits", headers={b"Authorization": b"Basic \xff"}))
    assert set(codes(refused)) == {(401, "API_KEY_INVALID")}


def test_an_expired_key_is_refused(bench: Bench) -> None:
    """Good for a day; then the day is over."""
    key = a_key(bench, days=1)
    assert key.expires_at is not None
    assert (key.expires_at - key.created_at).total_seconds() == pytest.approx(86_400)
    assert ask(bench, key).status_code == 200
    with bench.ledger.writing() as connection:
        connection.execute(update(schema.api_keys).values(expires_at=time.time() - 1))
    bench.client.app.state.desk.keyring.forget()  # type: ignore[attr-defined]
    assert codes([ask(bench, key)]) == [(401, "API_KEY_INVALID")]


def test_a_missing_scope_is_named(bench: Bench) -> None:
    """403, in the detail and in the header."""
    refused = ask(bench, a_key(bench, "audits:read"), "/v1/admin/keys")
    assert codes([refused]) == [(403, "SCOPE_MISSING")]
    assert "scope admin" in refused.json()["detail"]
    challenge = 'Bearer realm="palimpsest", error="insufficient_scope", scope="admin"'
    assert refused.headers["WWW-Authenticate"] == challenge


def test_who_asks_is_known_before_the_question_is_looked_at(bench: Bench) -> None:
    """A caller without a key is not told what is wrong with a request."""
    a_key(bench)
    wrong = [
        ask(bench, None, "/v1/audits?limit=0"),
        ask(bench, None, "/v1/audits", "POST", content=b"{"),
        ask(bench, None, "/v1/admin/keys", "POST", json={}),
        ask(bench, None, "/v1/audits/x"),
    ]
    assert set(codes(wrong)) == {(401, "API_KEY_MISSING")}


def test_use_is_noted_for_a_person_to_see(bench: Bench) -> None:
    """Within a minute of the truth; a key nobody has used says so."""
    key, idle = a_key(bench), a_key(bench)
    ask(bench, key)
    ends = time.monotonic() + 20
    while time.monotonic() < ends:
        listed = {one["id"]: one["last_used_at"] for one in ask(bench, key, "/v1/admin/keys").json()["data"]}
        if listed[key.id]:
            break
    assert listed[idle.id] is None
    assert abs((datetime.now(UTC) - datetime.fromisoformat(listed[key.id])).total_seconds()) < 60


@pytest.mark.parametrize(
    ("base_url", "client", "headers"),
    [
        ("http://127.0.0.1:8000", "192.0.2.7", {}),
        ("http://10.0.0.5:8000", "127.0.0.1", {}),
        ("http://127.0.0.1:8000", "127.0.0.1", {"Host": "evil.example"}),
        ("http://127.0.0.1:8000", "127.0.0.1", {"Host": ""}),
        ("http://127.0.0.1:8000", "127.0.0.1", {"Origin": "https://evil.example"}),
        ("http://127.0.0.1:8000", "127.0.0.1", {"Origin": "null"}),
        ("http://127.0.0.1:8000", "127.0.0.1", {"X-Forwarded-For": "192.0.2.7"}),
        ("http://127.0.0.1:8000", "127.0.0.1", {"Forwarded": "for=192.0.2.7"}),
    ],
)
def test_others_than_this_machine_always_need_a_key(
    bench: Bench, base_url: str, client: str, headers: dict[str, str]
) -> None:
    """Another address on either end, a name made to point here, another's page, a proxy: no answer without a key."""
    other = TestClient(bench.client.app, base_url=base_url, client=(client, 50000))
    assert codes([other.get("/v1/audits", headers=headers)]) == [(401, "API_KEY_MISSING")]
    assert other.get("/healthz", headers=headers).status_code == 200
    key = a_key(bench)
    assert other.get("/v1/audits", headers={**headers, **bearing(key)}).status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", "LocalHost", "::ffff:127.0.0.1"])
def test_loopback_has_many_names(host: str) -> None:
    """The whole of 127/8, by IPv6 too."""
    assert is_loopback(host)
    assert is_loopback(without_port(f"[{host}]:8000" if ":" in host else f"{host}:8000"))


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "10.0.0.1", "localhost.evil.example", "127.0.0.1.example", "x"])
def test_everything_else_is_not(host: str) -> None:
    """Least of all every address there is."""
    assert not is_loopback(host)


def test_without_addresses_nobody_is_local() -> None:
    """As behind a Unix socket, where anybody's proxy may be."""
    whole: dict[str, Any] = {
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "headers": [(b"host", b"localhost")],
    }
    assert is_local(whole)
    assert is_local({**whole, "headers": [*whole["headers"], (b"origin", b"http://localhost:8000")]})
    socket = {"server": ("/run/palimpsest.sock", None)}
    lacking: list[dict[str, Any]] = [{"client": None}, {"server": None}, socket, {"headers": []}]
    for missing in lacking:
        assert not is_local({**whole, **missing})
