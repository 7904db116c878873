"""Keys over HTTP: issued once, listed without secrets, revoked for good, and all of it recorded."""

import pytest

from ledger import accesses
from ledger.catalogue import HOME
from palimpsest.contract.keys import SCOPES, IssuedKey, KeyList
from service.tests.conftest import Bench
from service.tests.keyed import a_key, ask, codes

KEYS = "/v1/admin/keys"


def recorded(bench: Bench, tenant: str = HOME) -> list[tuple[str, str, str]]:
    """The log of accesses: actor, action, subject."""
    with bench.ledger.reading() as connection:
        accesses.verify(connection, tenant)
        return [(row.actor, row.action, row.subject) for row in accesses.after(connection, tenant, 0)]


def test_a_key_is_issued_and_works_at_once(bench: Bench) -> None:
    """201, not to be kept by any cache; scopes are told in order, each once."""
    admin = a_key(bench, "admin")
    answer = ask(
        bench, admin, KEYS, "POST", json={"name": "ci", "scopes": ["audits:write", "audits:read", "audits:read"]}
    )
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    issued = IssuedKey.model_validate(answer.json())
    assert (issued.name, issued.scopes, issued.expires_at) == ("ci", ["audits:read", "audits:write"], None)
    assert ask(bench, issued).status_code == 200
    assert codes([ask(bench, issued, KEYS)]) == [(403, "SCOPE_MISSING")]


def test_secrets_are_told_once(bench: Bench) -> None:
    """The list has all but them."""
    admin = a_key(bench)
    issued = ask(bench, admin, KEYS, "POST", json={"name": "ci", "scopes": ["audits:read"], "days": 30}).json()
    answer = ask(bench, admin, KEYS)
    listed = KeyList.model_validate(answer.json()).data
    assert [key.id for key in listed] == [issued["id"], admin.id]
    assert issued["key"].split("_")[2] not in answer.text
    assert (listed[0].expires_at is not None, listed[1].expires_at) == (True, None)


def test_a_revoked_key_stays_so(bench: Bench) -> None:
    """Refused at once by the gateway that was told, and still listed; revoking it again tells the same."""
    admin, other = a_key(bench, "admin"), a_key(bench)
    assert ask(bench, other).status_code == 200
    first = ask(bench, admin, f"{KEYS}/{other.id}", "DELETE")
    assert first.status_code == 200
    assert codes([ask(bench, other)]) == [(401, "API_KEY_INVALID")]
    assert ask(bench, admin, f"{KEYS}/{other.id}", "DELETE").json()["revoked_at"] == first.json()["revoked_at"]


@pytest.mark.parametrize("key_id", ["x", "key_" + "0" * 26, "aud_" + "0" * 26, "key_" + "é" * 26])
def test_what_is_no_key_cannot_be_revoked(bench: Bench, key_id: str) -> None:
    """404, and nothing is recorded."""
    admin = a_key(bench, "admin")
    assert codes([ask(bench, admin, f"{KEYS}/{key_id}", "DELETE")]) == [(404, "API_KEY_NOT_FOUND")]
    assert len(recorded(bench)) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "", "scopes": ["admin"]}, "name"),
        ({"name": "a\nb", "scopes": ["admin"]}, "name"),
        ({"name": "a", "scopes": []}, "scopes"),
        ({"name": "a", "scopes": ["root"]}, "scopes.0"),
        ({"name": "a", "scopes": ["admin"], "days": 0}, "days"),
        ({"name": "a", "scopes": ["admin"], "tenant": "other"}, "tenant"),
    ],
)
def test_what_cannot_be_a_key_is_refused(bench: Bench, body: object, field: str) -> None:
    """422, naming the field; a tenant cannot be chosen."""
    refused = ask(bench, a_key(bench, "admin"), KEYS, "POST", json=body)
    assert codes([refused]) == [(422, "MALFORMED_REQUEST")]
    assert [problem["field"] for problem in refused.json()["errors"]] == [field]


def test_the_first_key_must_not_lock_everybody_out(bench: Bench) -> None:
    """Without a key, on this machine: one without ``admin`` is refused; one with it closes the door behind itself."""
    refused = ask(bench, None, KEYS, "POST", json={"name": "a", "scopes": ["audits:read"]})
    assert codes([refused]) == [(422, "MALFORMED_REQUEST")]
    first = ask(bench, None, KEYS, "POST", json={"name": "a", "scopes": ["admin"]})
    assert first.status_code == 201
    assert codes([ask(bench, None, KEYS)]) == [(401, "API_KEY_MISSING")]
    assert ask(bench, first.json()["key"], KEYS).status_code == 200
    assert recorded(bench)[0] == ("keyless", "key.issued", first.json()["id"])


def test_who_did_what_is_recorded(bench: Bench) -> None:
    """Issuing, listing, revoking; by the id of the key that did it, in the chain of its tenant."""
    admin = a_key(bench, tenant="acme")
    issued = ask(bench, admin, KEYS, "POST", json={"name": "ci", "scopes": list(SCOPES)}).json()["id"]
    ask(bench, admin, KEYS)
    ask(bench, admin, f"{KEYS}/{issued}", "DELETE")
    assert recorded(bench, "acme") == [
        ("init", "key.issued", admin.id),
        (admin.id, "key.issued", issued),
        (admin.id, "keys.listed", ""),
        (admin.id, "key.revoked", issued),
    ]
    assert recorded(bench) == []
