"""The outbox: every message reaches a publisher, and a publisher that dies loses none."""

from contextlib import suppress

from sqlalchemy import update

from ledger import outbox, schema
from ledger.database import now
from ledger.outbox import Message
from ledger.tests.driver import TENANT, Driver, report, stage
from ledger.tests.processes import at_once


def ring_again(drive: Driver, unclaimed_seconds: float, limit: int = 1000) -> int:
    """The sweeper's look at the queue."""
    with drive.ledger.writing() as connection:
        return outbox.ring_again(connection, unclaimed_seconds, limit)


def queued_for(drive: Driver, seconds: float) -> None:
    """Let every queued unit have been queued that long ago."""
    with drive.ledger.writing() as connection:
        connection.execute(
            update(schema.units).where(schema.units.c.state == "queued").values(queued_at=now() - seconds)
        )


def test_messages_come_in_the_order_they_were_written(drive: Driver) -> None:
    """Three units are rung together, each with a time, and taken two and one."""
    drive.publish()
    with drive.ledger.writing() as connection:
        outbox.ring(connection, TENANT, "aud_1", ["unit_c", "unit_a", "unit_b"], attempt=2)
    first, second = drive.take_messages(limit=2), drive.take_messages(limit=2)
    assert [[m.unit_id for m in first], [m.unit_id for m in second]] == [["unit_c", "unit_a"], ["unit_b"]]
    assert first[0] == Message(first[0].id, TENANT, "aud_1", "unit_c", 2)
    assert all(row.created_at > 1_700_000_000 for row in drive.rows(schema.outbox))


def test_ringing_for_nothing_writes_nothing(drive: Driver) -> None:
    """A stage without units has no messages."""
    with drive.ledger.writing() as connection:
        outbox.ring(connection, TENANT, "aud_1", [], attempt=1)
    assert drive.rows(schema.outbox) == []


def test_a_taken_message_is_left_alone_until_its_time_is_over(drive: Driver) -> None:
    """Another publisher gets nothing; after a publisher died, it gets the message."""
    drive.submit()
    (held,) = drive.take_messages(seconds=30)
    assert drive.take_messages() == []
    drive.publish()
    with drive.ledger.writing() as connection:
        outbox.published(connection, [held])
    drive.submit()
    (lost,) = drive.take_messages(seconds=-1)
    assert drive.take_messages() == [lost]


def test_a_published_message_is_gone(drive: Driver) -> None:
    """Publishing removes exactly what was published; publishing nothing removes nothing."""
    drive.submit()
    drive.submit()
    first, second = drive.take_messages(seconds=-1)
    with drive.ledger.writing() as connection:
        outbox.published(connection, [first])
        outbox.published(connection, [])
    assert drive.take_messages() == [second]


def test_a_unit_nobody_claimed_is_announced_again(drive: Driver) -> None:
    """After a minute of silence it is rung once with the attempt it asks for, and then has another minute."""
    audit_id = drive.planned(stage("baseline", 1, "plan"), report("baseline"))
    drive.fail(drive.claim(audit_id, "baseline"), again=True)
    drive.publish()
    assert ring_again(drive, 60) == 0
    queued_for(drive, 61)
    assert (ring_again(drive, 60), ring_again(drive, 60)) == (1, 0)
    assert [(m.unit_id, m.attempt) for m in drive.publish()] == [(drive.unit(audit_id, "baseline").id, 2)]
    assert ring_again(drive, 60) == 0


def test_a_unit_whose_message_still_waits_is_not_announced_twice(drive: Driver) -> None:
    """While the broker is down the outbox does not grow."""
    drive.submit()
    queued_for(drive, 61)
    assert ring_again(drive, 60) == 0
    assert len(drive.rows(schema.outbox)) == 1


def test_held_waiting_and_ended_units_are_not_announced(drive: Driver) -> None:
    """Only queued work needs a worker."""
    audit_id = drive.planned(stage("baseline", 2, "plan"), report("baseline"))
    drive.finish(drive.claim(audit_id, "baseline", 0))
    drive.claim(audit_id, "baseline", 1)
    drive.publish()
    assert ring_again(drive, -1) == 0


def test_announcing_again_is_bounded(drive: Driver) -> None:
    """Five silent units with a limit of three: three, two, none."""
    drive.planned(stage("baseline", 5, "plan"), report("baseline"))
    drive.publish()
    queued_for(drive, 61)
    assert [ring_again(drive, 60, limit=3) for _ in range(3)] == [3, 2, 0]
    assert len(drive.publish()) == 5


def test_emptying_publishes_and_forgets(drive: Driver) -> None:
    """Three messages in batches of two: two, one, none, each told to the broker once and in order."""
    with drive.ledger.writing() as connection:
        outbox.ring(connection, TENANT, "aud_1", ["unit_a", "unit_b", "unit_c"], attempt=1)
    told: list[Message] = []
    assert [outbox.empty(drive.ledger, told.append, batch=2, seconds=30) for _ in range(3)] == [2, 1, 0]
    assert [m.unit_id for m in told] == ["unit_a", "unit_b", "unit_c"]
    assert drive.rows(schema.outbox) == []


def test_emptying_keeps_what_the_broker_would_not_take(drive: Driver) -> None:
    """The broker goes down at the second of three: the first is gone, the others wait their time and come again."""
    with drive.ledger.writing() as connection:
        outbox.ring(connection, TENANT, "aud_1", ["unit_a", "unit_b", "unit_c"], attempt=1)

    def broken(message: Message) -> None:
        if message.unit_id == "unit_b":
            raise OSError

    for seconds in (-1, 30):
        with suppress(OSError):
            outbox.empty(drive.ledger, broken, batch=10, seconds=seconds)
        assert [row.unit_id for row in drive.rows(schema.outbox)] == ["unit_b", "unit_c"]
    assert drive.take_messages() == []


def take_all(url: str) -> list[int]:
    """What one publisher gets, a message at a time."""
    drive, taken = Driver.open(url), []
    while messages := drive.take_messages(limit=1):
        taken += [message.id for message in messages]
    return taken


def test_two_publishers_share_the_messages(drive: Driver, url: str) -> None:
    """Thirty messages, two processes: each message once."""
    with drive.ledger.writing() as connection:
        outbox.ring(connection, TENANT, "aud_1", [f"unit_{n}" for n in range(30)], attempt=1)
    first, second = at_once(take_all, url)
    assert sorted(first + second) == [row.id for row in drive.rows(schema.outbox)]
    assert len(first + second) == 30
