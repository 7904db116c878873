"""The gateway: accept, remember, hand over, answer.

``uvicorn --factory service.app:from_environment``
"""

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from ledger.database import Ledger
from ledger.evidence import EvidenceStore
from palimpsest import __version__
from service import errors
from service.body_limit import BodyLimit
from service.dispatch import CeleryDispatch, Dispatch, Doorbell
from service.gateway import Gateway
from service.observability import Observed, configure
from service.opening import made_current
from service.routes import audits, catalogue, health, reports
from service.routes.documented import as_problem_json
from service.settings import Settings


def create_app(settings: Settings, *, ledger: Ledger, evidence: EvidenceStore, dispatch: Dispatch) -> FastAPI:
    """The composition root: everything the gateway touches enters here."""
    app = FastAPI(
        title="Palimpsest",
        version=__version__,
        description="Is a memorized training image removed from a text-to-image model, or only hidden?",
        redirect_slashes=False,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
    )
    doorbell = Doorbell(
        made_current(ledger, settings), dispatch, batch=settings.publish_batch, seconds=settings.publish_seconds
    )
    app.state.gateway = Gateway(ledger, evidence, doorbell)
    for routes in (audits, reports, catalogue, health):
        app.include_router(routes.router)
    errors.install(app)
    app.add_middleware(BodyLimit, limit=settings.body_limit)
    app.add_middleware(Observed)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def from_environment() -> FastAPI:
    """The gateway of a deployment, from ``PALIMPSEST_*``; an engine belongs to the process that calls this."""
    configure()
    settings = Settings()
    return create_app(
        settings,
        ledger=Ledger(settings.ledger),
        evidence=EvidenceStore(settings.evidence),
        dispatch=CeleryDispatch(settings),
    )


def _operation_id(route: APIRoute) -> str:
    return route.name


def _openapi(app: FastAPI) -> dict[str, object]:
    if app.openapi_schema is None:
        described = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        app.openapi_schema = as_problem_json(described)
    return app.openapi_schema
