"""Whose turn it is: tenants first, then their audits, then the units of one, among those a worker can serve."""

import threading
from collections import Counter, deque

import pytest
from sqlalchemy import insert, text

from ledger import catalogue, schema, turns, units
from ledger.stages import StagePlan
from ledger.tests.databases import on_postgresql, on_sqlite
from ledger.tests.driver import ENGINE, TENANT, Driver, report, stage
from ledger.tests.processes import at_once


def serve(drive: Driver, times: int) -> list[str]:
    """The audits that one worker serves, one unit after the other."""
    found = []
    for _ in range(times):
        ticket = drive.claim_next()
        assert ticket is not None
        drive.finish(ticket)
        found.append(ticket.audit_id)
    return found


def publish(drive: Driver, **families: str) -> None:
    """Models by name, each with its family."""
    cards = [{"id": name, "family": family} for name, family in families.items()]
    with drive.ledger.writing() as connection:
        catalogue.publish(connection, TENANT, engine=ENGINE, cards=cards, method_cards=[])


def gate() -> list[StagePlan]:
    """What an audit of three targets comes to: with its plan, five units in four generations."""
    return [
        stage("baseline", 1),
        stage("mitigate:nemo", 1),
        stage("probe:nemo", 1, "mitigate:nemo"),
        report("baseline", "probe:nemo"),
    ]


@pytest.mark.parametrize("workers", [1, 4])
def test_a_small_audit_ends_beside_a_large_one(drive: Driver, workers: int) -> None:
    """
    10,000 targets are 625 units of 16, all queued when three more targets come. Each of the gate's five units waits for
    a worker to become free, and while it is worked on the others go on: w workers finish w units of the large audit
    meanwhile, so that the gate costs it 5 × w turns and those that were under way, not 625
    """
    large = drive.planned(stage("baseline", 625, "plan"), report("baseline"))
    held = deque(ticket for _ in range(workers) if (ticket := drive.claim_next()))
    small = drive.submit()
    ended: Counter[str] = Counter()
    while drive.audit(small).state != "succeeded":
        ticket = held.popleft()
        drive.finish(ticket, planned=gate() if ticket.kind == "plan" else None)
        ended[ticket.audit_id] += 1
        following = drive.claim_next()
        assert following is not None
        held.append(following)
    assert ended[small] == 5
    assert 0 < ended[large] <= 5 * workers + workers
    assert drive.states(large)["baseline"].count("queued") > 600


def test_one_worker_serves_audits_in_turn(drive: Driver) -> None:
    """Three audits of unlike size: each third unit is one of each."""
    sizes = (30, 3, 10)
    audits = [drive.planned(stage("work", size), report("work")) for size in sizes]
    assert Counter(serve(drive, 9)) == dict.fromkeys(audits, 3)


def test_a_tenant_does_not_get_more_by_submitting_more(drive: Driver) -> None:
    """Ten audits of one and one of another: every second unit is the other's, which is served by turns itself."""
    many = [drive.planned(stage("work", 5), report("work")) for _ in range(10)]
    one = drive.planned(stage("work", 50), report("work"), tenant="other")
    counts = Counter(serve(drive, 20))
    assert counts.pop(one) == 10
    assert counts == dict.fromkeys(many, 1)


def test_who_holds_least_goes_first(drive: Driver) -> None:
    """Four workers on two tenants of one and of three audits hold two units of each, of the three no two of one."""
    three = [drive.planned(stage("work", 5), report("work")) for _ in range(3)]
    one = drive.planned(stage("work", 5), report("work"), tenant="other")
    held = Counter(ticket.audit_id for _ in range(4) if (ticket := drive.claim_next()))
    assert held.pop(one) == 2
    assert list(held.values()) == [1, 1]
    assert held.keys() <= set(three)


def test_a_stream_of_new_audits_starves_nobody(drive: Driver) -> None:
    """A new audit before every turn makes each round one turn longer, and in each the old one has its own: 1+2+3+4."""
    old = drive.planned(stage("work", 50), report("work"))
    found = []
    for _ in range(10):
        drive.submit()
        found += serve(drive, 1)
    assert [turn for turn, audit_id in enumerate(found, start=1) if audit_id == old] == [1, 3, 6, 10]


def test_the_units_of_an_audit_come_in_order_and_a_retried_one_last(drive: Driver) -> None:
    """0 fails and goes to the end: 0, 1, 2, then 0 again."""
    drive.planned(stage("work", 3), report("work"))
    found = []
    for n in range(4):
        ticket = drive.claim_next()
        assert ticket is not None
        found.append((ticket.ordinal, ticket.attempt))
        if n == 0:
            drive.fail(ticket, again=True)
        else:
            drive.finish(ticket)
    assert found == [(0, 1), (1, 1), (2, 1), (0, 2)]


def test_a_worker_serves_its_families_and_those_nobody_knows(drive: Driver) -> None:
    """Of sd1, sdxl and an unpublished model a worker for sd1 gets two, one for flux the unpublished; None means all."""
    publish(drive, small="sd1", large="sdxl")
    audits = {name: drive.submit(model_id=name) for name in ("small", "large", "unpublished")}

    def offered(families: list[str] | None) -> set[str]:
        with drive.ledger.reading() as connection:
            found = {audit for _, audit in turns.next_audits(connection, engine=ENGINE, families=families)}
        return {name for name, audit in audits.items() if audit in found}

    assert offered(["sd1"]) == {"small", "unpublished"}
    assert offered(["flux"]) == offered([]) == {"unpublished"}
    assert offered(["sd1", "sdxl"]) == offered(None) == set(audits)


