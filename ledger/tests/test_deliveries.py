"""Deliveries: taken by one at a time, settled, tried again, given up."""

import pytest
from sqlalchemy import update

from ledger import deliveries, outgoing, webhooks
from ledger.deliveries import DeliveryRow, Try
from ledger.errors import DeliveryNotFound, WebhookNotFound
from ledger.tests.driver import TENANT, Driver
from ledger.tests.processes import at_once, meet
from ledger.tests.test_endings import end, fan_out, hooked


def owed(drive: Driver, many: int = 1) -> list[DeliveryRow]:
    """So many deliveries of one webhook, all due, the oldest first."""
    hooked(drive)
    for _ in range(many):
        end(drive)
    fan_out(drive)
    return due(drive)


def due(drive: Driver, *, each: int = 100) -> list[DeliveryRow]:
    """What a sweeper would find."""
    with drive.ledger.reading() as connection:
        return deliveries.due(connection, 100, each=each)


def begin(drive: Driver, which: DeliveryRow) -> int | None:
    """Take it."""
    return drive.ledger.write(lambda connection: deliveries.begin(connection, which))


def row(drive: Driver, which: DeliveryRow) -> DeliveryRow:
    """As it stands."""
    with drive.ledger.reading() as connection:
        page = deliveries.page(connection, which.tenant, which.webhook_id, limit=100)
    return next(one for one in page if one.id == which.id)


def hook(drive: Driver, which: DeliveryRow) -> webhooks.WebhookRow:
    """Its webhook."""
    with drive.ledger.reading() as connection:
        return webhooks.get(connection, which.tenant, which.webhook_id)


def test_one_takes_it_for_a_while(drive: Driver) -> None:
    """A try counts when it begins; when its time is over somebody else may."""
    [which] = owed(drive)
    assert (begin(drive, which), begin(drive, which), due(drive)) == (1, None, [])
    with drive.ledger.writing() as connection:
        earlier = outgoing.deliveries.c.due_at - deliveries.TAKEN_SECONDS - 1
        connection.execute(update(outgoing.deliveries).values(due_at=earlier))
    assert begin(drive, which) == 2


def test_it_is_settled_or_tried_again(drive: Driver) -> None:
    """Each says what came of it; the webhook fails from its first failure to its next success."""
    first, second = owed(drive, 2)
    for which in (first, second):
        begin(drive, which)
    with drive.ledger.writing() as connection:
        deliveries.again(connection, first, Try(error="timeout"), seconds=60)
    since = hook(drive, first).failing_since
    assert since is not None
    told = row(drive, first)
    assert (told.state, told.error, told.status, told.due_at > since + 50) == ("waiting", "timeout", None, True)
    with drive.ledger.writing() as connection:
        deliveries.again(connection, first, Try(status=500), seconds=60)
    assert hook(drive, first).failing_since == since
    with drive.ledger.writing() as connection:
        deliveries.delivered(connection, second, Try(status=204))
    assert (row(drive, second).state, row(drive, second).status) == ("delivered", 204)
    assert hook(drive, first).failing_since is None


def test_what_is_given_up_disables_only_what_fails_for_long(drive: Driver) -> None:
    """An hour is not yet, none is at once: then what waits is given up with it."""
    first, second = owed(drive, 2)
    with drive.ledger.writing() as connection:
        assert not deliveries.given_up(connection, first, Try(status=500), failing=3600)
    assert [one.id for one in due(drive)] == [second.id]
    with drive.ledger.writing() as connection:
        assert deliveries.given_up(connection, first, Try(status=410), failing=0)
        assert not webhooks.disable(connection, TENANT, first.webhook_id)
        assert webhooks.address(connection, TENANT, first.webhook_id) is None
    assert row(drive, second).state == "given_up"


def test_no_webhook_takes_every_turn(drive: Driver) -> None:
    """Of three deliveries of each of two webhooks two of each are due at a time, the oldest."""
    hooked(drive)
    first = owed(drive, 3)
    found = due(drive, each=2)
    assert len(first) == 6
    assert sorted(one.id for one in found) == sorted(
        one.id
        for its in {one.webhook_id for one in first}
        for one in [each for each in first if each.webhook_id == its][:2]
    )


def test_a_replay_begins_anew(drive: Driver) -> None:
    """Under the same id, due now; not of what is another's or nobody's."""
    [which] = owed(drive)
    begin(drive, which)
    with drive.ledger.writing() as connection:
        deliveries.delivered(connection, which, Try(status=204))
        again = deliveries.replay(connection, TENANT, which.webhook_id, which.id)
    assert (again.id, again.state, again.tries, again.payload) == (which.id, "waiting", 0, which.payload)
    with drive.ledger.writing() as connection:
        with pytest.raises(DeliveryNotFound):
            deliveries.replay(connection, TENANT, which.webhook_id, "msg_1")
        with pytest.raises(WebhookNotFound):
            deliveries.replay(connection, "other", which.webhook_id, which.id)
    assert [one.id for one in due(drive)] == [which.id]


def test_what_was_settled_long_ago_is_forgotten(drive: Driver) -> None:
    """And nothing else."""
    old, young, waits = owed(drive, 3)
    with drive.ledger.writing() as connection:
        for which in (old, young):
            deliveries.delivered(connection, which, Try(status=204))
        aged = outgoing.deliveries.c.id.in_([old.id, waits.id])
        connection.execute(update(outgoing.deliveries).where(aged).values(created_at=1.0))
        assert deliveries.forget(connection, older_seconds=60) == 1
    assert [each.id for each in drive.rows(outgoing.deliveries)] == sorted([young.id, waits.id])


def deliver(url: str, _: str) -> list[str]:
    """One sweeper: the ids of what it got to deliver."""
    drive = Driver.open(url)
    listed = due(drive)
    meet()
    return [which.id for which in listed if begin(drive, which) is not None]


def test_two_sweepers_take_different_ones(drive: Driver, url: str) -> None:
    """Both have found all eight due; each of these is with one of them."""
    listed = owed(drive, 8)
    left, right = at_once(deliver, url, each=("left", "right"))
    assert sorted(left + right) == sorted(which.id for which in listed)
