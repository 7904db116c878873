"""Collecting: rows keep their digest, blobs go only when nobody holds them, and never under a writer's hands."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from ledger import audits, collection, holdings, schema
from ledger.collection import Collector, remove
from ledger.database import now
from ledger.errors import EvidenceMissing
from ledger.evidence import EvidenceStore, Kept
from ledger.retention import Retention
from ledger.tests.databases import on_postgresql
from ledger.tests.driver import TENANT, Driver, report

DAY = 86_400.0
SOON = Retention(grace_seconds=0, collect_seconds=0)


@pytest.fixture
def store(tmp_path: Path) -> EvidenceStore:
    """An empty folder."""
    return EvidenceStore((tmp_path / "evidence").as_uri())


def put(store: EvidenceStore, content: bytes, kind: str = "image") -> Kept:
    """Keep some bytes, named after their content."""
    return store.put(TENANT, content, name=f"{kind} {content!r}", kind=kind, media_type="image/png")


def ended(drive: Driver, *kept: Kept, days_ago: float = 0.0) -> str:
    """An audit that ended so long ago, with this evidence."""
    audit_id = drive.planned(report("plan"))
    drive.finish(drive.claim(audit_id, "report"), *kept)
    of_audit = schema.audits.c.id == audit_id
    with drive.ledger.writing() as connection:
        connection.execute(update(schema.audits).where(of_audit).values(finished_at=now() - days_ago * DAY))
        its_rows = schema.evidence.c.audit_id == audit_id
        connection.execute(update(schema.evidence).where(its_rows).values(created_at=now() - days_ago * DAY - 60))
    return audit_id


def collect(drive: Driver, store: EvidenceStore, retention: Retention = SOON) -> int:
    """One look of a sweeper."""
    return Collector(drive.ledger, store, retention).collect()


def there(store: EvidenceStore, kept: Kept) -> bool:
    """Whether its blob is in the store."""
    return store.put_at(TENANT, kept.digest) is not None


def test_images_go_after_a_week_and_the_report_stays(drive: Driver, store: EvidenceStore) -> None:
    """Of an audit of eight days ago the image is gone and its row tells of it; the report can still be read."""
    image, told = put(store, b"image"), put(store, b"{}", "report")
    audit_id = ended(drive, image, told, days_ago=8)
    assert collect(drive, store) == 2
    assert (there(store, image), store.get(TENANT, told.digest)) == (False, b"{}")
    rows = {row.kind: row for row in drive.rows(schema.evidence)}
    assert rows["image"].digest == image.digest
    assert rows["image"].removed_at > 1_700_000_000
    assert rows["report"].removed_at is None
    with drive.ledger.reading() as connection:
        assert audits.evidence_of(connection, TENANT, audit_id) == [("report", told.digest, "image/png")]
    assert collect(drive, store) == 0


def test_everything_goes_after_three_months(drive: Driver, store: EvidenceStore) -> None:
    """The report last: at the look at which its images are retired it goes too, after them."""
    kept = [put(store, b"image"), put(store, b"{}", "report"), put(store, b"mask", "mask")]
    ended(drive, *kept, days_ago=91)
    assert collect(drive, store) == 6
    assert [there(store, blob) for blob in kept] == [False] * 3
    assert all(row.removed_at for row in drive.rows(schema.evidence))


def test_a_report_stays_until_its_last_image_is_removed(drive: Driver, store: EvidenceStore) -> None:
    """With one row of a kind at a look: the first image, then the second and, behind it, the report."""
    kept = [put(store, b"1"), put(store, b"2"), put(store, b"{}", "report")]
    ended(drive, *kept, days_ago=91)
    slowly = Retention(grace_seconds=3600, collect_seconds=0, retire_batch=1)
    removed = []
    for _ in range(2):
        collect(drive, store, slowly)
        removed.append(sorted(row.kind for row in drive.rows(schema.evidence) if row.removed_at))
    assert removed == [["image"], ["image", "image", "report"]]


def test_what_is_young_or_still_running_is_left_alone(drive: Driver, store: EvidenceStore) -> None:
    """Six days after the end, and years after the beginning of an audit that has not ended."""
    young, running = put(store, b"young"), put(store, b"running")
    ended(drive, young, days_ago=6)
    audit_id = drive.planned(report("plan"))
    with drive.ledger.writing() as connection:
        holdings.hold(connection, TENANT, audit_id, "unit_1", [running])
        old = schema.evidence.c.digest == running.digest
        connection.execute(update(schema.evidence).where(old).values(created_at=0.0))
    assert collect(drive, store) == 0
    assert there(store, young)
    assert there(store, running)


def test_a_blob_lives_as_long_as_one_audit_holds_it(drive: Driver, store: EvidenceStore) -> None:
    """Two audits kept the same image: the old row is removed, the blob stays for the young one and goes with it."""
    image = put(store, b"image")
    ended(drive, image, days_ago=8)
    young = ended(drive, image, days_ago=1)
    assert collect(drive, store) == 1
    assert there(store, image)
    with drive.ledger.writing() as connection:
        of_audit = schema.audits.c.id == young
        connection.execute(update(schema.audits).where(of_audit).values(finished_at=now() - 8 * DAY))
        connection.execute(update(schema.evidence).values(created_at=now() - 8 * DAY))
    assert collect(drive, store) == 2
    assert not there(store, image)


def test_another_tenants_blob_is_another(drive: Driver, store: EvidenceStore) -> None:
    """Equal bytes of two tenants are two blobs, and removing one leaves the other."""
    image = put(store, b"image")
    store.put("other", b"image", name="i", kind="image", media_type="image/png")
    ended(drive, image, days_ago=8)
    collect(drive, store)
    assert not there(store, image)
    assert store.get("other", image.digest) == b"image"


def test_nothing_is_removed_before_its_grace_period_is_over(drive: Driver, store: EvidenceStore) -> None:
    """Condemned now, it is there for another hour; then it goes."""
    image = put(store, b"image")
    ended(drive, image, days_ago=8)
    patient = Retention(grace_seconds=3600, collect_seconds=0)
    assert collect(drive, store, patient) == 1
    assert there(store, image)
    pass_time(drive, 3599)
    assert collect(drive, store, patient) == 0
    pass_time(drive, 2)
    age(store, image, 8 * DAY)
    assert collect(drive, store, patient) == 1
    assert not there(store, image)


def pass_time(drive: Driver, seconds: float) -> None:
    """Let every sentence be that much older."""
    with drive.ledger.writing() as connection:
        earlier = schema.condemned.c.condemned_at - seconds
        connection.execute(update(schema.condemned).values(condemned_at=earlier))


def age(store: EvidenceStore, kept: Kept, seconds: float) -> None:
    """Let the blob have been put so long ago."""
    then = time.time() - seconds
    os.utime(store.root / TENANT / kept.digest[:2] / kept.digest, (then, then))


def test_a_condemned_blob_that_is_held_again_stays(drive: Driver, store: EvidenceStore) -> None:
    """Writing a row for it lifts the sentence."""
    image = put(store, b"image")
    ended(drive, image, days_ago=8)
    collect(drive, store, Retention(grace_seconds=3600, collect_seconds=0))
    ended(drive, image)
    assert drive.rows(schema.condemned) == []
    assert collect(drive, store) == 0
    assert there(store, image)


def test_a_condemned_blob_that_was_put_again_stays(drive: Driver, store: EvidenceStore) -> None:
    """Its row has not been written yet; the sentence is lifted, and the blob found again if the row never comes."""
    image = put(store, b"image")
    ended(drive, image, days_ago=8)
    hour = Retention(grace_seconds=3600, collect_seconds=0)
    collect(drive, store, hour)
    age(store, image, 8 * DAY)
    pass_time(drive, 3601)
    put(store, b"image")
    assert collect(drive, store, hour) == 0
    assert there(store, image)
    assert drive.rows(schema.condemned) == []


def strays(drive: Driver, store: EvidenceStore, image: Kept, retention: Retention) -> None:
    """Look for strays where this one is."""
    collection.condemn_strays(drive.ledger, store, retention, image.digest[:2])


def test_a_stray_blob_is_found_and_removed(drive: Driver, store: EvidenceStore) -> None:
    """A unit died between its blob and its row: after the grace period it is condemned, after another it goes."""
    stray, held = put(store, b"stray"), put(store, b"held")
    ended(drive, held)
    hour = Retention(grace_seconds=3600, collect_seconds=0)
    strays(drive, store, stray, hour)
    assert drive.rows(schema.condemned) == []
    for blob in (stray, held):
        age(store, blob, 2 * 3600 + 10)
        strays(drive, store, blob, hour)
    assert [row.digest for row in drive.rows(schema.condemned)] == [stray.digest]
    assert collection.remove(drive.ledger, store, hour) == 0
    pass_time(drive, 3601)
    assert collection.remove(drive.ledger, store, hour) == 1
    assert (there(store, stray), there(store, held)) == (False, True)


def test_every_beginning_of_a_digest_has_its_turn(drive: Driver, store: EvidenceStore) -> None:
    """The part that is looked through is the database's clock modulo 256, so that any sweeper goes on."""
    collector = Collector(drive.ledger, store, Retention(collect_seconds=1))
    first = int(collector._prefix(), 16)
    time.sleep(1.05)
    assert (int(collector._prefix(), 16) - first) % 256 in (1, 2)


