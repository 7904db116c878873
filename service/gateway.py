"""What every endpoint is given: the edges the composition root was given, and who is asking."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from ledger.database import Ledger
from ledger.evidence import EvidenceStore
from service.dispatch import Doorbell
from service.observability import note

LOCAL = "local"
"""The only tenant until there are keys; it is passed on explicitly everywhere."""


@dataclass(frozen=True)
class Gateway:
    """The record, the blobs, and the doorbell."""

    ledger: Ledger
    evidence: EvidenceStore
    doorbell: Doorbell


async def the_gateway(request: Request) -> Gateway:
    """The edges of this application."""
    gateway: Gateway = request.app.state.gateway
    return gateway


async def the_tenant(request: Request) -> str:
    """Who is asking; the request's line says so, too."""
    note(request.scope, tenant=LOCAL)
    return LOCAL


TheGateway = Annotated[Gateway, Depends(the_gateway)]
TheTenant = Annotated[str, Depends(the_tenant)]
