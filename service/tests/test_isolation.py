"""What one tenant's key opens of another's: nothing, on every route there is. And of its own: what its scopes say.

Both matrices come from the OpenAPI document. A new route is in them by itself; one with a new kind of id fails until it
is said here whose example is asked for, and one that needs no key fails unless it is known here.
"""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from ledger import deliveries, endings, webhooks
from palimpsest.contract.keys import SCOPES, IssuedKey, Scope
from palimpsest.contract.webhooks import EVENT_TYPES
from service.tests.conftest import Bench
from service.tests.hostile_lists import line
from service.tests.keyed import a_key, ask, bearing
from service.tests.routes.test_exports import DELTA, JOINT, mitigated
from service.tests.routes.test_images import sent
from service.tests.routes.test_target_sets import kept as targets_sent

Asked = Callable[..., dict[str, Any]]
Operation = tuple[str, str]

OPEN = {"/healthz", "/readyz"}
"""Documented, and ask nobody."""
UNDOCUMENTED = {"/metrics", "/openapi.json", "/docs", "/docs/oauth2-redirect"}
"""Ask nobody either: the deployment's own, and what describes the API."""
UNKNOWN = {
    "audit_id": "aud_" + "0" * 26,
    "key_id": "key_" + "0" * 26,
    "digest": "0" * 64,
    "mitigation_id": "none",
    "webhook_id": "whk_" + "0" * 26,
    "delivery_id": "msg_" + "0" * 26,
    "image_digest": "0" * 64,
    "target_set_id": "tset_" + "0" * 26,
}
"""Ids of nothing."""
NOT_THERE = {
    "audit_id": "AUDIT_NOT_FOUND",
    "key_id": "API_KEY_NOT_FOUND",
    "webhook_id": "WEBHOOK_NOT_FOUND",
    "image_digest": "IMAGE_NOT_FOUND",
    "target_set_id": "TARGET_SET_NOT_FOUND",
}


def operations(bench: Bench) -> dict[Operation, dict[str, Any]]:
    """Every documented operation by method and path."""
    paths = bench.client.get("/openapi.json").json()["paths"]
    return {(method.upper(), path): told for path, methods in paths.items() for method, told in methods.items()}


def with_ids(bench: Bench) -> list[tuple[str, str, str]]:
    """(method, path, name of the id) of every operation on one thing."""
    found = []
    for method, path in operations(bench):
        names = [part.strip("{}") for part in path.split("/") if part.startswith("{")]
        assert set(names) <= set(UNKNOWN), f"{method} {path}: whose {names} is another tenant's?"
        found += [(method, path, name) for name in names[:1]]
    return found


@pytest.fixture
def mine(bench: Bench, asked: Asked, picture: Callable[..., bytes]) -> dict[str, str]:
    """A tenant's audit that has a report, its mitigation, the file that this kept, the webhook it is told to; a key.

    And a picture and a list that it sent ahead.
    """
    with bench.ledger.writing() as connection:
        hook = webhooks.create(connection, "local", url="https://a.example/", events=EVENT_TYPES, secret="whsec_")
    audit_id = mitigated(bench, asked(mitigations=[JOINT]))
    bench.write_report(b'{"mine": true}')
    kept = hashlib.sha256(DELTA).hexdigest()
    image = sent(bench, picture(color="green")).digest
    target_set = targets_sent(bench, line(caption="mine")).id
    key_id = a_key(bench, "audits:read").id
    with bench.ledger.writing() as connection:
        endings.fan_out(connection)
        [owed] = deliveries.page(connection, "local", hook.id, limit=2)
    named = {"audit_id": audit_id, "key_id": key_id, "digest": kept, "mitigation_id": "mine"}
    return {**named, "webhook_id": hook.id, "delivery_id": owed.id, "image_digest": image, "target_set_id": target_set}


def everything(bench: Bench) -> list[Any]:
    """All that a stranger could have changed."""
    with bench.ledger.reading() as connection:
        uploaded = ("images", "target_sets")
        tables = ("audits", "units", "events", "evidence", *uploaded, "webhooks", "deliveries", "api_keys")
        return [connection.exec_driver_sql(f"SELECT * FROM {table}").all() for table in tables]


def test_what_is_another_tenants_is_not_there(bench: Bench, mine: dict[str, str]) -> None:
    """On every route with an id: 404 word for word as for an id of nothing, and nothing has changed; mine are found."""
    owner, stranger = a_key(bench), a_key(bench, tenant="other")
    before, cells = everything(bench), 0
    for method, path, name in with_ids(bench):
        theirs, nothing = (
            ask(bench, stranger, path.format(**ids), method, headers={"X-Request-Id": "same"})
            for ids in (mine, UNKNOWN)
        )
        assert (theirs.status_code, theirs.json()["code"]) == (404, NOT_THERE[name]), (method, path)
        assert theirs.content == nothing.content, (method, path)
        cells += 1
    assert cells >= 11
    assert strangers_use(everything(bench)) == strangers_use(before)
    for method, path, _ in with_ids(bench):
        assert ask(bench, owner, path.format(**mine), method).status_code != 404, (method, path)