def test_images_of_a_request_are_held_by_its_audit(drive: Driver, store: EvidenceStore) -> None:
    """They have no unit; they stay while it runs, and go a week after its end."""
    image = put(store, b"image", "target_image")
    named = {"media_type": "image/png", "sha256": image.digest}
    request = {"targets": [{"images": [named, named]}], "controls": None}
    audit_id = drive.planned(report("plan"), request=request)
    age(store, image, 8 * DAY)
    strays(drive, store, image, SOON)
    assert collect(drive, store) == 0
    (row,) = drive.rows(schema.evidence)
    assert (row.audit_id, row.unit_id, row.kind, row.digest) == (audit_id, audit_id, "target_image", image.digest)
    drive.finish(drive.claim(audit_id, "report"))
    with drive.ledger.writing() as connection:
        connection.execute(update(schema.audits).values(finished_at=now() - 8 * DAY))
        connection.execute(update(schema.evidence).values(created_at=now() - 8 * DAY))
    assert collect(drive, store) == 2
    assert not there(store, image)


def test_an_audit_without_its_report_answers_for_no_other(drive: Driver, store: EvidenceStore) -> None:
    """An equal request is a new audit once the old one's report is removed."""
    told = store.put(TENANT, b"{}", name="report", kind="report", media_type="application/json")
    audit_id = ended(drive, told)
    with drive.ledger.writing() as connection:
        connection.execute(update(schema.audits).values(report_digest=told.digest))
    assert drive.submit(reuse=True) == audit_id
    with drive.ledger.writing() as connection:
        connection.execute(update(schema.evidence).values(removed_at=now()))
    assert drive.submit(reuse=True) != audit_id


