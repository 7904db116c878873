"""Webhooks told over real sockets: signed as the specification's own library verifies it, until they take it."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import update
from standardwebhooks import Webhook, WebhookVerificationError
from structlog.testing import capture_logs

from ledger import audits, deliveries, outgoing, webhooks
from ledger.deliveries import DeliveryRow
from palimpsest.contract.webhooks import EVENT_TYPES
from service import hooks
from service.deliverer import FAILING_SECONDS, OF_ONE, PAUSES, Deliverer, pause
from service.outbound import Outbound, Pinned
from service.tests.conftest import Bench
from service.tests.receivers import Heard, Receiver, receiving

Asked = Callable[..., dict[str, Any]]
LOCAL = "local"


@dataclass
class Told:
    """A receiver, the webhook that names it, and who tells it."""

    bench: Bench
    receiver: Receiver
    deliverer: Deliverer
    id: str
    secret: str

    def told(self) -> list[Heard]:
        """What it heard after one more sweep."""
        self.deliverer.fan_out()
        self.deliverer.deliver()
        return self.receiver.heard

    def owed(self) -> list[DeliveryRow]:
        """Everything it was or is to be told, the newest first."""
        with self.bench.ledger.reading() as connection:
            return deliveries.page(connection, LOCAL, self.id, limit=100)

    def wait_no_more(self) -> None:
        """What is to be tried again is due now."""
        with self.bench.ledger.writing() as connection:
            connection.execute(update(outgoing.deliveries).values(due_at=0.0))

    def hook(self) -> webhooks.WebhookRow:
        """The webhook as it stands."""
        with self.bench.ledger.reading() as connection:
            return webhooks.get(connection, LOCAL, self.id)


def hooked(bench: Bench, url: str, *events: str, tenant: str = LOCAL) -> tuple[str, str]:
    """A webhook of this tenant, by its id and its secret."""
    secret = hooks.minted()
    with bench.ledger.writing() as connection:
        row = webhooks.create(connection, tenant, url=url, events=events or EVENT_TYPES, secret=secret)
    return row.id, secret


@pytest.fixture
def told(bench: Bench) -> Iterator[Told]:
    """A webhook on this machine that is told of every end."""
    with receiving() as receiver:
        deliverer = Deliverer(bench.ledger, Outbound(Pinned(private=["127.0.0.1"], seconds=2)))
        yield Told(bench, receiver, deliverer, *hooked(bench, receiver.url))


def ended(told: Told, asked: Asked, number: int = 0) -> str:
    """An audit that has succeeded."""
    audit_id = told.bench.submitted(asked(seed=number), f"key-0000-0000-{number:04}")
    told.bench.ring()
    told.bench.conclude(b"{}")
    return audit_id


def read(secret: str, heard: Heard) -> Any:
    """The payload, verified by the specification's own library. Raises WebhookVerificationError."""
    return Webhook(secret).verify(heard.body, heard.headers)


def test_an_end_is_told_signed_and_thin(told: Told, asked: Asked) -> None:
    """Once, with ids, state and links, and nothing of what was audited; the id is the delivery's."""
    audit_id = ended(told, asked)
    [heard] = told.told()
    assert (heard.line, heard.headers["content-type"]) == ("POST /hook HTTP/1.1", "application/json")
    where = f"/v1/audits/{audit_id}"
    payload = read(told.secret, heard)
    assert payload.pop("timestamp").endswith("+00:00")
    links = {"self": where, "report": f"{where}/report"}
    data = {"audit_id": audit_id, "state": "succeeded", "outcome": "finding", "links": links}
    assert payload == {"type": "audit.succeeded", "data": data}
    [delivery] = told.owed()
    assert (delivery.id, delivery.state, delivery.tries, delivery.status) == (
        heard.headers["webhook-id"],
        "delivered",
        1,
        204,
    )
    assert len(told.told()) == 1


def test_a_wrong_secret_or_another_byte_is_seen(told: Told, asked: Asked) -> None:
    """So is another moment."""
    ended(told, asked)
    [heard] = told.told()
    for secret, changed in (
        (hooks.minted(), heard),
        (told.secret, Heard(heard.line, heard.headers, heard.body + b" ")),
        (told.secret, Heard(heard.line, {**heard.headers, "webhook-timestamp": "1"}, heard.body)),
    ):
        with pytest.raises(WebhookVerificationError):
            read(secret, changed)