def strangers_use(rows: list[Any]) -> list[Any]:
    """The same without the notes that a key was used, which is its own tenant's doing."""
    return [*rows[:-1], [tuple(row)[:-1] for row in rows[-1]]]


def test_no_list_has_anything_of_another_tenants(bench: Bench, mine: dict[str, str], asked: Asked) -> None:
    """Every GET without an id, whatever it answers with: no id of mine is in it; in the owner's lists they are."""
    owner, stranger = a_key(bench), a_key(bench, tenant="other")
    lists = [path for method, path in operations(bench) if method == "GET" and "{" not in path]
    told = {path: ask(bench, stranger, path) for path in lists}
    assert {path: answer.status_code for path, answer in told.items()} == dict.fromkeys(lists, 200)
    ids = [mine[name] for name in ("audit_id", "key_id", "digest", "webhook_id", "image_digest", "target_set_id")]
    assert not [path for path, answer in told.items() if any(its in answer.text for its in ids)]
    assert mine["audit_id"] in ask(bench, owner, "/v1/audits").text
    assert mine["key_id"] in ask(bench, owner, "/v1/admin/keys").text
    assert mine["webhook_id"] in ask(bench, owner, "/v1/webhooks").text
    assert mine["target_set_id"] in ask(bench, owner, "/v1/target-sets").text


def test_what_an_audit_kept_is_not_found_by_way_of_another_tenants_audit(
    bench: Bench, mine: dict[str, str], asked: Asked
) -> None:
    """The stranger's own audit, and behind it the ids of my file and my mitigation: 404."""
    stranger = a_key(bench, tenant="other")
    own = bench.post(asked(), **bearing(stranger)).json()["id"]
    nested = [(method, path) for method, path in operations(bench) if path.count("{") == 2]
    answers = [ask(bench, stranger, path.format(**{**mine, "audit_id": own}), method) for method, path in nested]
    assert {answer.status_code for answer in answers} == {404}
    found = {answer.json()["code"] for answer in answers}
    assert found == {"EVIDENCE_NOT_FOUND", "MITIGATION_NOT_FOUND", "WEBHOOK_NOT_FOUND"}


def test_equal_keys_and_requests_of_two_tenants_are_two_audits(
    bench: Bench, mine: dict[str, str], asked: Asked
) -> None:
    """Neither an Idempotency-Key nor an equal request that has been answered leads to another tenant's audit."""
    stranger = a_key(bench, tenant="other")
    asks_the_same = asked(mitigations=[JOINT])
    answer = bench.post(asks_the_same, **bearing(stranger))
    assert answer.status_code == 202
    assert answer.json()["id"] != mine["audit_id"]
    assert "Idempotent-Replayed" not in answer.headers
    assert bench.post(asks_the_same, key="another-key-0000-0001", **bearing(stranger)).json()["id"] != mine["audit_id"]


def needed(told: dict[str, Any]) -> str:
    """The one scope an operation names."""
    [security] = told["security"]
    [scopes] = security.values()
    [scope] = scopes
    return str(scope)


def test_every_route_names_its_scope(bench: Bench) -> None:
    """Or is known to ask nobody; the scheme it names is described."""
    for (method, path), told in operations(bench).items():
        assert ("security" in told) == (path not in OPEN), (method, path)
        if path not in OPEN:
            assert needed(told) in SCOPES
            assert {"401", "403"} <= set(told["responses"])
    schemes = bench.client.get("/openapi.json").json()["components"]["securitySchemes"]
    assert schemes["apiKey"]["scheme"] == "bearer"
    served = {route.path for route in bench.client.app.routes if hasattr(route, "path")}  # type: ignore[attr-defined]
    assert served - {path for _, path in operations(bench)} <= UNDOCUMENTED


def test_what_describes_the_api_asks_nobody(bench: Bench) -> None:
    """Also once there are keys."""
    a_key(bench)
    for path in OPEN | UNDOCUMENTED:
        assert ask(bench, None, path).status_code == 200, path


@pytest.mark.parametrize("scope", [None, *SCOPES])
def test_a_key_opens_what_its_scope_says_and_nothing_else(
    bench: Bench, mine: dict[str, str], scope: Scope | None
) -> None:
    """Every route by a key of one scope, or by none: 403 that names the scope it lacks, 401 without."""
    key: IssuedKey | None = None if scope is None else a_key(bench, scope)
    for (method, path), told in operations(bench).items():
        if path in OPEN:
            continue
        answer = ask(bench, key, path.format(**mine), method, **({"json": {}} if method == "POST" else {}))
        if key is None:
            assert (answer.status_code, answer.json()["code"]) == (401, "API_KEY_MISSING"), (method, path)
        elif needed(told) == scope:
            assert answer.status_code not in (401, 403, 404), (method, path)
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "SCOPE_MISSING"), (method, path)
            assert f'scope="{needed(told)}"' in answer.headers["WWW-Authenticate"]
