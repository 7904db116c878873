"""How far audits are, asked from an event loop."""

import asyncio

import pytest

from ledger import events
from ledger.database import UNREACHABLE
from ledger.events import Mark
from ledger.lookout import Lookout
from ledger.tests.driver import TENANT, Driver
from ledger.tests.servers import PostgreSQL

CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'lookout'"


def test_it_sees_what_was_committed_since(drive: Driver) -> None:
    """Its connection holds no view of the past; what is not there, or another tenant's, is left out."""
    audit_id = drive.submit()

    async def act() -> list[dict[tuple[str, str], Mark]]:
        lookout = Lookout(drive.ledger)
        wanted = [(TENANT, audit_id), (TENANT, audit_id), ("other", audit_id), (TENANT, "aud_unknown")]
        before = await lookout.marks(wanted)
        with drive.ledger.writing() as connection:
            events.record(connection, TENANT, audit_id, "a", {})
        after = await lookout.marks(wanted)
        nothing = await lookout.marks([])
        await lookout.close()
        return [before, after, nothing]

    assert asyncio.run(act()) == [
        {(TENANT, audit_id): Mark("queued", 1, 1)},
        {(TENANT, audit_id): Mark("queued", 2, 2)},
        {},
    ]


def test_it_outlives_its_connection(postgresql: PostgreSQL) -> None:
    """A server that cut it is asked again, once; one that is away is an error, and is asked anew when it is back."""
    drive = Driver.open(postgresql.database("lookout"))
    drive.ledger.upgrade()
    audit_id = drive.submit()

    async def act() -> None:
        lookout = Lookout(drive.ledger)
        wanted = [(TENANT, audit_id)]
        expected = await lookout.marks(wanted)
        postgresql.execute(CUT)
        assert await lookout.marks(wanted) == expected
        postgresql.execute("ALTER DATABASE lookout ALLOW_CONNECTIONS false")
        postgresql.execute(CUT)
        for _ in range(2):
            with pytest.raises(UNREACHABLE):
                await lookout.marks(wanted)
        postgresql.execute("ALTER DATABASE lookout ALLOW_CONNECTIONS true")
        assert await lookout.marks(wanted) == expected
        await lookout.close()

    asyncio.run(act())
    drive.ledger.close()
    postgresql.drop("lookout")