def test_every_end_rings(told: Told, asked: Asked) -> None:
    """Succeeded, failed, cancelled and expired: each says so itself; a failed one has no report to link to."""
    bench = told.bench
    ended(told, asked)
    bench.submitted(asked(seed=1), "key-0000-0000-0001")
    bench.ring()
    bench.fail("OUT_OF_MEMORY")
    for number, how in ((2, "cancelled"), (3, "expired")):
        audit_id = bench.submitted(asked(seed=number), f"key-0000-0000-{number:04}")
        if how == "cancelled":
            assert bench.client.post(f"/v1/audits/{audit_id}/cancel").status_code == 202
        else:
            with bench.ledger.writing() as connection:
                connection.exec_driver_sql(f"UPDATE audits SET deadline_at = 0 WHERE id = '{audit_id}'")
            wound_down(bench)
        bench.write_report(b"{}")
    found = {payload["type"]: payload["data"] for payload in (json.loads(heard.body) for heard in told.told())}
    assert set(found) == set(EVENT_TYPES)
    assert {data["state"] for data in found.values()} == {"succeeded", "failed", "cancelled", "expired"}
    assert [name for name, data in found.items() if "report" not in data["links"]] == ["audit.failed"]


def wound_down(bench: Bench) -> None:
    """What the sweeper does with an audit past its deadline."""
    with bench.ledger.writing() as connection:
        assert audits.expire_overdue(connection) == 1


def test_only_who_asked_for_it_is_told(told: Told, asked: Asked) -> None:
    """Not a webhook for failures, nor another tenant's."""
    others = [hooked(told.bench, told.receiver.url, "audit.failed")[0]]
    hooked(told.bench, told.receiver.url, tenant="other")
    ended(told, asked)
    assert len(told.told()) == 1
    with told.bench.ledger.reading() as connection:
        assert deliveries.page(connection, LOCAL, others[0], limit=10) == []
    assert told.bench.count("deliveries") == 1


def test_what_is_not_taken_is_told_again_under_the_same_id(told: Told, asked: Asked) -> None:
    """After 500, a redirect and a lost connection; each try is signed for its own moment, and the fourth is taken."""
    ended(told, asked)
    told.receiver.will_say(500, 302, 204)
    told.receiver.answers.insert(2, b"")
    statuses = []
    for _ in range(4):
        told.told()
        [delivery] = told.owed()
        statuses.append((delivery.state, delivery.tries, delivery.status, delivery.error))
        told.wait_no_more()
    assert statuses == [
        ("waiting", 1, 500, None),
        ("waiting", 2, 302, None),
        ("waiting", 3, None, "unreachable"),
        ("delivered", 4, 204, None),
    ]
    assert len({heard.headers["webhook-id"] for heard in told.receiver.heard}) == 1
    assert all(read(told.secret, heard) for heard in told.receiver.heard)
    assert told.hook().failing_since is None


def test_the_pauses_grow_and_a_receiver_may_ask_for_longer(told: Told, asked: Asked) -> None:
    """Nine pauses are 76 hours; each up to a tenth longer; what is asked for is bounded, too."""
    assert (round(sum(PAUSES) / 3600), len(PAUSES)) == (76, 9)
    for tries, base in enumerate(PAUSES, start=1):
        found = [pause(tries) for _ in range(50)]
        assert base <= min(found) <= max(found) <= 1.1 * base
        assert len(set(found)) > 1
    assert 60 <= pause(1, 60.0) <= 66
    assert pause(1, 1e7) <= 1.1 * 86_400
    ended(told, asked)
    told.receiver.will_say(429, retry_after="1000")
    told.told()
    [delivery] = told.owed()
    assert 999 <= delivery.due_at - time.time() <= 1101
    assert len(told.told()) == 1


def test_after_ten_tries_it_is_given_up(told: Told, asked: Asked) -> None:
    """The webhook stays, for it has not failed for days; another end is told as if nothing had been."""
    ended(told, asked)
    told.receiver.will_say(503)
    for _ in range(12):
        told.told()
        told.wait_no_more()
    [delivery] = told.owed()
    assert (delivery.state, delivery.tries, len(told.receiver.heard)) == ("given_up", 10, 10)
    assert told.hook().disabled_at is None
    told.receiver.will_say(204)
    ended(told, asked, 1)
    assert len(told.told()) == 11


def test_a_webhook_that_fails_for_days_is_disabled(told: Told, asked: Asked) -> None:
    """With the delivery that is given up then; what waits for it is given up too, and no further end is owed to it."""
    ended(told, asked)
    ended(told, asked, 1)
    told.receiver.will_say(500)
    told.told()
    long_ago = time.time() - FAILING_SECONDS - 1
    with told.bench.ledger.writing() as connection:
        connection.execute(update(outgoing.webhooks).values(failing_since=long_ago))
        last = told.owed()[-1].id
        connection.execute(
            update(outgoing.deliveries).where(outgoing.deliveries.c.id == last).values(tries=9, due_at=0)
        )
    with capture_logs() as logs:
        told.told()
    assert [line["webhook"] for line in logs if line["event"] == "webhook disabled"] == [told.id]
    assert told.hook().disabled_at is not None
    assert [row.state for row in told.owed()] == ["given_up", "given_up"]
    ended(told, asked, 2)
    heard = len(told.receiver.heard)
    assert len(told.told()) == heard
    assert len(told.owed()) == 2


