"""The rehearsal: a ledger with audits in flight is backed up, lost, brought back, and its audits come to an end."""

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import inspect

from ledger import schema, target_sets, uploads
from ledger.backup import backup, restore
from ledger.database import Ledger
from ledger.errors import BackupRefused, EvidenceMissing
from ledger.evidence import EvidenceStore, Kept
from ledger.schema import OPEN_AUDITS
from ledger.tests.databases import on_postgresql, on_sqlite
from ledger.tests.driver import TENANT, Driver, report
from ledger.tests.dumps import in_flight
from ledger.tests.servers import ObjectStore, PostgreSQL, programs_of_postgresql
from ledger.tests.test_upgrade import load, work_everything_off


@dataclass(frozen=True)
class Rehearsal:
    """A ledger in use and its evidence; and the folder its backup goes to."""

    drive: Driver
    store: EvidenceStore
    folder: Path
    image: Kept


@pytest.fixture(autouse=True)
def _postgresqls_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(programs_of_postgresql()), prepend=os.pathsep)


@pytest.fixture
def rehearsal(drive: Driver, tmp_path: Path) -> Rehearsal:
    """Audits in every state, one of them with an image and a report that are in the store."""
    in_flight.write(drive)
    with drive.ledger.writing() as connection:
        connection.execute(schema.evidence.delete())
    store = EvidenceStore((tmp_path / "evidence").as_uri())
    image = store.put(TENANT, b"image", name="image-0", kind="image", media_type="image/png")
    told = store.put(TENANT, b"{}", name="report.json", kind="report", media_type="application/json")
    drive.finish(drive.claim(drive.planned(report("plan")), "report"), image, told)
    return Rehearsal(drive, store, tmp_path / "backup", image)


def blobs(store: EvidenceStore) -> Counter[str]:
    """What is in a folder of evidence."""
    return Counter(path.name for path in store.root.rglob("*") if path.is_file())


def test_what_was_lost_comes_back_and_goes_on(rehearsal: Rehearsal, blank: str, tmp_path: Path) -> None:
    """Every row and every blob is there again, in another database and another folder, and every audit ends."""
    before = rehearsal.drive.everything()
    made = backup(rehearsal.drive.ledger, rehearsal.store, rehearsal.folder)
    assert (made.blobs, made.damaged) == (2, [])
    again = Driver.open(blank)
    store = EvidenceStore((tmp_path / "other").as_uri())
    assert restore(rehearsal.folder, again.ledger, store) == made
    again.ledger.require_current()
    assert again.everything() == before
    assert blobs(store) == blobs(rehearsal.store)
    assert store.get(TENANT, rehearsal.image.digest) == b"image"
    with again.ledger.writing() as connection:  # whoever held a unit is gone, and his time is over
        connection.execute(schema.units.update().where(schema.units.c.state == "leased").values(lease_expires_at=0.0))
    work_everything_off(again)
    assert not [row for row in again.rows(schema.audits) if row.state in OPEN_AUDITS]
    again.ledger.close()


def test_what_was_uploaded_is_backed_up(rehearsal: Rehearsal) -> None:
    """A picture and a set's rows, which no audit holds: both are blobs of the backup."""
    put = rehearsal.store.put
    picture = put(TENANT, b"picture", name="i", kind="target_image", media_type="image/png").digest
    rows = put(TENANT, b"rows", name="s", kind="target_set", media_type="application/x-ndjson").digest
    with rehearsal.drive.ledger.writing() as connection:
        uploads.record(connection, TENANT, [uploads.Picture(picture, "f" * 64, "image/png", 1, 1)])
        target_sets.create(connection, TENANT, title="t", digest=rows, count=1, pictures=[picture])
    made = backup(rehearsal.drive.ledger, rehearsal.store, rehearsal.folder)
    assert (made.blobs, made.damaged) == (4, [])


