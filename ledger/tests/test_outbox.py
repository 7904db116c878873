"""The outbox: every message reaches a publisher, and a publisher that dies loses none."""

from contextlib import suppress
from itertools import pairwise

from sqlalchemy import update

from ledger import catalogue, outbox, schema
from ledger.database import now
from ledger.outbox import Message
from ledger.tests.driver import TENANT, Driver, report, stage
from ledger.tests.processes import at_once


def ring_again(drive: Driver, unclaimed_seconds: float, limit: int = 1000) -> int:
    """The sweeper's look at the queue."""
    with drive.ledger.writing() as connection:
        return outbox.ring_again(connection, unclaimed_seconds, limit)


def silent_for(drive: Driver, seconds: float) -> None:
    """Let so much time have gone by since the ledger's last claim, its last ring and its last unit queued."""
    with drive.ledger.writing() as connection:
        for column in (schema.units.c.queued_at, schema.units.c.rung_at, schema.audits.c.served_at):
            connection.execute(update(column.table).values({column: column - seconds}))


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
    silent_for(drive, 61)
    assert (ring_again(drive, 60), ring_again(drive, 60)) == (1, 0)
    assert [(m.unit_id, m.attempt) for m in drive.publish()] == [(drive.unit(audit_id, "baseline").id, 2)]
    assert ring_again(drive, 60) == 0


def test_ringing_again_does_not_change_a_units_place_in_the_queue(drive: Driver) -> None:
    """It has waited since it was queued, however often it was rung."""
    audit_id = drive.planned(stage("baseline", 1, "plan"), report("baseline"))
    drive.publish()
    silent_for(drive, 61)
    (before,) = (row.queued_at for row in drive.rows(schema.units) if row.stage == "baseline")
    assert ring_again(drive, 60) == 1
    (after,) = (row.queued_at for row in drive.rows(schema.units) if row.stage == "baseline")
    assert before == after
    assert drive.unit(audit_id, "baseline").state == "queued"


def test_a_unit_whose_message_still_waits_is_not_announced_twice(drive: Driver) -> None:
    """While the broker is down the outbox does not grow."""
    drive.submit()
    silent_for(drive, 61)
    assert ring_again(drive, 60) == 0
    assert len(drive.rows(schema.outbox)) == 1


def test_held_waiting_and_ended_units_are_not_announced(drive: Driver) -> None:
    """Only queued work needs a worker."""
    audit_id = drive.planned(stage("baseline", 2, "plan"), report("baseline"))
    drive.finish(drive.claim(audit_id, "baseline", 0))
    drive.claim(audit_id, "baseline", 1, lease=-1)
    drive.publish()
    silent_for(drive, 61)
    assert ring_again(drive, 60) == 0


def test_a_busy_queue_is_not_rung(drive: Driver) -> None:
    """A thousand seconds in a long queue are no silence while a unit is held, nor within a minute after a claim."""
    audit_id = drive.planned(stage("baseline", 3, "plan"), report("baseline"))
    drive.publish()
    silent_for(drive, 1000)
    held = drive.claim(audit_id, "baseline", 0, lease=600)
    silent_for(drive, 61)
    assert ring_again(drive, 60) == 0
    drive.finish(held)
    assert ring_again(drive, 60) == 2
    drive.publish()
    silent_for(drive, 121)
    drive.finish(drive.claim(audit_id, "baseline", 1))
    assert ring_again(drive, 60) == 0


def test_families_are_silent_each_for_itself(drive: Driver) -> None:
    """One worker serves sd1; nobody has heard the bell of sdxl, and only that is rung, with its family's name."""
    with drive.ledger.writing() as connection:
        cards = [{"id": "small", "family": "sd1"}, {"id": "large", "family": "sdxl"}]
        catalogue.publish(connection, TENANT, engine="engine-1", cards=cards, method_cards=[])
    drive.planned(stage("baseline", 2, "plan"), report("baseline"), model_id="small")
    drive.publish()
    silent_for(drive, 61)
    drive.planned(stage("baseline", 1, "plan"), report("baseline"), model_id="small")
    lost = drive.submit(model_id="large")
    assert {m.family for m in drive.publish()} == {"sd1", "sdxl"}
    with drive.ledger.writing() as connection:
        of_lost = schema.units.c.audit_id == lost
        connection.execute(update(schema.units).where(of_lost).values(queued_at=now() - 61))
    assert ring_again(drive, 60) == 1
    assert [(m.audit_id, m.family) for m in drive.publish()] == [(lost, "sdxl")]


def test_announcing_again_is_bounded_and_goes_round(drive: Driver) -> None:
    """Five silent units with a limit of two: two a minute, the next two each time, and the first again at last."""
    drive.planned(stage("baseline", 5, "plan"), report("baseline"))
    in_order = [m.unit_id for m in drive.publish()][1:]
    rung = []
    for _ in range(3):
        silent_for(drive, 61)
        assert (ring_again(drive, 60, limit=2), ring_again(drive, 60, limit=2)) == (2, 0)
        rung.append([m.unit_id for m in drive.publish()])
        silent_for(drive, 1000)
    assert rung == [in_order[:2], in_order[2:4], [in_order[0], in_order[4]]]


def test_a_queue_nobody_answers_is_rung_ever_more_rarely(drive: Driver) -> None:
    """
    Looked at once a minute, first when it is 90 s old: due again after 90, 210, 450, 930 s, so 2, 4, 8, 16 looks later,
    and never more than 16 × 60 s apart
    """
    drive.planned(stage("baseline", 1, "plan"), report("baseline"))
    drive.publish()
    silent_for(drive, 30)
    rung = []
    for look in range(80):
        silent_for(drive, 60)
        if ring_again(drive, 60):
            rung.append(look)
            drive.publish()
    assert [later - earlier for earlier, later in pairwise(rung)] == [2, 4, 8, 16, 16, 16, 16]


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


def test_the_report_of_a_cancelled_audit_is_announced_to_everyone(drive: Driver) -> None:
    """It can be written by a worker of any family, and there may be none of its own any more."""
    with drive.ledger.writing() as connection:
        catalogue.publish(
            connection, TENANT, engine="engine-1", cards=[{"id": "bundled", "family": "sdxl"}], method_cards=[]
        )
    audit_id = drive.planned(stage("probe", 1), report("probe"))
    assert {message.family for message in drive.publish()} == {"sdxl"}
    drive.cancel(audit_id)
    assert [message.family for message in drive.publish()] == [None]