def test_gone_is_for_good(told: Told, asked: Asked) -> None:
    """410 disables it at once."""
    ended(told, asked)
    told.receiver.will_say(410)
    told.told()
    assert told.hook().disabled_at is not None
    assert [(row.state, row.status) for row in told.owed()] == [("given_up", 410)]


def test_after_a_rotation_both_secrets_are_good_for_a_while(told: Told, asked: Asked) -> None:
    """A receiver that knows either reads it; once the time is over only the new one."""
    with told.bench.ledger.writing() as connection:
        webhooks.rotate(connection, LOCAL, told.id, secret=(new := hooks.minted()), seconds=60)
    ended(told, asked)
    [heard] = told.told()
    assert heard.headers["webhook-signature"].count("v1,") == 2
    assert read(new, heard) == read(told.secret, heard)
    with told.bench.ledger.writing() as connection:
        connection.execute(update(outgoing.webhooks).values(former_until=1.0))
    ended(told, asked, 1)
    later = told.told()[-1]
    assert read(new, later)
    with pytest.raises(WebhookVerificationError):
        read(told.secret, later)


def test_a_replay_is_the_same_message_again(told: Told, asked: Asked) -> None:
    """Same id, same bytes, tries counted anew."""
    ended(told, asked)
    told.told()
    [delivery] = told.owed()
    with told.bench.ledger.writing() as connection:
        deliveries.replay(connection, LOCAL, told.id, delivery.id)
    first, second = told.told()
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
    assert told.owed()[0].tries == 1


def test_a_private_address_is_not_called_whatever_the_webhook_says(told: Told, asked: Asked) -> None:
    """The name was good when the webhook was made; it is judged each time it is called."""
    strict = Deliverer(told.bench.ledger, Outbound(Pinned(resolve=lambda *_: ["127.0.0.1"])))
    hook, _ = hooked(told.bench, f"https://hooks.example:{told.receiver.port}/")
    ended(told, asked)
    strict.fan_out()
    strict.deliver()
    assert told.receiver.connected == 0
    with told.bench.ledger.reading() as connection:
        [delivery] = deliveries.page(connection, LOCAL, hook, limit=2)
    assert (delivery.state, delivery.error) == ("waiting", "forbidden")


def test_a_slow_receiver_does_not_take_every_thread(told: Told, asked: Asked) -> None:
    """Six ends are owed to one that takes its time and to another: four of each are tried in a sweep."""
    with receiving() as quick:
        hooked(told.bench, quick.url)
        told.receiver.delay = 1.0
        for number in range(6):
            ended(told, asked, number)
        told.told()
        assert (len(told.receiver.heard), len(quick.heard)) == (OF_ONE, OF_ONE)


def test_two_sweepers_tell_it_once(told: Told, asked: Asked) -> None:
    """What one has taken the other finds taken; what one that ended had taken is free again after a while."""
    ended(told, asked)
    told.deliverer.fan_out()
    ledger = told.bench.ledger
    with ledger.writing() as connection:
        [which] = deliveries.due(connection, 10, each=10)
        assert deliveries.begin(connection, which) == 1
    assert told.deliverer.deliver() == 0
    assert told.receiver.connected == 0
    told.wait_no_more()
    assert told.deliverer.deliver() == 1
    assert told.owed()[0].tries == 2


def test_nothing_of_an_answer_is_kept_but_its_status(told: Told, asked: Asked) -> None:
    """Neither in the ledger nor in the log: what a receiver says may be somebody else's secret."""
    ended(told, asked)
    told.receiver.answers = [b"HTTP/1.1 500 SECRET\r\nx-secret: SECRET\r\ncontent-length: 6\r\n\r\nSECRET"]
    with capture_logs() as logs:
        told.told()
    assert [(line["status"], line["tries"]) for line in logs] == [(500, 1)]
    with told.bench.ledger.reading() as connection:
        kept = connection.exec_driver_sql("SELECT * FROM deliveries").all()
    assert "SECRET" not in f"{logs}{kept}"


def test_a_webhook_that_is_removed_is_told_nothing(told: Told, asked: Asked) -> None:
    """Not even what was owed to it."""
    ended(told, asked)
    told.deliverer.fan_out()
    with told.bench.ledger.writing() as connection:
        webhooks.remove(connection, LOCAL, told.id)
    assert told.told() == []
    assert told.bench.count("deliveries") == 0


def test_what_was_settled_long_ago_is_forgotten(told: Told, asked: Asked) -> None:
    """After a month, and what waits is not."""
    ended(told, asked)
    told.told()
    ended(told, asked, 1)
    told.deliverer.fan_out()
    with told.bench.ledger.writing() as connection:
        connection.execute(update(outgoing.deliveries).values(created_at=1.0))
    assert told.deliverer.forget() == 1
    assert [row.state for row in told.owed()] == ["waiting"]
