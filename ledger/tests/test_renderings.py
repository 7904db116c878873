"""Reports that are to be rendered: owed with the report, settled once, kept as long as it."""

from sqlalchemy import update

from ledger import renderings, schema
from ledger.collection import retire
from ledger.evidence import Kept
from ledger.renderings import Due, PublicKey
from ledger.retention import Retention
from ledger.tests.driver import CONCLUSION, TENANT, Driver, report

KEY = PublicKey("k" * 64, "-----BEGIN PUBLIC KEY-----", since=0.0)
SARIF = Kept("report.sarif.json", "report", "5" * 64, "application/sarif+json", 3)


def concluded(drive: Driver, tenant: str = TENANT) -> str:
    """An audit that has its report."""
    audit_id = drive.planned(report(), tenant=tenant)
    ticket = drive.claim_next()
    assert ticket is not None
    kept = Kept("report.json", "report", CONCLUSION.report_digest, "application/json", 2)
    drive.finish(ticket, kept)
    return audit_id


def due(drive: Driver) -> list[Due]:
    """What a sweeper would find."""
    with drive.ledger.reading() as connection:
        return renderings.due(connection, 10)


def settle(drive: Driver, which: Due, *kept: Kept, key: PublicKey | None = KEY) -> bool:
    """What it would write down."""
    return drive.ledger.write(lambda connection: renderings.settle(connection, which, list(kept), key))


def test_a_report_is_owed_from_its_transaction_on(drive: Driver) -> None:
    """With the digest it is kept under; before the audit has ended nothing is owed."""
    drive.planned(report())
    assert due(drive) == []
    ticket = drive.claim_next()
    assert ticket is not None
    drive.finish(ticket)
    assert due(drive) == [Due(TENANT, ticket.audit_id, CONCLUSION.report_digest, size=0)]


def test_what_is_owed_says_how_large_it_is(drive: Driver) -> None:
    """Two bytes, though other evidence of the audit is larger."""
    audit_id = drive.planned(report())
    ticket = drive.claim_next()
    assert ticket is not None
    drive.finish(ticket, Kept("report.json", "report", CONCLUSION.report_digest, "application/json", 2), SARIF)
    assert due(drive) == [Due(TENANT, audit_id, CONCLUSION.report_digest, size=2)]


def test_an_audit_that_failed_owes_nothing(drive: Driver) -> None:
    """It has no report."""
    drive.planned(report())
    ticket = drive.claim_next()
    assert ticket is not None
    drive.fail(ticket, again=False)
    assert drive.audit(ticket.audit_id).state == "failed"
    assert due(drive) == []


def test_it_is_settled_once(drive: Driver) -> None:
    """Two sweepers have rendered it: the second finds it settled, and nothing is written twice."""
    audit_id = concluded(drive)
    [which] = due(drive)
    assert settle(drive, which, SARIF)
    assert not settle(drive, which, SARIF)
    assert due(drive) == []
    with drive.ledger.reading() as connection:
        assert not renderings.is_due(connection, TENANT, audit_id)
        found = renderings.find(connection, TENANT, audit_id, SARIF.name)
        assert found == renderings.Rendering(SARIF.digest, removed=False)
        assert renderings.find(connection, TENANT, audit_id, "report.junit.xml") is None
        assert renderings.find(connection, "another", audit_id, SARIF.name) is None


def test_one_that_cannot_be_rendered_is_settled_without_anything(drive: Driver) -> None:
    """It is not tried for ever, and no key has signed it."""
    concluded(drive)
    [which] = due(drive)
    assert settle(drive, which)
    assert due(drive) == []
    with drive.ledger.reading() as connection:
        assert renderings.keys(connection, TENANT) == []


def test_who_has_waited_longest_comes_first(drive: Driver) -> None:
    """And never more than asked for."""
    first, second = concluded(drive), concluded(drive)
    with drive.ledger.writing() as connection:
        earlier = update(schema.unrendered).where(schema.unrendered.c.audit_id == second).values(since=0.0)
        connection.execute(earlier)
    assert [each.audit_id for each in due(drive)] == [second, first]
    with drive.ledger.reading() as connection:
        assert len(renderings.due(connection, 1)) == 1


def test_one_takes_it_and_the_others_find_it_taken(drive: Driver) -> None:
    """Until its time is over; a try counts before it is made, unless it is given back."""
    first, second = concluded(drive), concluded(drive)
    which = due(drive)[0]

    def begin() -> int | None:
        return drive.ledger.write(lambda connection: renderings.begin(connection, which))

    assert [begin(), begin()] == [1, None]
    assert [each.audit_id for each in due(drive)] == [second]
    earlier = schema.unrendered.c.since - renderings.TAKEN_SECONDS - 1
    with drive.ledger.writing() as connection:
        connection.execute(update(schema.unrendered).values(since=earlier))
    assert begin() == 2
    drive.ledger.write(lambda connection: renderings.give_back(connection, which))
    assert [begin(), begin()] == [2, None]
    settle(drive, which)
    assert begin() is None
    assert which.audit_id == first


def test_keys_are_remembered_by_tenant(drive: Driver) -> None:
    """One that signs twice is there once, since the first time; another tenant's is not shown."""
    for tenant in (TENANT, TENANT, "another"):
        concluded(drive, tenant)
    mine = [each for each in due(drive) if each.tenant == TENANT]
    for which in mine:
        settle(drive, which, SARIF)
    with drive.ledger.reading() as connection:
        [known] = renderings.keys(connection, TENANT)
        assert (known.keyid, known.pem) == (KEY.keyid, KEY.pem)
        assert known.since > 0
        assert renderings.keys(connection, "another") == []


def test_renderings_are_kept_as_long_as_reports(drive: Driver) -> None:
    """After 91 days both are retired at one look, and their rows with their digests stay."""
    audit_id = concluded(drive)
    [which] = due(drive)
    settle(drive, which, SARIF)
    long_ago = schema.evidence.c.created_at - 91 * 86_400
    with drive.ledger.writing() as connection:
        connection.execute(update(schema.evidence).values(created_at=long_ago))
        connection.execute(update(schema.audits).values(finished_at=schema.audits.c.finished_at - 91 * 86_400))
        assert retire(connection, Retention()) == 2
        found = renderings.find(connection, TENANT, audit_id, SARIF.name)
        assert found == renderings.Rendering(SARIF.digest, removed=True)
