"""Events: numbered from 1 without gaps, per audit, each advancing the revision."""

import pytest
from sqlalchemy.exc import NoResultFound

from ledger import events
from ledger.events import Standing
from ledger.tests.driver import TENANT, Driver
from ledger.tests.processes import at_once


def record_many(url: str, audit_id: str, name: str) -> list[int]:
    """Twenty events of one process, a transaction each."""
    numbers = []
    for n in range(20):
        with Driver.open(url).ledger.writing() as connection:
            numbers.append(events.record(connection, TENANT, audit_id, name, {"n": n}))
    return numbers


def test_numbers_have_no_gaps(drive: Driver) -> None:
    """Submitting is event 1; then 2 and 3; an event rolled back leaves its number free."""
    audit_id = drive.submit()
    with drive.ledger.writing() as connection:
        assert events.record(connection, TENANT, audit_id, "a", {"x": 1}) == 2
    with drive.crashing() as connection:
        events.record(connection, TENANT, audit_id, "lost", {})
    with drive.ledger.writing() as connection:
        assert events.record(connection, TENANT, audit_id, "b", {}) == 3
    assert drive.history(audit_id) == ["audit.queued", "a", "b"]
    assert drive.audit(audit_id).revision == 3


def test_audits_count_for_themselves(drive: Driver) -> None:
    """An event of one is none of the other."""
    first, second = drive.submit(), drive.submit()
    with drive.ledger.writing() as connection:
        events.record(connection, TENANT, first, "a", {})
    assert (drive.history(first), drive.history(second)) == (["audit.queued", "a"], ["audit.queued"])
    assert drive.audit(second).revision == 1


def test_reading_goes_on_after_a_number(drive: Driver) -> None:
    """After 1 come 2 and 3, one at a time if asked; after the last comes nothing; a stranger sees nothing."""
    audit_id = drive.submit()
    with drive.ledger.writing() as connection:
        events.record(connection, TENANT, audit_id, "a", {"x": [1, None]})
        events.record(connection, TENANT, audit_id, "b", {})
    with drive.ledger.reading() as connection:
        found = events.after(connection, TENANT, audit_id, 1)
        assert [(e.seq, e.type, e.data) for e in found] == [(2, "a", {"x": [1, None]}), (3, "b", {})]
        assert events.after(connection, TENANT, audit_id, 1, limit=1) == found[:1]
        assert events.after(connection, TENANT, audit_id, 3) == []
        assert events.after(connection, "other", audit_id, 0) == []


def test_locking_tells_the_standing_and_changes_nothing(drive: Driver) -> None:
    """State and engine, before and after the audit begins; an unknown audit is a bug of the caller."""
    audit_id = drive.submit()
    before = drive.everything()
    with drive.ledger.writing() as connection:
        assert events.lock(connection, TENANT, audit_id) == Standing("queued", None)
        with pytest.raises(NoResultFound):
            events.lock(connection, TENANT, "aud_unknown")
    assert drive.everything() == before
    drive.claim(audit_id, "plan")
    with drive.ledger.writing() as connection:
        assert events.lock(connection, TENANT, audit_id) == Standing("running", "engine-1")


def test_two_processes_never_get_the_same_number(drive: Driver, url: str) -> None:
    """Twenty events each: together 2 to 41."""
    audit_id = drive.submit()
    first, second = at_once(record_many, url, audit_id, each=("left", "right"))
    assert sorted(first + second) == list(range(2, 42))
