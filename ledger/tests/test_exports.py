"""What an audit's mitigations have for taking away."""

from sqlalchemy import update

from ledger import exports, schema
from ledger.database import now
from ledger.evidence import Kept
from ledger.exports import Export
from ledger.tests.driver import TENANT, Driver, report, stage

DELTA = Kept(exports.NAME, "artifact", "d" * 64, "a/b", 7)
MASKS = Kept("edit.safetensors", "artifact", "e" * 64, "a/b", 3)


def found(drive: Driver, audit_id: str, name: str, tenant: str = TENANT) -> Export | None:
    """What there is of one mitigation."""
    with drive.ledger.reading() as connection:
        return exports.of_mitigation(connection, tenant, audit_id, name)


def test_a_checkpoint_is_found_by_its_stage(drive: Driver) -> None:
    """
    Before the unit is over there is none; afterwards its delta, whatever else it kept; a failed one has its code
    Another stage, another audit and another tenant have none; one whose time is over is still named
    """
    plans = [stage("mitigate:a", 1, "plan"), stage("mitigate:b", 1, "plan"), report("mitigate:a", "mitigate:b")]
    audit_id, other = drive.planned(*plans), drive.planned(*plans)
    assert found(drive, audit_id, "mitigate:a") == Export("queued", None, None, None, removed=False)
    drive.finish(drive.claim(audit_id, "mitigate:a"), MASKS, DELTA)
    drive.fail(drive.claim(audit_id, "mitigate:b"), again=False)
    assert found(drive, audit_id, "mitigate:a") == Export("done", None, "d" * 64, 7, removed=False)
    assert found(drive, audit_id, "mitigate:b") == Export("failed", "OUT_OF_MEMORY", None, None, removed=False)
    assert found(drive, other, "mitigate:a") == Export("queued", None, None, None, removed=False)
    assert found(drive, audit_id, "mitigate:c") is None
    assert found(drive, audit_id, "mitigate:a", "other") is None
    with drive.ledger.writing() as connection:
        connection.execute(update(schema.evidence).values(removed_at=now()))
    assert found(drive, audit_id, "mitigate:a") == Export("done", None, "d" * 64, 7, removed=True)


def test_a_mitigation_with_a_model_per_target_has_none(drive: Driver) -> None:
    """It has a unit for every batch, each with masks of its own."""
    audit_id = drive.planned(stage("mitigate:a", 2, "plan"), report("mitigate:a"))
    for ordinal in (0, 1):
        drive.finish(drive.claim(audit_id, "mitigate:a", ordinal), MASKS)
    assert found(drive, audit_id, "mitigate:a") == Export("done", None, None, None, removed=False)
