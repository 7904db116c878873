"""Submissions: each is checked for itself, and those that come at the same moment are recorded in one transaction.

A commit costs a flush to the disk and a statement a round trip, whether for one audit or for fifty.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from starlette.concurrency import run_in_threadpool

from ledger import intake
from ledger.audits import Submission
from ledger.catalogue import HOME
from ledger.database import FAILED, UNREACHABLE
from ledger.errors import EvidenceMissing, ImageNotFound, LedgerError
from ledger.intake import Asked, Taken
from ledger.lookout import Lookout
from ledger.quota import Quota
from palimpsest.contract.catalogue import ModelCard, TargetSet
from palimpsest.contract.request import AuditRequest, Target
from palimpsest.contract.status import Admitted
from service import digests, images, offer, target_sets, uploads
from service.admission import admit, sets
from service.errors import CatalogueNotReady, EvidenceRefused
from service.gateway import Gateway
from service.observability import traceparent
from service.offer import Offer
from service.target_sets import Resolved
from service.together import Together, in_thread

ATTEMPTS = 3
"""How often images are kept for a request: a collection may remove one before the audit that names it is there."""


class Intake:
    """Where audits are submitted to one gateway."""

    def __init__(self, gateway: Gateway, lookout: Lookout, *, pixels: int, quota: Quota) -> None:
        self._gateway, self._lookout, self._pixels, self._quota = gateway, lookout, pixels, quota
        self._known: dict[str, tuple[tuple[Any, ...], Offer]] = {}
        self._offers: Together[str, Offer] = Together(self._offers_now)
        self._records: Together[Asked, Taken] = Together(in_thread(self._record), most=50)

    async def submit(self, tenant: str, request: AuditRequest, key: str, *, counted: bool = False) -> Taken:
        """Accept an audit. The same request under the same key is one audit, however often it is sent.

        Raises a Refusal, and leaves no trace in the ledger, when the audit cannot be done here; KeyReused when the key
        belongs to another request; QuotaExceeded when it is ``counted`` and the tenant has as much open as it may.
        """
        quota = self._quota if counted else None
        offered = await self._offers.ask(HOME)
        trace = traceparent()
        for _ in range(ATTEMPTS):
            if takes_time(request):
                submission = await run_in_threadpool(self._prepared, tenant, request, key, offered, trace, quota)
            else:
                submission = self._prepared(tenant, request, key, offered, trace, quota)
            with suppress(EvidenceMissing, ImageNotFound):
                return await self._records.ask((tenant, submission))
        raise EvidenceRefused

    async def check(self, tenant: str, request: AuditRequest) -> Admitted:
        """Say what would be accepted; raises the Refusal that a submission would meet. Nothing is kept or recorded."""
        offered = await self._offers.ask(HOME)
        found, card = await run_in_threadpool(self._admitted, tenant, request, offered)
        request, known = found.request, sets(request, offered)
        return Admitted(
            model=card.id,
            model_digest=card.digest,
            engine=offered.engine,
            targets=size(known, request.targets, request.target_set),
            controls=size(known, request.controls, request.control_set),
        )

    def _prepared(
        self, tenant: str, request: AuditRequest, key: str, offered: Offer, trace: str | None, quota: Quota | None
    ) -> Submission:
        found, card = self._admitted(tenant, request, offered)
        recorded = images.keep(self._gateway.evidence, tenant, found.request)
        if found.sets:
            recorded["sets"] = found.sets
        return Submission(
            request=recorded,
            request_digest=digests.request_digest(
                recorded, card, offered.engine, baseline=offered.model(request.baseline_model)
            ),
            model_id=card.id,
            labels=dict(request.labels),
            key=key,
            fingerprint=digests.fingerprint(recorded),
            reuse=not request.force_new,
            traceparent=trace,
            targets=size(sets(found.request, offered), found.request.targets, found.request.target_set),
            quota=quota,
            uploads=uploads.digests_in(found.request),
        )

    def _admitted(self, tenant: str, request: AuditRequest, offered: Offer) -> tuple[Resolved, ModelCard]:
        """The request with the rows of uploaded sets, and the model. Raises a Refusal."""
        found = target_sets.resolved(self._gateway, tenant, request)
        named = ((target_sets.renamed(found, field), digest) for field, digest in images.named_images(found.request))
        missing = uploads.unknown(self._gateway, tenant, named)
        sources = found.source("targets"), found.source("controls")
        return found, admit(found.request, offered, pixels=self._pixels, sources=sources, missing=missing)

    async def _offers_now(self, tenants: Sequence[str]) -> list[Offer | Exception]:
        found = {tenant: await self._offer(tenant) for tenant in set(tenants)}
        return [found[tenant] for tenant in tenants]

    async def _offer(self, tenant: str) -> Offer | Exception:
        """The catalogue, read again only when there is another edition of it."""
        edition = await self._lookout.edition(tenant)
        known = self._known.get(tenant)
        if known is None or known[0] != edition:
            try:
                known = edition, await asyncio.to_thread(offer.read, self._gateway.ledger, tenant)
            except CatalogueNotReady as refusal:
                return refusal
            self._known[tenant] = known
        return known[1]

    def _record(self, asked: Sequence[Asked]) -> list[Taken | Exception]:
        """One transaction for all; should it fail, one for each, so that nobody is refused for another's sake."""
        try:
            return self._gateway.ledger.write(lambda connection: list(intake.take(connection, asked)))
        except UNREACHABLE:
            raise
        except (*FAILED, LedgerError) as error:
            if len(asked) == 1:
                return [error]
        return [answer for one in asked for answer in self._record([one])]


def takes_time(request: AuditRequest) -> bool:
    """Whether pictures come with the request, which are decoded and kept, or were sent ahead, which is looked up."""
    named = target_sets.is_uploaded(request.target_set) or target_sets.is_uploaded(request.control_set)
    return named or next(images.every_image(request), None) is not None


def size(known: dict[str, TargetSet], listed: list[Target] | None, named: str | None) -> int:
    """How many targets these are, or controls."""
    return len(listed or []) + (0 if named is None else known[named].size)
