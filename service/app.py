"""The gateway: accept, remember, hand over, answer.

``uvicorn --factory service.app:from_environment``
"""

import gc
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from opentelemetry.trace import TracerProvider

from ledger.database import Ledger
from ledger.evidence import EvidenceStore
from palimpsest import __version__
from service import errors
from service.body_limit import BodyLimit
from service.desk import Desk
from service.dispatch import CeleryDispatch, Dispatch, Doorbell
from service.ending import at_the_end
from service.exposure import Exposed, keys_are_required
from service.gateway import Gateway
from service.lines import keep_lines
from service.meters import Meters
from service.observability import Observed, configure, telemetry
from service.opening import made_current
from service.routes import (
    accesses,
    audits,
    catalogue,
    events,
    exhibits,
    exports,
    health,
    images,
    keys,
    metrics,
    pages,
    reports,
    target_sets,
    webhooks,
)
from service.routes.documented import as_problem_json, with_requests
from service.settings import Settings

log = structlog.get_logger()

DESCRIPTION = """Is a memorized training image removed from a text-to-image model, or only hidden?

Requests carry an API key, `Authorization: Bearer pal_…`; each route names the scope it needs. As long as no key has
been made, this machine, and no other, needs none: `GET /readyz` says which it is.
"""


def create_app(
    settings: Settings,
    *,
    ledger: Ledger,
    evidence: EvidenceStore,
    dispatch: Dispatch,
    traces: TracerProvider | None = None,
) -> FastAPI:
    """The composition root: everything the gateway touches enters here."""
    app = FastAPI(
        title="Palimpsest",
        version=__version__,
        description=DESCRIPTION,
        redirect_slashes=False,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
        telemetry=telemetry(traces),
        lifespan=_lifespan,
    )
    doorbell = Doorbell(
        made_current(ledger, settings), dispatch, batch=settings.publish_batch, seconds=settings.publish_seconds
    )
    app.state.gateway = Gateway(ledger, evidence, doorbell)
    app.state.desk = Desk(app.state.gateway, settings)
    app.state.private_hosts = frozenset(settings.outbound_private_hosts)
    app.state.meters = Meters(ledger, seconds=settings.metrics_seconds)
    for direct in (audits, images, target_sets):
        direct.add_direct(app.router)
    told = (audits, images, target_sets, events, reports, exhibits, exports, catalogue)
    for routes in (*told, keys, accesses, webhooks, health, metrics, pages):
        app.include_router(routes.router)
    errors.install(app)
    app.add_middleware(BodyLimit, limit=settings.body_limit)
    app.add_middleware(Observed, meter=app.state.meters.requests)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def from_environment() -> FastAPI:
    """The gateway of a deployment, from ``PALIMPSEST_*``; an engine belongs to the process that calls this.

    Exits with a sentence where it would listen to others than this machine and nobody had to say who they are.
    """
    configure()
    keep_lines()
    settings = Settings()
    ledger = Ledger(settings.ledger)
    app = create_app(
        settings,
        ledger=ledger,
        evidence=EvidenceStore(settings.evidence),
        dispatch=CeleryDispatch(settings),
    )
    try:
        if not keys_are_required(ledger, settings):
            log.warning("no API key is needed on this machine, until the first is made: python -m service.init")
    except Exposed as error:
        sys.exit(f"palimpsest: {error}")
    # What is there now stays: looking through all of it for garbage again and again would hold requests up for 0.1 s.
    gc.collect()
    gc.freeze()
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Streams and waiting polls are let go when the process is asked to end: a server waits for what is open."""
    with at_the_end(app.state.desk.let_go):
        yield
    await app.state.desk.close()


def _operation_id(route: APIRoute) -> str:
    return route.name


def _openapi(app: FastAPI) -> dict[str, object]:
    if app.openapi_schema is None:
        described = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        app.openapi_schema = as_problem_json(with_requests(described))
    return app.openapi_schema
