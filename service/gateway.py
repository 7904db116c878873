"""What every endpoint is given: the edges the composition root was given."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from ledger.database import Ledger
from ledger.evidence import EvidenceStore
from service.dispatch import Doorbell


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


TheGateway = Annotated[Gateway, Depends(the_gateway)]
