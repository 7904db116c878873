"""What tests of streams do: an audit whose history they write, and a stream read as a client would."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from ledger import events, intake
from ledger.audits import Submission
from ledger.database import Ledger
from palimpsest.contract.status import AuditEvent
from palimpsest.following import Following

TENANT = "local"


def an_audit(ledger: Ledger, key: str = "key-0") -> str:
    """A new audit with one event, ``audit.queued``."""
    submission = Submission({"model": "bundled"}, "d" * 64, "bundled", {}, key, "f" * 64, reuse=False)
    with ledger.writing() as connection:
        return intake.submit(connection, TENANT, submission).audit_id


def tell(ledger: Ledger, audit_id: str, *types: str) -> None:
    """Record events, one transaction for all."""
    with ledger.writing() as connection:
        for type in types:
            events.record(connection, TENANT, audit_id, type, {"is": type})


def end(ledger: Ledger, audit_id: str) -> None:
    """Fail the audit, its event included, in one transaction."""
    with ledger.writing() as connection:
        connection.exec_driver_sql(f"UPDATE audits SET state = 'failed' WHERE id = '{audit_id}'")
        events.record(connection, TENANT, audit_id, "audit.failed", {"code": "METHOD_FAILED"})


def forget(ledger: Ledger, audit_id: str, before: int) -> None:
    """Remove the events before a number, as a retention of history would."""
    with ledger.writing() as connection:
        connection.exec_driver_sql(f"DELETE FROM events WHERE audit_id = '{audit_id}' AND seq < {before}")


@dataclass
class Listener:
    """The client's side of one ASGI response."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    events: list[AuditEvent] = field(default_factory=list)
    content: bytes = b""
    over: bool = False
    slow: asyncio.Event | None = None
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    _following: Following = field(default_factory=lambda: Following("", 0))

    async def receive(self) -> dict[str, Any]:
        """Nothing more to say, until the client hangs up."""
        await self.hung_up.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        """Take what is sent; a slow client takes nothing until it is woken."""
        if self.slow is not None:
            await self.slow.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        self.content += message["body"]
        self.events += self._following.heard(message["body"])
        self.over = not message.get("more_body", False)

    @property
    def numbers(self) -> list[int]:
        """Of the events so far."""
        return [event.seq for event in self.events]


async def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until something is so; TimeoutError if it does not come about."""
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.005)


def run(act: Callable[[], Awaitable[None]]) -> None:
    """One event loop for one test."""

    async def acted() -> None:
        await act()

    asyncio.run(acted())
