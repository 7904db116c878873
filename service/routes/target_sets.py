"""POST and GET /v1/target-sets, GET and DELETE /v1/target-sets/{target_set_id}: lists of targets, sent ahead."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from palimpsest.contract.problems import Code
from palimpsest.contract.uploads import Title, UploadedSet, UploadedSetList
from service import cursor, target_sets
from service.callers import WRITES, MayRead, MayWrite
from service.desk import the_desk
from service.gateway import TheGateway
from service.routes.audits import told
from service.routes.direct import Direct, Parameter, described
from service.routes.documented import ALWAYS, LIST, linked, problems

router = APIRouter(tags=["uploads"])
SetId = Annotated[str, Path(description="from the answer to POST /v1/target-sets")]
TITLE = Parameter[str]("title", "query", Title, "what it is, in your words", "")
EVERY = cursor.Selection(None, None)
REFUSED = (
    Code.MALFORMED_REQUEST,
    Code.MEDIA_TYPE_UNSUPPORTED,
    Code.TEXT_NOT_UTF8,
    Code.ROW_INVALID,
    Code.TARGET_EMPTY,
    Code.TOO_MANY_TARGETS,
    Code.NO_TARGETS,
    Code.IMAGE_UNREADABLE,
    Code.TOO_MANY_PIXELS,
    Code.UNKNOWN_IMAGE,
)
ABOUT = linked("target_set_id", status="get_target_set", delete="delete_target_set")
THERE: dict[int | str, dict[str, Any]] = {
    200: {"model": UploadedSet, "description": "A set with the very same rows is there already: this one", **ABOUT}
}


async def upload_target_set(http: Request) -> Response:
    """Keep a list of targets, CSV or JSON Lines, all of it or nothing; requests name it by its id."""
    desk, caller = await the_desk(http), await WRITES(http)
    created = await desk.reception.target_set(caller.tenant, http, TITLE.read(http))
    where = {"Location": f"/v1/target-sets/{created.row.id}"}
    return told(target_sets.told(created.row), 200 if created.reused else 201, where)


@router.get("/v1/target-sets", responses=problems(*ALWAYS, Code.MALFORMED_REQUEST))
def list_target_sets(
    gateway: TheGateway,
    caller: MayRead,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor_: Annotated[str | None, Query(alias="cursor", max_length=1000, description="next_cursor of a page")] = None,
) -> UploadedSetList:
    """One page of the sets that were sent, newest first; those that came with a model are in GET /v1/models."""
    before = cursor.read(cursor_, EVERY)
    found, last = target_sets.page(gateway, caller.tenant, limit=limit, before=before)
    return UploadedSetList(data=found, next_cursor=cursor.written(EVERY, last))


@router.get("/v1/target-sets/{target_set_id}", responses=problems(*ALWAYS, Code.TARGET_SET_NOT_FOUND))
def get_target_set(target_set_id: SetId, gateway: TheGateway, caller: MayRead) -> UploadedSet:
    """What is known of a set that was sent; not its rows."""
    return target_sets.look_up(gateway, caller.tenant, target_set_id)


@router.delete("/v1/target-sets/{target_set_id}", responses=problems(*ALWAYS, Code.TARGET_SET_NOT_FOUND))
def delete_target_set(target_set_id: SetId, gateway: TheGateway, caller: MayWrite) -> UploadedSet:
    """The set is there no more; audits that named it have its rows, and its pictures for their time."""
    return target_sets.delete(gateway, caller, target_set_id)


def add_direct(root: APIRouter) -> None:
    """Uploads, whose body is read only once it is known who sends it."""
    root.add_api_route(
        "/v1/target-sets",
        upload_target_set,
        methods=["POST"],
        tags=["uploads"],
        status_code=201,
        response_model=UploadedSet,
        responses={**problems(*ALWAYS, *REFUSED), **THERE, 201: ABOUT},
        openapi_extra={**LIST, **described(TITLE), **WRITES.described()},
        route_class_override=Direct,
    )