def removing(drive: Driver, store: EvidenceStore, image: Kept, meanwhile: Callable[[], None]) -> None:
    """Remove the image in one transaction, and do something while it has not ended."""

    class Slow(EvidenceStore):
        def remove(self, tenant: str, digest: str) -> None:
            super().remove(tenant, digest)
            meanwhile()

    slow = Slow(store.root.as_uri())
    assert collection.remove(drive.ledger, slow, SOON) == 1
    assert not there(store, image)


@on_postgresql
def test_a_writer_who_comes_while_a_blob_is_removed_is_told_to_put_it_again(
    drive: Driver, store: EvidenceStore
) -> None:
    """Its transaction waits for the removal, fails with nothing written, and succeeds the second time."""
    image = put(store, b"image")
    ended(drive, image, days_ago=8)
    collection_waits = Retention(grace_seconds=3600, collect_seconds=0)
    collect(drive, store, collection_waits)
    audit_id = drive.planned(report("plan"))
    ticket = drive.claim(audit_id, "report")
    refused: list[BaseException] = []

    def finish() -> None:
        try:
            drive.finish(ticket, image)
        except EvidenceMissing as error:
            refused.append(error)

    late = threading.Thread(target=finish)

    def begin() -> None:
        late.start()
        late.join(0.5)
        assert late.is_alive()

    removing(drive, store, image, begin)
    late.join(30)
    assert len(refused) == 1
    assert drive.states(audit_id)["report"] == ["leased"]
    drive.finish(ticket, put(store, b"image"))
    assert store.get(TENANT, image.digest) == b"image"


def test_a_blob_that_cannot_be_removed_holds_up_no_other(drive: Driver, tmp_path: Path) -> None:
    """A folder stands in the first one's place: it is tried, the second is removed, and the look says what failed."""
    store = EvidenceStore((tmp_path / "evidence").as_uri())
    stuck, other = put(store, b"stuck"), put(store, b"other")
    with drive.ledger.writing() as connection:
        for hours, kept in ((9, stuck), (8, other)):
            sentence = {"tenant_id": TENANT, "digest": kept.digest, "condemned_at": now() - hours * 3600}
            connection.execute(insert(schema.condemned).values(**sentence))
    [blob] = (tmp_path / "evidence").rglob(stuck.digest)
    blob.unlink()
    blob.mkdir()
    (blob / "inside").touch()
    for kept in stuck, other:
        age(store, kept, DAY)
    with pytest.raises(OSError, match=stuck.digest):
        remove(drive.ledger, store, SOON)
    assert not there(store, other)
    assert [row.digest for row in drive.rows(schema.condemned)] == [stuck.digest]
