"""Submissions recorded together: each answered as it would be alone, and leaving the same rows behind."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event

from ledger import audits, catalogue, holdings, intake, schema
from ledger.errors import EvidenceMissing, KeyReused
from ledger.intake import Asked, Taken
from ledger.schema import metadata
from ledger.tests.driver import TENANT, Driver
from ledger.tests.processes import at_once

MOMENTS = {"created_at", "at", "queued_at", "deadline_at"}
NAMES = {"id", "audit_id", "unit_id", "key"}
IMAGE = {"targets": [{"images": [{"media_type": "image/png", "sha256": "a" * 64}]}]}


def take(drive: Driver, *asked: Asked) -> list[Any]:
    """Submit these together."""
    with drive.ledger.writing() as connection:
        return list(intake.take(connection, asked))


def nameless(drive: Driver) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, without names that are drawn and moments that pass."""
    rows: dict[str, list[dict[str, Any]]] = {}
    with drive.ledger.reading() as connection:
        for table in metadata.sorted_tables:
            found = [dict(row) for row in connection.execute(table.select()).mappings()]
            rows[table.name] = [{name: row[name] for name in row if name not in NAMES | MOMENTS} for row in found]
            assert all(row[name] is not None for row in found for name in row if name in MOMENTS - {"deadline_at"})
    return rows


@pytest.mark.parametrize(
    "changes",
    [{}, {"deadline_seconds": 60.0}, {"traceparent": "00-a-b-01"}, {"labels": {"a": "b"}}, {"request": IMAGE}],
)
def test_it_leaves_the_rows_of_a_single_submission(drive: Driver, changes: dict[str, Any]) -> None:
    """In every table, whichever fields are given; and it tells the audit as the record has it."""
    submission = drive.submission(**changes)
    (taken,) = take(drive, (TENANT, submission))
    together = nameless(drive)
    (unit,), (message,) = drive.rows(schema.units), drive.rows(schema.outbox)
    assert (unit.id, unit.audit_id) == (message.unit_id, message.audit_id)
    assert unit.audit_id == taken.accepted.audit_id
    with drive.ledger.reading() as connection:
        assert audits.get(connection, TENANT, taken.accepted.audit_id) == taken.row
    with drive.ledger.writing() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
        intake.submit(connection, TENANT, submission)
    assert nameless(drive) == together


def test_a_family_is_the_published_models(drive: Driver) -> None:
    """Each audit and its message have that of their own model, or none; workers offer the same to every tenant."""
    with drive.ledger.writing() as connection:
        card = {"id": "bundled", "family": "sd1"}
        catalogue.publish(connection, TENANT, engine="engine-1", cards=[card], method_cards=[])
    known, unknown = (drive.submission(model_id=name) for name in ("bundled", "other"))
    take(drive, (TENANT, known), (TENANT, unknown), ("other", known))
    with drive.ledger.reading() as connection:
        rows = connection.exec_driver_sql("SELECT family FROM audits ORDER BY family").scalars().all()
        messages = connection.exec_driver_sql("SELECT family FROM outbox ORDER BY family").scalars().all()
    assert sorted(rows, key=str) == sorted(messages, key=str) == [None, "sd1", "sd1"]


def test_each_is_answered_for_itself(drive: Driver) -> None:
    """New, the same key again, that key for another request, a tenant's own of the same key, and one bound long ago."""
    old = drive.submission(key="old", fingerprint="o" * 64)
    earlier = drive.submit(key="old", fingerprint="o" * 64)
    first = drive.submission(key="k")
    other = replace(first, fingerprint="f" * 64)
    new, again, refused, strangers, replayed, spoilt = take(
        drive,
        (TENANT, first),
        (TENANT, first),
        (TENANT, other),
        ("other", first),
        (TENANT, old),
        (TENANT, replace(old, fingerprint="f" * 64)),
    )
    assert (new.accepted.replayed, new.accepted.reused) == (False, False)
    assert again == Taken(replace(new.accepted, replayed=True), new.row)
    assert isinstance(refused, KeyReused)
    assert (strangers.accepted.replayed, strangers.row.tenant) == (False, "other")
    assert strangers.accepted.audit_id != new.accepted.audit_id
    assert (replayed.accepted.audit_id, replayed.accepted.replayed) == (earlier, True)
    assert isinstance(spoilt, KeyReused)


def test_an_equal_request_is_answered_by_the_audit_that_succeeded(drive: Driver) -> None:
    """For another key, unless it asks for a new one; equal requests of one batch are audits of their own."""
    submissions = [drive.submission(request_digest="e" * 64, reuse=True) for _ in range(2)]
    first, second = take(drive, *((TENANT, submission) for submission in submissions))
    assert first.accepted.audit_id != second.accepted.audit_id
    with drive.ledger.writing() as connection:
        connection.exec_driver_sql(f"UPDATE audits SET state = 'succeeded' WHERE id = '{first.accepted.audit_id}'")
    reuse, anew = (drive.submission(request_digest="e" * 64, reuse=reuse) for reuse in (True, False))
    reused, new, again = take(drive, (TENANT, reuse), (TENANT, anew), (TENANT, reuse))
    assert (reused.accepted.audit_id, reused.accepted.reused) == (first.accepted.audit_id, True)
    assert reused.row.state == "succeeded"
    assert not new.accepted.reused
    assert (again.accepted.replayed, again.accepted.reused) == (True, False)


def test_fifty_cost_the_statements_of_one(drive: Driver) -> None:
    """As many for fifty as for two."""
    seen: list[str] = []

    def note(*context: object) -> None:
        seen.append(str(context[2]))

    counts = []
    for size in (2, 50):
        asked = [(TENANT, drive.submission()) for _ in range(size)]
        event.listen(drive.ledger.engine, "before_cursor_execute", note)
        take(drive, *asked)
        event.remove(drive.ledger.engine, "before_cursor_execute", note)
        counts.append(len(seen))
        seen.clear()
    assert counts[0] == counts[1] <= 12


def test_an_image_that_has_just_been_removed_stops_all(drive: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """EvidenceMissing leaves nothing behind when it is rolled back."""

    def missing(*_: Any) -> None:
        raise EvidenceMissing("gone")

    monkeypatch.setattr(holdings, "spare", missing)
    with pytest.raises(EvidenceMissing):
        take(drive, (TENANT, drive.submission()), (TENANT, drive.submission(request=IMAGE)))
    assert nameless(drive)["audits"] == []


def take_many(url: str, keys: list[str]) -> list[str]:
    """Ten batches of the same keys, from one process."""
    found = []
    drive = Driver.open(url)
    for batch in range(10):
        asked = [(TENANT, drive.submission(key=f"{key}-{batch}", fingerprint=key)) for key in keys]
        found += [taken.accepted.audit_id for taken in take(drive, *asked)]
    return found


def test_two_gateways_that_are_sent_the_same_keys_agree(drive: Driver, url: str) -> None:
    """Whichever came first: the same audits, in whatever order they were sent, and nobody waits in a circle."""
    keys = [f"key-{n}" for n in range(10)]
    first, second = at_once(take_many, url, each=(keys, keys[::-1]))
    assert sorted(first) == sorted(second)
    with drive.ledger.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM audits").scalar_one() == 100
