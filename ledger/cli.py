"""``palimpsest-ledger``: migrate the record, back it up with its evidence, bring a backup back, verify who did what."""

import argparse
import sys
from pathlib import Path

from ledger import accesses
from ledger.accesses import EMPTY, Head
from ledger.backup import Backup, backup, restore
from ledger.database import Ledger
from ledger.errors import LedgerError, SchemaOutOfDate
from ledger.evidence import EvidenceStore
from ledger.places import Places


def main() -> None:
    """Entry point."""
    told = _parser().parse_args()
    ledger = Ledger(told.url)
    try:
        actions = {"upgrade": _upgrade, "backup": _backup, "restore": _restore, "verify": _verify}
        done = actions[told.action](ledger, told)
    except LedgerError as error:
        sys.exit(f"palimpsest-ledger: {error}")
    finally:
        ledger.close()
    sys.exit(done)


def _parser() -> argparse.ArgumentParser:
    places = Places()
    parser = argparse.ArgumentParser(prog="palimpsest-ledger", description="Looks after the record and its evidence.")
    actions = parser.add_subparsers(dest="action", required=True)
    upgrade = actions.add_parser("upgrade", help="migrate to this version's schema")
    saving = actions.add_parser("backup", help="write the record and its evidence into a new folder")
    bringing = actions.add_parser("restore", help="bring a backup back into an empty database; stop everybody before")
    verifying = actions.add_parser("verify", help="go through the log of accesses; say how it ends, for you to note")
    verifying.add_argument("noted", nargs="*", type=_noted, help="TENANT:ROW:HASH, as it was said before")
    for action in (upgrade, saving, bringing, verifying):
        action.add_argument("--url", default=places.ledger, help="default: PALIMPSEST_LEDGER_URL, or SQLite at home")
    for action in (saving, bringing):
        action.add_argument("folder", type=Path, help="the backup's folder")
        action.add_argument(
            "--evidence", default=places.evidence, help="default: PALIMPSEST_EVIDENCE_URL, or the folder at home"
        )
        action.add_argument("--record-only", action="store_true", help="the evidence is looked after by other means")
    return parser


def _upgrade(ledger: Ledger, _: argparse.Namespace) -> int:
    ledger.upgrade()
    print("The ledger is up to date.")
    return 0


def _backup(ledger: Ledger, told: argparse.Namespace) -> int:
    made = backup(ledger, _store(told), told.folder)
    print(f"The record and {made.blobs} blobs are in {told.folder}.")
    return _complaints(made)


def _restore(ledger: Ledger, told: argparse.Namespace) -> int:
    made = restore(told.folder, ledger, _store(told))
    print(f"The record of {made.made_at} is back, and {made.blobs} blobs.")
    try:
        ledger.require_current()
    except SchemaOutOfDate as error:
        print(error)
    return _complaints(made)


def _verify(ledger: Ledger, told: argparse.Namespace) -> int:
    noted = dict(told.noted)
    with ledger.reading() as connection:
        for tenant in sorted({*accesses.tenants(connection), *noted}):
            head = accesses.verify(connection, tenant, noted=noted.get(tenant, EMPTY))
            print(f"{tenant}:{head.seq}:{head.hash}")
    return 0


def _noted(words: str) -> tuple[str, Head]:
    tenant, seq, link = words.split(":")
    return tenant, Head(int(seq), link)


def _store(told: argparse.Namespace) -> EvidenceStore | None:
    return None if told.record_only else EvidenceStore(told.evidence)


def _complaints(made: Backup) -> int:
    """1 when blobs are missing from the backup, each named; 0 otherwise."""
    for name in made.damaged:
        print(f"missing or damaged: {name}", file=sys.stderr)
    return 1 if made.damaged else 0


if __name__ == "__main__":
    main()
