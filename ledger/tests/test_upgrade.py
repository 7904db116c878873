"""An upgrade under way: a ledger of an older schema, with audits in every state, is migrated and they come to an end.

The dumps are what ``ledger/tests/dumps/in_flight.py`` wrote at the commit whose schema they are named after.
"""

import json
import sqlite3
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import make_url, text

from ledger import schema
from ledger.database import Ledger, alembic_config
from ledger.errors import SchemaOutOfDate, StaleFence
from ledger.schema import OPEN_AUDITS
from ledger.tests.driver import TENANT, Driver
from ledger.tests.dumps import in_flight
from ledger.tests.servers import programs_of_postgresql
from ledger.tests.test_migrations import differences
from ledger.units import Ticket

DUMPS = Path(__file__).parent / "dumps"
SINCE = (
    "condemned",
    "workers",
    "api_keys",
    "accesses",
    "unrendered",
    "signing_keys",
    "quotas",
    "endings",
    "webhooks",
    "deliveries",
    "images",
    "target_sets",
    "target_set_images",
)
"""Tables that ledgers of 0001 do not have."""
ENDS = {
    "queued": "succeeded",
    "queued for another family": "succeeded",
    "with images": "succeeded",
    "past its deadline": "expired",
    "in the middle": "succeeded",
    "being cancelled": "cancelled",
    "before its report": "succeeded",
    "succeeded": "succeeded",
    "failed": "failed",
}


def load(url: str, revision: str) -> None:
    """Fill an empty database with a dump."""
    dump = DUMPS / f"{revision}.{make_url(url).get_backend_name()}.sql"
    if dump.suffixes[0] == ".sqlite":
        file = Path(make_url(url).database or "")
        file.parent.mkdir()
        with sqlite3.connect(file) as connection:
            connection.executescript(dump.read_text())
    else:
        address = make_url(url).set(drivername="postgresql").render_as_string()
        psql = [str(programs_of_postgresql() / "psql"), "-q", "-v", "ON_ERROR_STOP=1", "-f", str(dump), address]
        subprocess.run(psql, check=True, capture_output=True)


@pytest.fixture
def before(blank: str) -> Driver:
    """The ledger of revision 0001, with its audits in flight."""
    load(blank, "0001")
    return Driver.open(blank)


@pytest.fixture
def drive(before: Driver) -> Driver:
    """The same ledger, upgraded."""
    before.ledger.upgrade()
    return before


def examples(drive: Driver) -> dict[str, str]:
    """The audits' ids by what they are an example of."""
    return {audit.labels["example"]: audit.id for audit in drive.audits()}


def work_everything_off(drive: Driver) -> None:
    """What workers and sweepers of the new version do, until nothing is left."""
    drive.expire_leases()
    drive.expire_overdue()
    while ticket := drive.claim_next():
        drive.finish(ticket, planned=in_flight.stages() if ticket.kind == "plan" else None)


def test_an_old_ledger_is_refused_until_it_is_upgraded(before: Driver) -> None:
    """With what to do about it; afterwards its tables are those of this code."""
    with pytest.raises(SchemaOutOfDate, match="0001"):
        before.ledger.require_current()
    before.ledger.upgrade()
    before.ledger.require_current()
    assert differences(before.ledger) == []


def test_an_upgrade_loses_nothing(before: Driver) -> None:
    """Every row and every value that was there is there afterwards; only families' names and turns are new."""
    with before.ledger.reading() as connection:
        tables = [row.name for row in schema.metadata.sorted_tables if row.name not in SINCE]
        rows = {name: connection.execute(text(f"SELECT * FROM {name}")).mappings().all() for name in tables}
    before.ledger.upgrade()
    with before.ledger.reading() as connection:
        for name, earlier in rows.items():
            later = connection.execute(text(f"SELECT * FROM {name}")).mappings().all()
            kept = Counter(json.dumps({key: row[key] for key in earlier[0]}, sort_keys=True) for row in later)
            lost = Counter(json.dumps(dict(row), sort_keys=True) for row in earlier) - kept
            assert (name, lost) == (name, Counter())
            assert (name, len(later) - len(earlier)) == (name, 2 if name == "evidence" else 0)


