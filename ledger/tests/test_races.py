"""Races of real processes: pairs of acts at the same moment, round after round, and then everything at once."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ledger import schema
from ledger.errors import AlreadyTerminal, StaleFence
from ledger.schema import OPEN_AUDITS, TERMINAL_AUDITS
from ledger.stages import StagePlan
from ledger.tests.driver import Driver, report, stage
from ledger.tests.processes import at_once, meet
from ledger.tests.promises import Promises
from ledger.units import Ticket

ROUNDS = 8
QUEUED_AGAIN = ("unit.retried", "unit.lost", "unit.returned")


def plan() -> list[StagePlan]:
    """Two stages of two units, one behind the other, and the report behind both."""
    return [stage("a", 2), stage("b", 2, "a"), report("a", "b")]


@dataclass(frozen=True)
class Prepared:
    """One audit for one round: a unit of it that is held, by its last holder and the one before him."""

    audit_id: str
    late: Ticket
    ticket: Ticket


def held(drive: Driver, name: str) -> Prepared:
    """A running audit whose unit of this stage has been lost once and is held again; "plan" is one of its stages."""
    audit_id = drive.submit() if name == "plan" else drive.planned(*([report("plan")] if name == "report" else plan()))
    late = drive.claim(audit_id, name, lease=-1)
    return Prepared(audit_id, late, drive.claim(audit_id, name))


Act = Callable[[Driver, Prepared], Any]


def finish(drive: Driver, it: Prepared) -> Any:
    """Write the result."""
    return told(lambda: drive.finish(it.ticket, planned=plan() if it.ticket.kind == "plan" else None))


def finish_late(drive: Driver, it: Prepared) -> Any:
    """Write the result of a lease that has passed on."""
    return told(lambda: drive.finish(it.late, planned=plan() if it.late.kind == "plan" else None))


def fail(drive: Driver, it: Prepared) -> Any:
    """Ask for another attempt."""
    return told(lambda: drive.fail(it.ticket, again=True))


def renew(drive: Driver, it: Prepared) -> Any:
    """Go on."""
    return told(lambda: drive.renew(it.ticket))


def give_back(drive: Driver, it: Prepared) -> Any:
    """Shut down."""
    return told(lambda: drive.give_back(it.ticket))


def cancel(drive: Driver, it: Prepared) -> Any:
    """Ask the audit to stop."""
    return told(lambda: drive.cancel(it.audit_id))


def expire(drive: Driver, _: Prepared) -> Any:
    """Sweep."""
    return told(drive.expire_leases)


def claim(drive: Driver, it: Prepared) -> Any:
    """Hear the message of the held unit, whose lease has run out."""
    return told(lambda: drive.try_claim(it.ticket.unit_id) is not None)


def told(act: Callable[[], Any]) -> Any:
    """What it came to: its value, or the name of the refusal."""
    try:
        return act()
    except (StaleFence, AlreadyTerminal) as error:
        return type(error).__name__


@dataclass(frozen=True)
class Duel:
    """Two acts on one unit, and every pair of answers that may come of them; ``lapsed``: its lease has run out."""

    stage: str
    left: Act
    right: Act
    outcomes: tuple[tuple[Any, Any], ...]
    lapsed: bool = False


EITHER = ((None, "StaleFence"), ("StaleFence", None))
DUELS = {
    "a result is written twice": Duel("a", finish, finish, EITHER),
    "a plan is written twice": Duel("plan", finish, finish, EITHER),
    "a report is written twice": Duel("report", finish, finish, EITHER),
    "a plan is written by its holder and by the one before": Duel("plan", finish, finish_late, ((None, "StaleFence"),)),
    "a result comes as its lease expires": Duel("a", finish, expire, ((None, 0), ("StaleFence", 1)), lapsed=True),
    "a renewal comes as its lease expires": Duel("a", renew, expire, ((True, 0), ("StaleFence", 1)), lapsed=True),
    "a failure comes as its lease expires": Duel("a", fail, expire, ((None, 0), ("StaleFence", 1)), lapsed=True),
    "a result comes as the unit is taken over": Duel(
        "a", finish, claim, ((None, False), ("StaleFence", True)), lapsed=True
    ),
    "two take a unit over": Duel("a", claim, claim, ((True, False), (False, True)), lapsed=True),
    "two sweepers find one lost unit": Duel("a", expire, expire, ((1, 0), (0, 1)), lapsed=True),
    "a result comes as its audit is cancelled": Duel("a", finish, cancel, ((None, None),)),
    "a plan comes as its audit is cancelled": Duel("plan", finish, cancel, ((None, None),)),
    "a report comes as its audit is cancelled": Duel(
        "report", finish, cancel, ((None, None), (None, "AlreadyTerminal"))
    ),
    "a worker leaves as its audit is cancelled": Duel("a", give_back, cancel, ((None, None),)),
    "an audit is cancelled twice": Duel("a", cancel, cancel, ((None, None),)),
}


def fight(url: str, prepared: dict[str, list[Prepared]], side: str) -> dict[str, list[Any]]:
    """One process: its side of every round of every duel."""
    drive = Driver.open(url)
    answers: dict[str, list[Any]] = {}
    for name, rounds in prepared.items():
        duel, answers[name] = DUELS[name], []
        for it in rounds:
            if side == "left" and duel.lapsed:
                drive.renew(it.ticket, lease=-1)
            meet()
            answers[name].append(getattr(duel, side)(drive, it))
            meet()
            drive_off(drive, side, duel)
    return answers


def drive_off(drive: Driver, side: str, duel: Duel) -> None:
    """Nothing of this round is left to the sweepers of the next."""
    if side == "left" and duel.lapsed:
        drive.expire_leases()


def work_everything_off(drive: Driver) -> None:
    """With everybody gone, leases run out and the rest is done."""
    with drive.ledger.writing() as connection:
        leased = schema.units.c.state == "leased"
        connection.execute(schema.units.update().where(leased).values(lease_expires_at=0.0))
    drive.expire_leases()
    while ticket := drive.claim_next():
        drive.finish(ticket, planned=plan() if ticket.kind == "plan" else None)


def announced_as_often_as_queued(drive: Driver) -> None:
    """A unit is rung once when its stage is released, and once for each time it came back into the queue."""
    queued = Counter(
        (event.audit_id, event.data["stage"], event.data["ordinal"])
        for event in drive.rows(schema.events)
        if event.type in QUEUED_AGAIN
    )
    rung = Counter(message.unit_id for message in drive.rows(schema.outbox))
    for unit in drive.units():
        never_released = unit.fence == 0 and unit.state == "cancelled" and rung[unit.id] == 0
        assert rung[unit.id] == 1 + queued[unit.audit_id, unit.stage, unit.ordinal] or never_released


def test_of_two_acts_at_once_each_has_its_own_answer(drive: Driver, url: str) -> None:
    """Fifteen pairs, eight rounds each: only answers that fit together, and no promise broken before or after."""
    prepared = {name: [held(drive, duel.stage) for _ in range(ROUNDS)] for name, duel in DUELS.items()}
    promises = Promises(drive)
    promises.hold()
    left, right = at_once(fight, url, prepared, each=("left", "right"))
    for name, duel in DUELS.items():
        unfitting = Counter(zip(left[name], right[name], strict=True)).keys() - set(duel.outcomes)
        assert (name, unfitting) == (name, set())
    promises.hold()
    work_everything_off(drive)
    promises.hold()
    announced_as_often_as_queued(drive)
    assert {row.state for row in drive.rows(schema.audits)} == {"succeeded", "cancelled"}


@dataclass
class Life:
    """What a process of the crowd did: (unit, fence) of every lease it got, and the units it was told are done."""

    leases: list[tuple[str, int]]
    done: list[str]


def live(url: str, seed: int) -> Life:
    """A worker, sweeper and client in one: whatever comes to its mind, until every audit has ended."""
    drive, mind, life, hand = Driver.open(url), random.Random(seed), Life([], []), []
    while any(audit.state in OPEN_AUDITS for audit in drive.audits()):
        ticket = drive.claim_next(lease=mind.choice([60, 60, -1]))
        if ticket is not None:
            life.leases.append((ticket.unit_id, ticket.fence))
            hand.append(ticket)
        if hand:
            act(drive, mind, life, hand.pop(mind.randrange(len(hand))))
        if mind.random() < 0.3:
            drive.expire_leases()
        if mind.random() < 0.03:
            told(lambda: drive.cancel(mind.choice(drive.audits()).id))
    return life


def act(drive: Driver, mind: random.Random, life: Life, ticket: Ticket) -> None:
    """Mostly finish; else fail, leave, or go away for a while and finish late."""
    kind = mind.choices(["finish", "fail", "give_back", "twice"], [8, 1, 1, 1])[0]
    if kind == "fail":
        told(lambda: drive.fail(ticket, again=True))
    elif kind == "give_back":
        told(lambda: drive.give_back(ticket))
    else:
        for _ in range(2 if kind == "twice" else 1):
            written = told(lambda: drive.finish(ticket, planned=plan() if ticket.kind == "plan" else None))
            life.done += [ticket.unit_id] if written is None else []


def test_a_crowd_leaves_a_sound_record(drive: Driver, url: str) -> None:
    """
    Four processes, twelve audits. Every audit has ended once. All leases together are (unit, 1), (unit, 2), … without a
    gap or a double: fences only rose. What anybody was told is done, is done, and nobody else was told so
    """
    audits = [drive.submit() for _ in range(12)]
    lives: list[Life] = at_once(live, url, each=range(4))
    Promises(drive).hold()
    announced_as_often_as_queued(drive)
    assert {drive.audit(audit_id).state for audit_id in audits} <= set(TERMINAL_AUDITS)
    units = drive.units()
    leases = Counter(lease for life in lives for lease in life.leases)
    assert leases == {(unit.id, fence): 1 for unit in units for fence in range(1, unit.fence + 1)}
    done = Counter(unit_id for life in lives for unit_id in life.done)
    assert done == {unit.id: 1 for unit in units if unit.state == "done"}
    planned = Counter((unit.audit_id, unit.stage) for unit in units if unit.stage != "plan")
    assert set(planned.values()) <= {1, 2}
    for audit_id in audits:
        assert [planned[audit_id, name] for name in ("a", "b", "report")] in ([2, 2, 1], [0, 0, 1], [0, 0, 0])
