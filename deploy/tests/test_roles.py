"""deploy/postgres/roles.sql on a real server: each process can do its work, and what it may not it cannot."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import ProgrammingError

from deploy.tests.images import ROOT
from ledger import (
    accesses,
    audits,
    catalogue,
    checkpoints,
    deliveries,
    endings,
    gauges,
    keys,
    outbox,
    quota,
    renderings,
    schema,
    target_sets,
    uploads,
    webhooks,
    workers,
)
from ledger.collection import Collector
from ledger.database import Ledger
from ledger.evidence import EvidenceStore, Kept
from ledger.keys import KeyRow
from ledger.retention import Retention
from ledger.tests.driver import TENANT, Driver, report, stage
from ledger.tests.servers import PostgreSQL, programs_of_postgresql
from service.dispatch import RecordingDispatch
from service.settings import Settings
from service.sweeper import chores, sweep

SCRIPT = ROOT / "deploy/postgres/roles.sql"
READ, ADD, WRITE = frozenset({"SELECT"}), frozenset({"SELECT", "INSERT"}), frozenset({"SELECT", "INSERT", "UPDATE"})
ALL, NOTHING = WRITE | {"DELETE"}, frozenset[str]()
SHARED = dict.fromkeys(("audits", "stages", "stage_edges", "units", "events", "models", "methods"), WRITE)
CLEARED = dict.fromkeys(("outbox", "evidence", "condemned", "workers"), ALL)
MAY: dict[str, dict[str, frozenset[str]]] = {
    "worker": {
        **SHARED,
        **CLEARED,
        "idempotency": NOTHING,
        "api_keys": NOTHING,
        "accesses": NOTHING,
        "unrendered": frozenset({"INSERT"}),
        "signing_keys": NOTHING,
        "endings": frozenset({"INSERT"}),
        "webhooks": NOTHING,
        "deliveries": NOTHING,
        "quotas": NOTHING,
        "images": NOTHING,
        "target_sets": NOTHING,
        "target_set_images": NOTHING,
        "alembic_version": READ,
    },
    "gateway": {
        **SHARED,
        **CLEARED,
        "idempotency": WRITE,
        "api_keys": ADD,
        "accesses": ADD,
        "unrendered": ALL,
        "signing_keys": ADD,
        "endings": ALL,
        "webhooks": ALL,
        "deliveries": ALL,
        "quotas": ALL,
        "images": ALL,
        "target_sets": ADD | {"DELETE"},
        "target_set_images": ADD | {"DELETE"},
        "alembic_version": READ,
    },
}
"""What each role may do with each table as a whole."""


@pytest.fixture
def url(postgresql: PostgreSQL) -> Iterator[str]:
    """A ledger whose owner has upgraded it and run the script, twice."""
    url = postgresql.database("roles")
    owner = Ledger(url)
    owner.upgrade()
    owner.close()
    for role in MAY:
        postgresql.execute(f"CREATE ROLE roles_{role} LOGIN")
    address = make_url(url).set(drivername="postgresql").render_as_string()
    roles = [word for role in MAY for word in ("-v", f"{role}=roles_{role}")]
    for _ in range(2):
        psql = [str(programs_of_postgresql() / "psql"), "-q", *roles, "-f", str(SCRIPT), address]
        subprocess.run(psql, check=True, capture_output=True)
    yield url
    postgresql.drop("roles")
    for role in MAY:
        postgresql.execute(f"DROP ROLE roles_{role}")


def as_role(url: str, role: str) -> Ledger:
    """The ledger as this role sees it."""
    return Ledger(make_url(url).set(username=f"roles_{role}").render_as_string())


@pytest.fixture
def owner(url: str) -> Iterator[Ledger]:
    """Who upgrades and backs up."""
    ledger = Ledger(url)
    yield ledger
    ledger.close()


@pytest.fixture
def worker(url: str) -> Iterator[Ledger]:
    """Who runs models."""
    ledger = as_role(url, "worker")
    yield ledger
    ledger.close()


@pytest.fixture
def gateway(url: str) -> Iterator[Ledger]:
    """Who answers, and who sweeps."""
    ledger = as_role(url, "gateway")
    yield ledger
    ledger.close()


def issue(ledger: Ledger) -> KeyRow:
    """A key."""
    with ledger.writing() as connection:
        scopes = ["audits:read"]
        return keys.create(connection, TENANT, prefix="p" * 12, secret="s" * 43, name="n", scopes=scopes)


def refused(ledger: Ledger, *statements: str) -> None:
    """Each of these is one that the server does not allow."""
    for statement in statements:
        with pytest.raises(ProgrammingError, match="permission denied"), ledger.writing() as connection:
            connection.exec_driver_sql(statement)


@pytest.mark.parametrize("role", MAY)
def test_every_table_is_open_or_closed_on_purpose(owner: Ledger, role: str) -> None:
    """As the table above has it: a table of a later release has to be put there, and is closed until it is."""
    assert set(MAY[role]) == {table.name for table in schema.metadata.sorted_tables} | {"alembic_version"}
    asked = f"has_table_privilege('roles_{role}', '%s', '%s')"
    with owner.reading() as connection:
        for table, allowed in MAY[role].items():
            every = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
            has = {one for one in every if connection.exec_driver_sql(f"SELECT {asked % (table, one)}").scalar_one()}
            assert (table, has) == (table, set(allowed))


def test_a_worker_cannot_read_keys(owner: Ledger, worker: Ledger) -> None:
    """Not a column, not a count; nor can it make one, revoke one, or become somebody who can."""
    key = issue(owner)
    refused(
        worker,
        "SELECT * FROM api_keys",
        "SELECT count(*) FROM api_keys",
        "SELECT prefix FROM api_keys",
        "SELECT digest FROM api_keys",
        "UPDATE api_keys SET revoked_at = NULL",
        "DELETE FROM api_keys",
        "INSERT INTO api_keys SELECT * FROM api_keys",
        "COPY api_keys TO STDOUT",
        "TABLE accesses",
        "INSERT INTO accesses VALUES ('local', 1, 0, 'x', 'x', 'x', 'x', 'x')",
        "SELECT key FROM idempotency",
        "SELECT * FROM unrendered",
        "DELETE FROM unrendered",
        "SELECT keyid FROM signing_keys",
        "INSERT INTO signing_keys VALUES ('local', 'x', 'x', 0)",
        "SELECT secret FROM webhooks",
        "SELECT count(*) FROM webhooks",
        "UPDATE webhooks SET url = 'https://example.com'",
        "SELECT * FROM deliveries",
        "INSERT INTO deliveries SELECT * FROM deliveries",
        "SELECT * FROM endings",
        "DELETE FROM endings",
        "SELECT * FROM quotas",
        "UPDATE quotas SET audits = 0",
        "SELECT digest FROM images",
        "SELECT title FROM target_sets",
        "DELETE FROM target_set_images",
        "SET ROLE roles_gateway",
        "SET ROLE postgres",
        "GRANT SELECT ON api_keys TO roles_worker",
        "CREATE TABLE mine (a int)",
    )
    with owner.reading() as connection:
        assert keys.get(connection, TENANT, key.id) == key


def test_a_worker_can_do_its_work(gateway: Ledger, worker: Ledger) -> None:
    """From its first sign of life to the report of an audit that the gateway took in: every call of ledger it makes.

    It rings for what follows, goes on from a state it kept, gives a unit back, fails one, and takes its leave.
    """
    taken, works = Driver(gateway), Driver(worker)
    worker.require_current()
    with worker.writing() as connection:
        workers.seen(connection, TENANT, owner="worker-1", engine="engine-1", families=["sd1"])
        catalogue.publish(connection, TENANT, engine="engine-1", cards=[{"id": "bundled"}], method_cards=[])
    audit_id = taken.submit()
    plan = [stage("probe", 2), report("probe")]
    told: list[str] = []
    works.give_back(works.claim(audit_id, "plan"))
    while ticket := works.claim_next():
        assert works.renew(ticket)
        with worker.writing() as connection:
            for digest in ("1" * 64, "2" * 64):
                state = Kept(checkpoints.NAME, checkpoints.KIND, digest, "a/b", 1)
                checkpoints.keep(connection, ticket, state)
            assert checkpoints.newest(connection, TENANT, ticket.unit_id) == "2" * 64
        if (ticket.stage, ticket.ordinal) == ("probe", 1):
            works.fail(ticket, again=False)
        else:
            kept = Kept("y", "embedding", "3" * 64, "a/b", 1)
            works.finish(ticket, kept, planned=plan if ticket.kind == "plan" else None)
        outbox.empty(worker, lambda message: told.append(message.unit_id), batch=100, seconds=10.0)
    assert taken.audit(audit_id).state == "succeeded"
    assert len(told) >= 4
    with worker.reading() as connection:
        assert audits.results(connection, TENANT, audit_id, stage="probe")
    with worker.writing() as connection:
        workers.gone(connection, TENANT, owner="worker-1")


def test_gateway_and_sweeper_can_do_theirs(gateway: Ledger, worker: Ledger, tmp_path: Path) -> None:
    """Every chore of a sweep with something to do, a collection that removes what is over, and the gauges.

    Five bells are taken to the broker: two of the audit that ended, one for each of the others, one again for the unit
    whose lease ran out; and when nobody hears those, two more.
    """
    taken, works = Driver(gateway), Driver(worker)
    store = EvidenceStore((tmp_path / "evidence").as_uri())
    ended = taken.planned(report("plan"))
    kept = store.put(TENANT, b"y", name="y", kind="embedding", media_type="a/b")
    works.finish(works.claim(ended, "report"), kept)
    key = renderings.PublicKey("k", "pem", 0.0)
    with gateway.writing() as connection:
        [due] = renderings.due(connection, 10)
        assert renderings.begin(connection, due) == 1
        assert renderings.settle(connection, due, [], None)
        renderings.owe(connection, TENANT, ended)
        assert renderings.settle(connection, due, [kept], key)
        assert [known.keyid for known in renderings.keys(connection, TENANT)] == ["k"]
    hooks_and_quotas(gateway, ended)
    taken.submit()
    works.claim(taken.submit(), "plan", lease=-1)
    settings = Settings(home=tmp_path, ring_again_seconds=1e-6)
    at_once = Retention(embedding_days=0, grace_seconds=0, collect_seconds=0)
    dispatch = RecordingDispatch()
    assert sweep(chores(gateway, dispatch, settings))
    assert len(dispatch.published) == 5
    assert sweep(chores(gateway, dispatch, settings))
    assert len(dispatch.published) == 7
    assert sweep({"evidence_collected": Collector(gateway, store, at_once).collect})
    assert store.digests(TENANT, kept.digest[:2]) == []
    with gateway.reading() as connection:
        assert gauges.level(connection).audits[TENANT, "queued"] == 1


def hooks_and_quotas(gateway: Ledger, ended: str) -> None:
    """A webhook from its making to its removal, told of this audit's end; and a tenant's own quota."""
    with gateway.writing() as connection:
        quota.set_for(connection, TENANT, quota.Quota(audits=9, targets=9))
        [found] = quota.rooms(connection, [(TENANT, Driver(gateway).submission(quota=quota.Quota(1, 1)))]).values()
        assert (found.quota.audits, quota.forget(connection, TENANT)) == (9, True)
        hook = webhooks.create(connection, TENANT, url="https://a.example/", events=["audit.succeeded"], secret="s")
        webhooks.rotate(connection, TENANT, hook.id, secret="t", seconds=60)
        assert endings.fan_out(connection) == 1
        [due] = deliveries.due(connection, 10, each=1)
        assert (due.audit_id, deliveries.begin(connection, due)) == (ended, 1)
        deliveries.delivered(connection, due, deliveries.Try(status=204))
        deliveries.replay(connection, TENANT, hook.id, due.id)
        assert deliveries.forget(connection, older_seconds=0) == 0
        webhooks.remove(connection, TENANT, hook.id)


def test_a_gateway_takes_uploads_in_and_lets_them_go(gateway: Ledger, worker: Ledger, tmp_path: Path) -> None:
    """Pictures and a set are written, named by an audit that a worker then works on, deleted, and collected."""
    store = EvidenceStore((tmp_path / "evidence").as_uri())
    digest = store.put(TENANT, b"png", name="i", kind="target_image", media_type="image/png").digest
    with gateway.writing() as connection:
        uploads.record(connection, TENANT, [uploads.Picture(digest, "f" * 64, "image/png", 1, 1)] * 2)
        made = target_sets.create(connection, TENANT, title="t", digest="d" * 64, count=1, pictures=[digest])
    request = {"targets": [{"images": [{"media_type": "image/png", "sha256": digest}]}]}
    audit_id = Driver(gateway).planned(report("plan"), request=request, uploads=(digest,))
    Driver(worker).finish(Driver(worker).claim(audit_id, "report"))
    with gateway.writing() as connection:
        assert target_sets.page(connection, TENANT, limit=1) == [
            target_sets.delete_set(connection, TENANT, made.row.id)
        ]
        uploads.delete_image(connection, TENANT, digest)
    at_once = Retention(target_image_days=0, upload_days=0, grace_seconds=0, collect_seconds=0)
    assert sweep({"evidence_collected": Collector(gateway, store, at_once).collect})
    assert store.put_at(TENANT, digest) is None


def test_a_gateway_keeps_keys_but_cannot_change_them(gateway: Ledger) -> None:
    """It issues, revokes and notes use; a scope, a secret or a tenant stays what it was, and no key goes away."""
    key = issue(gateway)
    with gateway.writing() as connection:
        keys.used(connection, [(TENANT, key.id)])
        assert keys.revoke(connection, TENANT, key.id).revoked_at is not None
    refused(
        gateway,
        "UPDATE api_keys SET scopes = '[\"admin\"]'",
        "UPDATE api_keys SET digest = 'x'",
        "UPDATE api_keys SET tenant_id = 'x'",
        "UPDATE api_keys SET expires_at = NULL",
        "DELETE FROM api_keys",
        "TRUNCATE api_keys",
    )


def test_a_gateway_adds_to_the_log_but_cannot_change_it(gateway: Ledger) -> None:
    """Two rows, and they stay."""
    with gateway.writing() as connection:
        for subject in ("aud_1", "aud_2"):
            accesses.append(connection, TENANT, actor="key_a", action="report.read", subject=subject)
    refused(gateway, "UPDATE accesses SET subject = 'x'", "DELETE FROM accesses WHERE seq = 2", "TRUNCATE accesses")
    with gateway.reading() as connection:
        assert accesses.verify(connection, TENANT).seq == 2