def test_what_is_new_is_filled_in(drive: Driver) -> None:
    """Families come from the published models, turns from the last lease, and a request's images are held."""
    found = examples(drive)
    families = {row.id: row.family for row in drive.rows(schema.audits)}
    assert (families[found["queued"]], families[found["queued for another family"]]) == ("sd1", "sdxl")
    served = {row.id: row.served_at for row in drive.rows(schema.audits)}
    assert (served[found["queued"]], served[found["in the middle"]] > 0) == (None, True)
    images = [row for row in drive.rows(schema.evidence) if row.audit_id == found["with images"]]
    assert [(row.digest[0], row.kind, row.size) for row in images] == [
        ("1", "target_image", None),
        ("2", "target_image", None),
    ]
    assert {(message.tenant, message.family) for message in drive.publish()} == {(TENANT, "sd1"), ("another", None)}


def test_audits_in_flight_come_to_an_end(drive: Driver) -> None:
    """One in every state, and all of them end as they would have without the upgrade."""
    found = examples(drive)
    assert found.keys() == ENDS.keys()
    states = Counter(drive.audit(audit_id).state for audit_id in found.values())
    assert states == {"queued": 4, "running": 2, "cancelling": 1, "succeeded": 1, "failed": 1}
    work_everything_off(drive)
    assert {name: drive.audit(audit_id).state for name, audit_id in found.items()} == ENDS
    assert not [row for row in drive.rows(schema.audits) if row.state in OPEN_AUDITS]


def test_what_was_done_before_the_upgrade_is_not_done_again(drive: Driver) -> None:
    """Units done and failed keep their results and codes; a lease that ended while all stood still cost no attempt."""
    middle = examples(drive)["in the middle"]
    assert drive.unit(middle, "baseline", 1).attempt == 1
    assert drive.unit(middle, "probe:wanda", 1).attempt == 3
    done = {(unit.stage, unit.ordinal): unit.fence for unit in drive.units(middle) if unit.state == "done"}
    work_everything_off(drive)
    after = {(unit.stage, unit.ordinal): unit for unit in drive.units(middle)}
    assert {place: after[place].fence for place in done} == done
    assert after["probe:wanda", 0].error == "OUT_OF_MEMORY"
    assert (after["probe:wanda", 1].state, after["probe:wanda", 1].attempt) == ("done", 3)
    assert (after["baseline", 1].state, after["baseline", 1].attempt) == ("done", 2)


def test_a_worker_of_the_old_version_writes_what_it_still_holds_and_nothing_else(drive: Driver) -> None:
    """Its lease of before the upgrade is good until it is taken back: one write is in time, the late one refused."""
    middle = examples(drive)["in the middle"]

    def ticket(stage: str) -> Ticket:
        unit = drive.unit(middle, stage, 1)
        return Ticket(TENANT, middle, unit.id, stage, 1, unit.kind, {}, attempt=unit.attempt, fence=unit.fence)

    in_time, late = ticket("mitigate:nemo"), ticket("probe:wanda")
    drive.finish(in_time)
    assert drive.unit(middle, "mitigate:nemo", 1).state == "done"
    drive.expire_leases()
    with pytest.raises(StaleFence):
        drive.finish(late)


def test_the_last_migration_can_be_taken_back(drive: Driver) -> None:
    """Down to 0001 and up again: the tables are those of this code, and the audits still end."""
    with drive.ledger.writing() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
    with pytest.raises(SchemaOutOfDate):
        drive.ledger.require_current()
    drive.ledger.upgrade()
    assert differences(drive.ledger) == []
    work_everything_off(drive)
    assert not [row for row in drive.rows(schema.audits) if row.state in OPEN_AUDITS]


def test_a_new_ledger_can_be_filled_with_the_same_examples(ledger: Ledger) -> None:
    """What the dumps were made with still runs, for the dumps of the next schema."""
    in_flight.write(Driver(ledger))
    assert examples(Driver(ledger)).keys() == ENDS.keys()
