"""Pictures sent ahead: kept while somebody uses them and for a time after, and never removed under anybody's hands."""

import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from ledger import collection, holdings, schema, target_sets, uploads
from ledger.collection import Collector
from ledger.database import now
from ledger.errors import EvidenceMissing, ImageInUse, ImageNotFound, TargetSetNotFound
from ledger.evidence import EvidenceStore
from ledger.retention import Retention
from ledger.tests.driver import TENANT, Driver, report
from ledger.uploads import Picture

DAY = 86_400.0
AT_ONCE = Retention(grace_seconds=0, collect_seconds=0)


@pytest.fixture
def store(tmp_path: Path) -> EvidenceStore:
    """An empty folder."""
    return EvidenceStore((tmp_path / "evidence").as_uri())


def sent(drive: Driver, store: EvidenceStore, content: bytes = b"png", tenant: str = TENANT) -> str:
    """A picture that is kept; its digest."""
    kept = store.put(tenant, content, name="i", kind=holdings.INPUT, media_type="image/png")
    with drive.ledger.writing() as connection:
        uploads.record(connection, tenant, [Picture(kept.digest, "f" * 64, "image/jpeg", 3, 2)])
    return kept.digest


def days_ago(drive: Driver, days: float) -> None:
    """Every picture was used last so long ago."""
    with drive.ledger.writing() as connection:
        connection.execute(update(schema.images).values(used_at=now() - days * DAY))


def a_set(drive: Driver, *pictures: str, digest: str = "d" * 64, tenant: str = TENANT) -> target_sets.Created:
    """A set that names them."""
    with drive.ledger.writing() as connection:
        return target_sets.create(connection, tenant, title="t", digest=digest, count=2, pictures=pictures)


def named(digest: str) -> dict[str, Any]:
    """What a submission has that names a picture."""
    request = {"targets": [{"images": [{"media_type": "image/png", "sha256": digest}]}]}
    return {"request": request, "uploads": (digest,)}


def collect(drive: Driver, store: EvidenceStore) -> int:
    """One look of a sweeper."""
    return Collector(drive.ledger, store, AT_ONCE).collect()


def there(drive: Driver, digest: str, tenant: str = TENANT) -> bool:
    """Whether the picture can be named."""
    with drive.ledger.reading() as connection:
        return digest in uploads.there(connection, tenant, [digest])


def test_a_picture_is_its_tenants(drive: Driver, store: EvidenceStore) -> None:
    """Another's can neither be found, named nor deleted; what is told is what was written."""
    digest = sent(drive, store)
    with drive.ledger.reading() as connection:
        row = uploads.get(connection, TENANT, digest)
        with pytest.raises(ImageNotFound):
            uploads.get(connection, "other", digest)
    assert (row.uploaded, row.media_type, row.width, row.height, row.used_at - row.created_at < 5) == (
        "f" * 64,
        "image/jpeg",
        3,
        2,
        True,
    )
    with drive.ledger.writing() as connection:
        with pytest.raises(ImageNotFound):
            uploads.use(connection, "other", [digest])
        with pytest.raises(ImageNotFound):
            uploads.delete_image(connection, "other", digest)
    assert there(drive, digest)


def test_the_same_again_is_one_and_used_anew(drive: Driver, store: EvidenceStore) -> None:
    """One row; its time begins again, its beginning stays."""
    digest = sent(drive, store)
    days_ago(drive, 40)
    with drive.ledger.writing() as connection:
        uploads.record(connection, TENANT, [Picture(digest, "e" * 64, "image/webp", 3, 2)] * 2)
    [row] = drive.rows(schema.images)
    assert (row.uploaded, row.media_type) == ("e" * 64, "image/webp")
    assert abs(row.used_at - row.created_at) < 60


def test_what_nothing_uses_goes_after_a_month(drive: Driver, store: EvidenceStore) -> None:
    """Its row, and its blob with it; one of yesterday stays."""
    old = sent(drive, store)
    days_ago(drive, 31)
    young = sent(drive, store, b"young")
    assert collect(drive, store) == 2
    assert (there(drive, old), store.put_at(TENANT, old)) == (False, None)
    assert (there(drive, young), store.get(TENANT, young)) == (True, b"young")
    assert collect(drive, store) == 0


def test_what_an_audit_uses_lives_as_its_images_do(drive: Driver, store: EvidenceStore) -> None:
    """While it runs and a week longer, however long ago the picture came; then both go."""
    digest = sent(drive, store)
    audit_id = drive.planned(report("plan"), **named(digest))
    days_ago(drive, 400)
    assert collect(drive, store) == 0
    drive.finish(drive.claim(audit_id, "report"))
    assert collect(drive, store) == 0
    assert there(drive, digest)
    with drive.ledger.writing() as connection:
        connection.execute(update(schema.audits).values(finished_at=now() - 8 * DAY))
        connection.execute(update(schema.evidence).values(created_at=now() - 9 * DAY))
    assert collect(drive, store) == 3
    assert (there(drive, digest), store.put_at(TENANT, digest)) == (False, None)


