"""States of units under way: one a unit, written by whoever holds it, gone when it has ended."""

import os
from pathlib import Path

import pytest

from ledger import checkpoints, schema
from ledger.backup import backup
from ledger.collection import Collector
from ledger.errors import StaleFence
from ledger.evidence import EvidenceStore, Kept
from ledger.retention import Retention
from ledger.tests.driver import TENANT, Driver, report, stage
from ledger.tests.servers import programs_of_postgresql
from ledger.units import Ticket

SOON = Retention(grace_seconds=0, collect_seconds=0)


@pytest.fixture
def store(tmp_path: Path) -> EvidenceStore:
    """An empty folder."""
    return EvidenceStore((tmp_path / "evidence").as_uri())


def put(store: EvidenceStore, content: bytes) -> Kept:
    """A state as a worker puts it."""
    return store.put(TENANT, content, name=checkpoints.NAME, kind=checkpoints.KIND, media_type="a/b")


def keep(drive: Driver, ticket: Ticket, kept: Kept) -> str | None:
    """What the ledger answers to a state."""
    with drive.ledger.writing() as connection:
        return checkpoints.keep(connection, ticket, kept)


def newest(drive: Driver, ticket: Ticket, tenant: str = TENANT) -> str | None:
    """What a holder would go on from."""
    with drive.ledger.reading() as connection:
        return checkpoints.newest(connection, tenant, ticket.unit_id)


def training(drive: Driver) -> str:
    """An audit whose one mitigation is yet to be made."""
    return drive.planned(stage("mitigate", 1, "plan"), report("mitigate"))


def test_the_next_state_takes_the_place_of_the_last(drive: Driver, store: EvidenceStore) -> None:
    """One row a unit, and whoever kept the next is told which blob is nobody's now."""
    ticket = drive.claim(training(drive), "mitigate")
    one, two = put(store, b"one"), put(store, b"two")
    assert newest(drive, ticket) is None
    assert keep(drive, ticket, one) is None
    assert (newest(drive, ticket), newest(drive, ticket, "other")) == (one.digest, None)
    assert keep(drive, ticket, two) == one.digest
    assert keep(drive, ticket, two) is None
    [row] = drive.rows(schema.evidence)
    assert (row.digest, row.kind, row.unit_id) == (two.digest, "checkpoint", ticket.unit_id)


def test_a_late_writer_changes_nothing(drive: Driver, store: EvidenceStore) -> None:
    """Its lease lapsed and the unit was claimed again: the state of before is what the new holder finds, and keeps."""
    audit_id = training(drive)
    late = drive.claim(audit_id, "mitigate", lease=-1)
    one, two, three = (put(store, content) for content in (b"one", b"two", b"three"))
    keep(drive, late, one)
    holder = drive.claim(audit_id, "mitigate")
    before = drive.everything()
    with pytest.raises(StaleFence):
        keep(drive, late, two)
    assert drive.everything() == before
    assert newest(drive, holder) == one.digest
    assert keep(drive, holder, three) == one.digest
    drive.finish(holder)
    for ticket in (late, holder):
        with pytest.raises(StaleFence):
            keep(drive, ticket, two)


@pytest.mark.parametrize("ending", ["done", "failed", "cancelled"])
def test_a_state_goes_with_its_unit(drive: Driver, store: EvidenceStore, ending: str) -> None:
    """While that is held or queued again it is left alone; once it has ended the blob goes and the row stays."""
    audit_id = training(drive)
    ticket = drive.claim(audit_id, "mitigate")
    state = put(store, b"one")
    keep(drive, ticket, state)
    assert Collector(drive.ledger, store, SOON).collect() == 0
    drive.give_back(ticket)
    assert Collector(drive.ledger, store, SOON).collect() == 0
    ticket = drive.claim(audit_id, "mitigate")
    assert newest(drive, ticket) == state.digest
    if ending == "done":
        drive.finish(ticket)
    elif ending == "failed":
        drive.fail(ticket, again=False)
    else:
        drive.cancel(audit_id)
        drive.abandon(ticket)
    assert drive.unit(audit_id, "mitigate").state == ending
    assert Collector(drive.ledger, store, SOON).collect() == 2
    assert store.put_at(TENANT, state.digest) is None
    assert newest(drive, ticket) is None
    [row] = drive.rows(schema.evidence)
    assert (row.digest, row.removed_at > 0) == (state.digest, True)


def test_a_backup_leaves_states_out(
    drive: Driver, store: EvidenceStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are replaced while it is made; what the unit has put besides is in it."""
    monkeypatch.setenv("PATH", str(programs_of_postgresql()), prepend=os.pathsep)
    audit_id = drive.planned(stage("baseline", 1, "plan"), stage("mitigate", 1, "plan"), report("mitigate", "baseline"))
    image = store.put(TENANT, b"image", name="image", kind="image", media_type="image/png")
    drive.finish(drive.claim(audit_id, "baseline"), image)
    keep(drive, drive.claim(audit_id, "mitigate"), put(store, b"one"))
    made = backup(drive.ledger, store, tmp_path / "backup")
    assert (made.blobs, made.damaged) == (1, [])
    kept = EvidenceStore((tmp_path / "backup" / "evidence").as_uri())
    assert kept.get(TENANT, image.digest) == b"image"
