"""GET /v1/models and GET /v1/methods: what workers have published."""

from fastapi import APIRouter

from ledger.catalogue import HOME
from palimpsest.contract.catalogue import MethodList, ModelList
from palimpsest.contract.problems import Code
from service import offer
from service.callers import MayRead
from service.gateway import TheGateway
from service.routes.documented import ALWAYS, problems

router = APIRouter(tags=["catalogue"])
RESPONSES = problems(*ALWAYS, Code.CATALOGUE_NOT_READY)


@router.get("/v1/models", responses=RESPONSES)
def list_models(gateway: TheGateway, _: MayRead) -> ModelList:
    """The models that can be audited, as a worker found them."""
    return ModelList(data=offer.read(gateway.ledger, HOME).models)


@router.get("/v1/methods", responses=RESPONSES)
def list_methods(gateway: TheGateway, _: MayRead) -> MethodList:
    """The methods an audit can use: parameters as JSON Schema, defaults, citation."""
    offered = offer.read(gateway.ledger, HOME)
    return MethodList(engine=offered.engine, data=offered.methods)