def test_naming_a_picture_begins_its_time_anew(drive: Driver, store: EvidenceStore) -> None:
    """By an audit and by a set."""
    digest = sent(drive, store)
    for act in (lambda: drive.submit(**named(digest)), lambda: a_set(drive, digest)):
        days_ago(drive, 20)
        act()
        [row] = drive.rows(schema.images)
        assert abs(row.used_at - row.created_at) < 60


def test_a_picture_that_is_not_there_is_no_audits(drive: Driver, store: EvidenceStore) -> None:
    """The whole submission is refused, and nothing of it is written."""
    with pytest.raises(ImageNotFound):
        drive.submit(**named("0" * 64))
    with pytest.raises(ImageNotFound):
        drive.submit("other", **named(sent(drive, store)))
    assert (drive.rows(schema.audits), drive.rows(schema.evidence)) == ([], [])


def test_a_set_keeps_its_pictures(drive: Driver, store: EvidenceStore) -> None:
    """None of them expires or is deleted; once the set is deleted they are as any."""
    digest = sent(drive, store)
    kept = a_set(drive, digest)
    days_ago(drive, 400)
    assert collect(drive, store) == 0
    with pytest.raises(ImageInUse), drive.ledger.writing() as connection:
        uploads.delete_image(connection, TENANT, digest)
    with drive.ledger.writing() as connection:
        assert target_sets.delete_set(connection, TENANT, kept.row.id) == kept.row
    assert collect(drive, store) == 2
    assert drive.rows(schema.target_set_images) == []


def test_equal_rows_are_one_set_of_their_tenant(drive: Driver) -> None:
    """The first title stays; of another tenant it is another."""
    first, again, theirs = a_set(drive), a_set(drive), a_set(drive, tenant="other")
    assert (first.reused, again.reused, again.row) == (False, True, first.row)
    assert (theirs.reused, theirs.row.id == first.row.id) == (False, False)
    with drive.ledger.writing() as connection:
        assert target_sets.page(connection, TENANT, limit=9) == [first.row]
        for act in (target_sets.get, target_sets.delete_set):
            with pytest.raises(TargetSetNotFound):
                act(connection, "other", first.row.id)


def test_sets_are_listed_newest_first(drive: Driver) -> None:
    """And behind the one that is named."""
    ids = [a_set(drive, digest=digit * 64).row.id for digit in "abc"]
    with drive.ledger.reading() as connection:
        assert [row.id for row in target_sets.page(connection, TENANT, limit=2)] == ids[:0:-1]
        assert [row.id for row in target_sets.page(connection, TENANT, limit=2, before=ids[1])] == ids[:1]


def test_a_sets_rows_are_kept_as_long_as_it_is(drive: Driver, store: EvidenceStore) -> None:
    """No collection takes them for strays; once the set is deleted and they are condemned, the next does."""
    blob = store.put(TENANT, b"rows", name="s", kind="target_set", media_type="a/b")
    kept = a_set(drive, digest=blob.digest)
    collection.condemn_strays(drive.ledger, store, AT_ONCE, blob.digest[:2])
    assert (collect(drive, store), store.get(TENANT, blob.digest)) == (0, b"rows")
    with drive.ledger.writing() as connection:
        target_sets.delete_set(connection, TENANT, kept.row.id)
        collection.condemn(connection, TENANT, [blob.digest])
    assert (collect(drive, store), store.put_at(TENANT, blob.digest)) == (1, None)


def test_a_picture_sent_again_is_spared(drive: Driver, store: EvidenceStore) -> None:
    """Condemned and put again it stays; one whose blob was removed meanwhile has to be put again."""
    digest = sent(drive, store)
    with drive.ledger.writing() as connection:
        uploads.delete_image(connection, TENANT, digest)
        collection.condemn(connection, TENANT, [digest])
    sent(drive, store)
    assert (drive.rows(schema.condemned), collect(drive, store), there(drive, digest)) == ([], 0, True)


def test_of_an_expiry_and_an_audit_at_once_one_comes_first(drive: Driver, store: EvidenceStore) -> None:
    """Many times: either the audit is refused, or the picture it names is there. Never an audit without its image."""
    ends: list[bool] = []
    for round in range(8):
        digest = sent(drive, store, b"picture %d" % round)
        days_ago(drive, 31)
        begin = threading.Barrier(2)

        def expires(begin: threading.Barrier = begin) -> None:
            begin.wait()
            drive.ledger.write(lambda connection: collection.expire_uploads(connection, AT_ONCE))

        expiring = threading.Thread(target=expires)
        expiring.start()
        begin.wait()
        try:
            drive.submit(**named(digest))
        except (ImageNotFound, EvidenceMissing):
            ends.append(False)
        else:
            ends.append(True)
        expiring.join()
        with drive.ledger.reading() as connection:
            assert holdings.held(connection, TENANT, [digest]) == ({digest} if ends[-1] else set())
            assert (digest in uploads.there(connection, TENANT, [digest])) == ends[-1]
    assert len(ends) == 8
