"""What requests of one gateway do together: each question is put to the ledger once for all who ask at the moment."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends, Request

from ledger.audits import AuditRow
from ledger.lookout import Lookout
from palimpsest.contract.status import TERMINAL
from service import answers
from service.gateway import Gateway
from service.intake import Intake
from service.keyring import Keyring
from service.limits import Limits
from service.quota import of_the_deployment
from service.reading import Reader
from service.reception import Reception
from service.settings import Settings
from service.standings import Standings
from service.tailer import Tailer
from service.together import Together, in_thread

REST = 9.0
"""Announcing takes a tenth of the gateway's time at most. That is some two hundred bells a second, and a worker that
hears one goes on until nothing is left, unit after unit of 10 s or more; the sweeper rings the rest."""

EVERYBODY = 2**31
"""One ring is good for however many asked for it."""


class Desk:
    """Lives on the event loop."""

    def __init__(self, gateway: Gateway, settings: Settings) -> None:
        self.reader = Reader()
        self._lookout = Lookout(gateway.ledger)
        self.keyring = Keyring(gateway.ledger, self._lookout)
        self.limits = Limits(settings)
        self.standings = Standings(gateway.ledger, self._lookout)
        self.tailer = Tailer(gateway.ledger, pause=settings.tail_seconds, most=settings.streams_per_tenant)
        quota = of_the_deployment(settings)
        self.intake = Intake(gateway, self._lookout, pixels=settings.pixel_limit, quota=quota)
        self.reception = Reception(gateway, pixels=settings.pixel_limit)
        self._rings: Together[None, None] = Together(in_thread(self._ring), most=EVERYBODY, rest=REST)
        self._doorbell = gateway.doorbell

    async def announced(self) -> None:
        """Return when what has been recorded by now was announced, or left to the sweeper."""
        await self._rings.ask(None)

    async def news(self, row: AuditRow, seconds: float, known: str | None) -> bool:
        """Wait until there is something to tell of an audit; whether that could be done.

        Without an ETag, or with this revision's, that is another revision; else, and once it has ended, it is this one.
        """
        if row.state in TERMINAL or not (known is None or answers.is_current(known, row)):
            return False
        return await self.tailer.change(row.tenant, row.id, row.revision, seconds)

    def let_go(self) -> None:
        """The gateway is asked to end: nobody is to wait for anything new."""
        self.tailer.close()

    async def close(self) -> None:
        """The gateway has ended."""
        await self.keyring.close()
        await self._lookout.close()

    def _ring(self, asked: Sequence[None]) -> list[Exception | None]:
        self._doorbell.ring()
        return [None] * len(asked)


async def the_desk(request: Request) -> Desk:
    """The desk of this application."""
    desk: Desk = request.app.state.desk
    return desk


TheDesk = Annotated[Desk, Depends(the_desk)]
