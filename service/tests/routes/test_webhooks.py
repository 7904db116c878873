"""Webhooks over HTTP: secrets are told once, every change is logged, and what could not be called is refused."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from ledger import endings, schema
from ledger.webhooks import MOST
from palimpsest.contract.webhooks import EVENT_TYPES
from service.tests.conftest import Bench

Asked = Callable[..., dict[str, Any]]
URL = "https://hooks.example/palimpsest"


def made(bench: Bench, **changes: Any) -> dict[str, Any]:
    """A new webhook."""
    answer = bench.client.post("/v1/webhooks", json={"url": URL, **changes})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def actions(bench: Bench) -> list[tuple[str, str]]:
    """The log of accesses."""
    with bench.ledger.reading() as connection:
        return [(row.action, row.subject) for row in connection.execute(select(schema.accesses))]


def test_a_secret_is_told_once(bench: Bench) -> None:
    """In the answer that made it, which no cache keeps; it is 256 bits as Standard Webhooks writes them."""
    answer = bench.client.post("/v1/webhooks", json={"url": URL, "events": ["audit.failed"]})
    hook = answer.json()
    assert (answer.headers["Cache-Control"], hook["events"]) == ("no-store", ["audit.failed"])
    assert hook["secret"].startswith("whsec_")
    assert len(hook["secret"]) == 6 + 44
    assert set(made(bench)["events"]) == set(EVENT_TYPES)
    for path in ("/v1/webhooks", f"/v1/webhooks/{hook['id']}"):
        told = bench.client.get(path)
        assert hook["id"] in told.text
        assert "secret" not in told.text.replace("former_secret_until", "")


def test_a_rotation_tells_another_and_until_when_the_former_is_good(bench: Bench) -> None:
    """A day."""
    hook = made(bench)
    rotated = bench.client.post(f"/v1/webhooks/{hook['id']}/rotate").json()
    assert rotated["id"] == hook["id"]
    assert rotated["secret"] != hook["secret"]
    assert hook["former_secret_until"] is None
    assert rotated["former_secret_until"] > rotated["created_at"]


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/",
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://[::ffff:7f00:1]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://hooks.example:22/",
        "https://user:word@hooks.example/",
    ],
)
def test_what_could_not_be_called_is_refused(bench: Bench, url: str) -> None:
    """By its code, at its field, without a word of what was sent."""
    answer = bench.client.post("/v1/webhooks", json={"url": url})
    assert (answer.status_code, answer.json()["code"]) == (422, "WEBHOOK_URL_REFUSED")
    assert answer.json()["errors"][0]["field"] == "url"
    assert url not in answer.text
    assert bench.count("webhooks") == 0


@pytest.mark.parametrize("body", [{}, {"url": ""}, {"url": URL, "events": []}, {"url": URL, "events": ["audit.begun"]}])
def test_what_is_no_webhook_is_refused(bench: Bench, body: dict[str, Any]) -> None:
    """As malformed."""
    answer = bench.client.post("/v1/webhooks", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "MALFORMED_REQUEST")


def test_a_tenant_has_so_many_and_no_more(bench: Bench) -> None:
    """Twenty; coming back does not help, removing one does."""
    ids = [made(bench)["id"] for _ in range(MOST)]
    refusal = bench.client.post("/v1/webhooks", json={"url": URL})
    assert (refusal.status_code, refusal.json()["code"]) == (429, "QUOTA_EXCEEDED")
    assert refusal.headers["x-should-retry"] == "false"
    assert bench.client.delete(f"/v1/webhooks/{ids[0]}").status_code == 200
    made(bench)


def owed(bench: Bench, asked: Asked, many: int) -> str:
    """The id of a webhook that so many ends are owed to."""
    hook = made(bench)
    for number in range(many):
        bench.submitted(asked(seed=number), f"key-0000-0000-{number:04}")
        bench.ring()
        bench.conclude(b"{}")
    with bench.ledger.writing() as connection:
        assert endings.fan_out(connection) == many
    return str(hook["id"])


def test_deliveries_come_in_pages_and_are_replayed(bench: Bench, asked: Asked) -> None:
    """Newest first, two and one; a replay is accepted and says when it will be tried."""
    hook = owed(bench, asked, 3)
    where = f"/v1/webhooks/{hook}/deliveries"
    first = bench.client.get(f"{where}?limit=2").json()
    second = bench.client.get(f"{where}?limit=2&before={first['next_before']}").json()
    ids = [one["id"] for one in first["data"] + second["data"]]
    assert (len(first["data"]), len(second["data"]), second["next_before"]) == (2, 1, None)
    assert ids == sorted(ids, reverse=True)
    replayed = bench.client.post(f"{where}/{ids[0]}/replay")
    assert (replayed.status_code, replayed.json()["state"], replayed.json()["tries"]) == (202, "waiting", 0)
    assert replayed.json()["next_try_at"] is not None
    unknown = bench.client.post(f"{where}/msg_{'0' * 26}/replay")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "DELIVERY_NOT_FOUND")
    assert bench.client.post(f"{where}/nonsense/replay").json()["code"] == "DELIVERY_NOT_FOUND"


def test_what_is_removed_is_gone(bench: Bench, asked: Asked) -> None:
    """With all it was owed; removing it twice is once."""
    hook = owed(bench, asked, 1)
    assert bench.client.delete(f"/v1/webhooks/{hook}").json()["id"] == hook
    again = bench.client.delete(f"/v1/webhooks/{hook}")
    assert (again.status_code, again.json()["code"]) == (404, "WEBHOOK_NOT_FOUND")
    assert (bench.count("webhooks"), bench.count("deliveries")) == (0, 0)


def test_every_change_is_in_the_log_of_accesses(bench: Bench, asked: Asked) -> None:
    """By the webhook's id, or the delivery's."""
    hook = owed(bench, asked, 1)
    [delivery] = bench.client.get(f"/v1/webhooks/{hook}/deliveries").json()["data"]
    bench.client.post(f"/v1/webhooks/{hook}/rotate")
    bench.client.post(f"/v1/webhooks/{hook}/deliveries/{delivery['id']}/replay")
    bench.client.delete(f"/v1/webhooks/{hook}")
    told = [(action, subject) for action, subject in actions(bench) if action.startswith("webhook.")]
    assert told == [
        ("webhook.created", hook),
        ("webhook.rotated", hook),
        ("webhook.replayed", delivery["id"]),
        ("webhook.removed", hook),
    ]
