"""Backup and restore of the record and of every blob it holds.

A backup is a folder:

    ledger.sqlite    SQLite: a copy made by its online backup, or
    ledger.dump      PostgreSQL: what pg_dump wrote, in its own format
    evidence/        the blobs, as in an evidence folder
    backup.json      what it is and when it was made; written last, so that a folder without it is no backup

The record is copied first, as it was at one moment, then the blobs that it holds at that moment: a blob is there before
its row, and stays for the grace period of ``ledger.retention`` after its last row is removed. The states of units under
way are left out: they do not stay, and without its state such a unit begins anew. Nobody has to stop for a backup. For
a restore everybody does: a worker that went on would hold fences the restored record gives out again.
"""

import json
import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, func, inspect, make_url, select

from ledger import checkpoints
from ledger.database import Ledger
from ledger.errors import BackupRefused, EvidenceCorrupt, EvidenceMissing
from ledger.evidence import PREFIXES, EvidenceStore
from ledger.schema import evidence, images, target_sets

SQLITE, DUMP, NOTE, EVIDENCE = "ledger.sqlite", "ledger.dump", "backup.json", "evidence"


@dataclass(frozen=True)
class Backup:
    """What ``backup.json`` says. ``damaged`` names the blobs that could not be copied."""

    database: str
    made_at: str
    blobs: int
    damaged: list[str] = field(default_factory=list)


def backup(ledger: Ledger, store: EvidenceStore | None, folder: Path) -> Backup:
    """Write a backup into a new or empty folder; without a store, of the record alone.

    Raises BackupRefused when the folder is in use or the database's own tool fails.
    """
    if folder.exists() and any(folder.iterdir()):
        raise BackupRefused(f"{folder} is not empty")
    folder.mkdir(parents=True, exist_ok=True)
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    kind = ledger.engine.dialect.name
    listed = _copy_sqlite(ledger, folder) if kind == "sqlite" else _dump_postgresql(ledger, folder)
    copied, damaged = (0, []) if store is None else _copy(store, _beside(folder), listed)
    made = Backup(kind, made_at, copied, damaged)
    (folder / NOTE).write_text(json.dumps(asdict(made), indent=2) + "\n")
    return made


def restore(folder: Path, ledger: Ledger, store: EvidenceStore | None) -> Backup:
    """Bring a backup back: the blobs first, then the record, which must be empty. It may need ``upgrade`` afterwards.

    Raises BackupRefused when the folder is no backup, is one of another database, or the record is not empty.
    """
    if not (folder / NOTE).exists():
        raise BackupRefused(f"{folder} is not a backup: it has no {NOTE}")
    made = Backup(**json.loads((folder / NOTE).read_text()))
    kind = ledger.engine.dialect.name
    if made.database != kind:
        raise BackupRefused(f"{folder} is a backup of {made.database}, which {kind} cannot read")
    with ledger.reading() as connection:
        if inspect(connection).get_table_names():
            raise BackupRefused("the database is not empty")
    ledger.close()
    own = _beside(folder)
    copied, damaged = (0, []) if store is None else _copy(own, store, _everything(own))
    if kind == "sqlite":
        _copy_file(folder / SQLITE, Path(ledger.engine.url.database or ""))
    else:
        _run("pg_restore", ledger, "--no-owner", "--no-acl", "--single-transaction", "--exit-on-error", folder / DUMP)
    return replace(made, blobs=copied, damaged=sorted({*made.damaged, *damaged}))


def _beside(folder: Path) -> EvidenceStore:
    return EvidenceStore((folder.absolute() / EVIDENCE).as_uri())


def _copy_sqlite(ledger: Ledger, folder: Path) -> list[tuple[str, str]]:
    _copy_file(Path(ledger.engine.url.database or ""), folder / SQLITE)
    copy = Ledger(f"sqlite:///{(folder / SQLITE).absolute()}")
    with copy.reading() as connection:
        listed = _held(connection)
    copy.close()
    return listed


def _copy_file(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as before, closing(sqlite3.connect(target)) as after:
        before.backup(after)


def _dump_postgresql(ledger: Ledger, folder: Path) -> list[tuple[str, str]]:
    with ledger.reading() as connection:
        # pg_dump and the list of blobs look at the same moment.
        moment = connection.execute(select(func.pg_export_snapshot())).scalar_one()
        _run("pg_dump", ledger, "--format=custom", f"--snapshot={moment}", f"--file={folder / DUMP}")
        return _held(connection)


def _held(connection: Connection) -> list[tuple[str, str]]:
    """(tenant, digest) of every blob that a row holds, but for states; also of a ledger that has yet to be upgraded."""
    found = inspect(connection)
    if not found.has_table(evidence.name):
        raise BackupRefused("there is no ledger in this database")
    chosen = select(evidence.c.tenant_id, evidence.c.digest).where(evidence.c.kind != checkpoints.KIND).distinct()
    if evidence.c.removed_at.name in {column["name"] for column in found.get_columns(evidence.name)}:
        chosen = chosen.where(evidence.c.removed_at.is_(None))
    uploaded = [select(t.c.tenant_id, t.c.digest) for t in (images, target_sets) if found.has_table(t.name)]
    rows = {(row.tenant_id, row.digest) for each in (chosen, *uploaded) for row in connection.execute(each)}
    return sorted(rows)


def _everything(store: EvidenceStore) -> list[tuple[str, str]]:
    return [(tenant, digest) for tenant in store.tenants() for p in PREFIXES for digest in store.digests(tenant, p)]


def _copy(source: EvidenceStore, target: EvidenceStore, listed: list[tuple[str, str]]) -> tuple[int, list[str]]:
    """How many were copied, each verified on the way, and which are missing or damaged."""
    damaged = []
    for tenant, digest in listed:
        try:
            content = source.get(tenant, digest)
        except (EvidenceMissing, EvidenceCorrupt):
            damaged.append(f"{tenant}/{digest}")
        else:
            target.put(tenant, content, name="", kind="", media_type="")
    return len(listed) - len(damaged), damaged


def _run(program: str, ledger: Ledger, *words: str | Path) -> None:
    """One of PostgreSQL's own programs on the ledger's database; the password goes by the environment."""
    found = shutil.which(program)
    if found is None:
        raise BackupRefused(f"{program} is not on the PATH: it comes with PostgreSQL's client")
    url = make_url(ledger.url)
    address = url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    environment = os.environ | ({"PGPASSWORD": str(url.password)} if url.password else {})
    command = [found, f"--dbname={address}", *map(str, words)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 no shell
    if done.returncode != 0:
        raise BackupRefused(f"{program} failed: {done.stderr.strip()[-500:]}")