def test_an_engine_is_offered_its_own_audits_and_new_ones(drive: Driver) -> None:
    """One that another engine has begun is left alone; its report is anybody's once it is being cancelled."""
    publish(drive, large="sdxl")
    begun = drive.planned(stage("work", 2), report("work"), model_id="large")
    assert drive.claim_next(engine="engine-2") is None
    fresh = drive.submit(model_id="large")
    ticket = drive.claim_next(engine="engine-2")
    assert ticket is not None
    assert ticket.audit_id == fresh
    drive.cancel(begun)
    last = drive.claim_next(engine="engine-3", families=["sd1"])
    assert last is not None
    assert (last.audit_id, last.kind) == (begun, "report")


def test_where_nothing_is_queued_nothing_is_offered(drive: Driver) -> None:
    """No audit, only held units, only ended ones: None, and nothing is written."""
    assert drive.claim_next() is None
    audit_id = drive.planned(report("plan"))
    ticket = drive.claim_next()
    assert ticket is not None
    before = drive.everything()
    assert drive.claim_next() is None
    assert drive.everything() == before
    drive.finish(ticket)
    assert drive.audit(audit_id).state == "succeeded"
    assert drive.claim_next() is None


def test_a_claim_by_turns_is_a_claim(drive: Driver) -> None:
    """Fence, attempt, owner and event are those of a claim by name."""
    audit_id = drive.submit()
    unit = drive.unit(audit_id, "plan")
    assert drive.claim_next(owner="somebody") == units.Ticket(
        TENANT, audit_id, unit.id, "plan", 0, "plan", {}, attempt=1, fence=1
    )
    (row,) = drive.rows(schema.units)
    assert (row.owner, row.state) == ("somebody", "leased")
    assert drive.history(audit_id) == ["audit.queued", "audit.running", "unit.started"]


def test_who_comes_too_late_for_the_first_gets_the_second(drive: Driver) -> None:
    """While one transaction takes the only unit of the first audit, another waits for it and then goes on."""
    first, second = drive.submit(), drive.submit()
    got: list[units.Ticket | None] = []
    with drive.ledger.writing() as connection:
        taken = units.claim_next(
            connection, owner="a", engine=ENGINE, families=None, lease_seconds=60, hard_seconds=600
        )
        late = threading.Thread(target=lambda: got.append(drive.claim_next(owner="b")))
        late.start()
        late.join(0.3)
        assert late.is_alive()
    late.join(30)
    assert taken is not None
    assert (taken.audit_id, [ticket and ticket.audit_id for ticket in got]) == (first, [second])


def claim_all(url: str, owner: str) -> list[str]:
    """What one worker gets until nothing is left."""
    drive, found = Driver.open(url), []
    while ticket := drive.claim_next(owner=owner):
        found.append(ticket.unit_id)
    return found


def test_two_processes_share_the_turns(drive: Driver, url: str) -> None:
    """Three audits of ten units: thirty leases, none twice, and neither stops before the end."""
    for _ in range(3):
        drive.planned(stage("work", 10), report("work"))
    first, second = at_once(claim_all, url, each=("one", "two"))
    queued = [unit for unit in drive.units() if unit.stage == "work"]
    assert sorted(first + second) == sorted(unit.id for unit in queued)
    assert {(unit.state, unit.fence) for unit in queued} == {("leased", 1)}


def crowd(drive: Driver, audits: int = 1000, running: int = 100, queued: int = 100) -> None:
    """Many audits, the last of which run and have many units each, written straight into the tables."""
    plain = {"tenant_id": TENANT, "engine": ENGINE, "model_id": "m", "request": {}, "labels": {}}
    rows = [
        {
            **plain,
            "id": f"aud_{n}",
            "state": "running" if n < running else "succeeded",
            "request_digest": "d",
            "created_at": float(n),
            "served_at": float(n),
        }
        for n in range(audits)
    ]
    work = {"tenant_id": TENANT, "stage": "s", "kind": "work", "critical": False, "payload": {}, "state": "queued"}
    units_of = [
        {**work, "id": f"unit_{n}_{m}", "audit_id": f"aud_{n}", "ordinal": m, "queued_at": float(m)}
        for n in range(running)
        for m in range(queued)
    ]
    with drive.ledger.writing() as connection:
        connection.execute(insert(schema.audits), rows)
        connection.execute(insert(schema.units), units_of)


def explained(drive: Driver, prefix: str) -> str:
    """How the database would look for the next audits, ten thousand units being queued."""
    query = turns.fairest(ENGINE, ["sd1"]).limit(8)
    with drive.ledger.reading() as connection:
        words = query.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
        return "\n".join(str(row) for row in connection.exec_driver_sql(f"{prefix} {words}"))


@on_sqlite
def test_sqlite_looks_into_indexes(drive: Driver) -> None:
    """It scans neither audits nor units, and finds each audit's first unit in one look. Nobody runs ANALYZE there."""
    crowd(drive)
    plan = explained(drive, "EXPLAIN QUERY PLAN")
    assert "SCAN units" not in plan
    assert "SCAN audits" not in plan
    assert "SCAN every_audit" not in plan
    assert "ix_units_tenant_id_audit_id_state_queued_at_ordinal (tenant_id=? AND audit_id=? AND state=?)" in plan


@on_postgresql
def test_postgresql_looks_into_indexes(drive: Driver) -> None:
    """It scans no table of units, and finds each audit's first unit in one look."""
    crowd(drive)
    with drive.ledger.writing() as connection:
        connection.execute(text("ANALYZE"))
    plan = explained(drive, "EXPLAIN")
    assert "Seq Scan on units" not in plan
    assert "using ix_units_tenant_id_audit_id_state_queued_at_ordinal" in plan