def run(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """``palimpsest-ledger``, as an operator types it."""
    command = [sys.executable, "-m", "ledger.cli", *map(str, words)]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)


def test_the_commands_do_the_same(rehearsal: Rehearsal, blank: str, tmp_path: Path) -> None:
    """By settings, as documented: backup, then restore into an empty place, with nothing left to do."""
    here = {
        "PALIMPSEST_LEDGER_URL": rehearsal.drive.ledger.url,
        "PALIMPSEST_EVIDENCE_URL": rehearsal.store.root.as_uri(),
    }
    told = run("backup", rehearsal.folder, **here)
    assert (told.returncode, told.stdout) == (0, f"The record and 2 blobs are in {rehearsal.folder}.\n")
    there = {"PALIMPSEST_LEDGER_URL": blank, "PALIMPSEST_EVIDENCE_URL": (tmp_path / "other").as_uri()}
    told = run("restore", rehearsal.folder, **there)
    assert (told.returncode, told.stderr) == (0, "")
    again = Driver.open(blank)
    assert again.everything() == rehearsal.drive.everything()
    again.ledger.close()
    told = run("restore", rehearsal.folder, **there)
    assert (told.returncode, told.stderr) == (1, "palimpsest-ledger: the database is not empty\n")


def test_the_record_alone_can_be_backed_up(rehearsal: Rehearsal, blank: str, tmp_path: Path) -> None:
    """``--record-only`` touches no evidence, neither way."""
    other = ("--evidence", (tmp_path / "other").as_uri(), "--record-only")
    assert run("backup", rehearsal.folder, "--url", rehearsal.drive.ledger.url, *other).returncode == 0
    assert not (rehearsal.folder / "evidence").exists()
    assert run("restore", rehearsal.folder, "--url", blank, *other).returncode == 0
    assert not (tmp_path / "other").exists()


def test_evidence_of_a_bucket_comes_back(rehearsal: Rehearsal, object_store: ObjectStore, tmp_path: Path) -> None:
    """From a bucket into the backup, and from there into another bucket's prefix."""
    bucket = EvidenceStore(f"{object_store.url}/{tmp_path.name}/one")
    for content in (b"image", b"{}"):
        bucket.put(TENANT, content, name="", kind="", media_type="")
    assert backup(rehearsal.drive.ledger, bucket, rehearsal.folder).blobs == 2
    copy = EvidenceStore((rehearsal.folder / "evidence").as_uri())
    assert copy.get(TENANT, rehearsal.image.digest) == b"image"


def test_a_backup_taken_under_way_is_of_one_moment(drive: Driver, blank: str, tmp_path: Path) -> None:
    """While another thread submits, every audit in the backup has its plan unit, its event and its message."""
    stop = threading.Event()

    def submit() -> None:
        while not stop.is_set():
            drive.submit()

    busy = threading.Thread(target=submit)
    busy.start()
    try:
        while len(drive.audits()) < 20:
            stop.wait(0.01)
        backup(drive.ledger, None, tmp_path / "backup")
    finally:
        stop.set()
        busy.join()
    again = Driver.open(blank)
    restore(tmp_path / "backup", again.ledger, None)
    tables = again.everything()
    ids = {row.id for row in tables["audits"]}
    assert 20 <= len(ids) <= len(drive.audits())
    for table in ("stages", "units", "events", "outbox"):
        assert Counter(row.audit_id for row in tables[table]) == dict.fromkeys(ids, 1)
    again.ledger.close()


def test_only_what_is_held_is_backed_up(rehearsal: Rehearsal) -> None:
    """A stray and a blob whose row was removed stay behind."""
    rehearsal.store.put(TENANT, b"stray", name="", kind="", media_type="")
    with rehearsal.drive.ledger.writing() as connection:
        of_image = schema.evidence.c.digest == rehearsal.image.digest
        connection.execute(schema.evidence.update().where(of_image).values(removed_at=1.0))
    assert backup(rehearsal.drive.ledger, rehearsal.store, rehearsal.folder).blobs == 1


