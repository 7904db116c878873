"""GET /v1/models and GET /v1/methods: what workers have published."""

from fastapi import APIRouter

from palimpsest.contract.catalogue import MethodList, ModelList
from palimpsest.contract.problems import Code
from service import offer
from service.gateway import TheGateway, TheTenant
from service.routes.documented import ALWAYS, problems

router = APIRouter(tags=["catalogue"])
RESPONSES = problems(*ALWAYS, Code.CATALOGUE_NOT_READY)


@router.get("/v1/models", responses=RESPONSES)
def list_models(gateway: TheGateway, tenant: TheTenant) -> ModelList:
    """The models that can be audited, as a worker found them."""
    return ModelList(data=offer.read(gateway.ledger, tenant).models)


@router.get("/v1/methods", responses=RESPONSES)
def list_methods(gateway: TheGateway, tenant: TheTenant) -> MethodList:
    """The methods an audit can use: parameters as JSON Schema, defaults, citation."""
    offered = offer.read(gateway.ledger, tenant)
    return MethodList(engine=offered.engine, data=offered.methods)