def test_a_damaged_blob_is_named_and_stops_nothing(rehearsal: Rehearsal, blank: str, tmp_path: Path) -> None:
    """The backup has the rest and says so; the command's exit code is 1, of backup and of restore."""
    rehearsal.store.remove(TENANT, rehearsal.image.digest)
    name = f"{TENANT}/{rehearsal.image.digest}"
    where = ("--url", rehearsal.drive.ledger.url, "--evidence", rehearsal.store.root.as_uri())
    told = run("backup", rehearsal.folder, *where)
    assert (told.returncode, told.stderr) == (1, f"missing or damaged: {name}\n")
    assert json.loads((rehearsal.folder / "backup.json").read_text())["damaged"] == [name]
    told = run("restore", rehearsal.folder, "--url", blank, "--evidence", (tmp_path / "other").as_uri())
    assert (told.returncode, told.stderr) == (1, f"missing or damaged: {name}\n")
    with pytest.raises(EvidenceMissing):
        EvidenceStore((tmp_path / "other").as_uri()).get(TENANT, rehearsal.image.digest)


def test_a_ledger_can_be_backed_up_before_it_is_upgraded(blank: str, tmp_path: Path) -> None:
    """One of revision 0001: the record as it is, to be upgraded where it comes back."""
    load(blank, "0001")
    old = Ledger(blank)
    made = backup(old, EvidenceStore((tmp_path / "evidence").as_uri()), tmp_path / "backup")
    assert len(made.damaged) == 3
    old.close()


@pytest.mark.parametrize("folder", ["in use", "no backup"])
def test_a_folder_that_will_not_do_is_refused(drive: Driver, blank: str, tmp_path: Path, folder: str) -> None:
    """A backup is never written over another, and only a finished one is brought back."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "ledger.sqlite").write_text("half of something")
    with pytest.raises(BackupRefused, match="not empty" if folder == "in use" else "not a backup"):
        if folder == "in use":
            backup(drive.ledger, None, tmp_path / "folder")
        else:
            restore(tmp_path / "folder", Ledger(blank), None)


def test_a_database_without_a_ledger_is_refused(blank: str, tmp_path: Path) -> None:
    """An empty database is more likely a wrong address than something to keep."""
    ledger = Ledger(blank)
    with pytest.raises(BackupRefused, match="no ledger"):
        backup(ledger, None, tmp_path / "backup")
    ledger.close()


@on_sqlite
def test_a_backup_of_another_database_is_refused(drive: Driver, postgresql: PostgreSQL, tmp_path: Path) -> None:
    """SQLite's file is nothing to PostgreSQL; changing databases is no restore."""
    backup(drive.ledger, None, tmp_path / "backup")
    other = Ledger(postgresql.database("another_kind"))
    with pytest.raises(BackupRefused, match="backup of sqlite"):
        restore(tmp_path / "backup", other, None)
    other.close()
    postgresql.drop("another_kind")


@on_postgresql
def test_a_dump_that_is_damaged_leaves_nothing(drive: Driver, blank: str, tmp_path: Path) -> None:
    """pg_restore's own words, and a database as empty as before."""
    backup(drive.ledger, None, tmp_path / "backup")
    dump = tmp_path / "backup" / "ledger.dump"
    dump.write_bytes(dump.read_bytes()[: dump.stat().st_size * 9 // 10])
    ledger = Ledger(blank)
    with pytest.raises(BackupRefused, match="pg_restore failed"):
        restore(tmp_path / "backup", ledger, None)
    with ledger.reading() as connection:
        assert inspect(connection).get_table_names() == []
    ledger.close()


@on_postgresql
def test_a_missing_tool_is_told(drive: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install, and no folder that could be taken for a backup."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupRefused, match="PostgreSQL's client"):
        backup(drive.ledger, None, tmp_path / "backup")
    assert not (tmp_path / "backup" / "backup.json").exists()
