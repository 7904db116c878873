"""POST /v1/images, GET and DELETE /v1/images/{image_digest}: reference pictures that are sent ahead of audits."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from palimpsest.contract.problems import Code
from palimpsest.contract.uploads import ImageStatus, UploadedImageList
from service import uploads
from service.callers import WRITES, MayRead, MayWrite
from service.desk import the_desk
from service.gateway import TheGateway
from service.routes.audits import told
from service.routes.direct import Direct
from service.routes.documented import ALWAYS, FILES, linked, problems

router = APIRouter(tags=["uploads"])
ImageDigest = Annotated[str, Path(description="the `digest` in the answer to POST /v1/images")]
FIRST = linked("image_digest", "data/0/digest", status="get_image", delete="delete_image")
REFUSED = (Code.MALFORMED_REQUEST, Code.MEDIA_TYPE_UNSUPPORTED, Code.IMAGE_UNREADABLE, Code.TOO_MANY_PIXELS)


async def upload_images(http: Request) -> Response:
    """Keep pictures, and tell the digests by which targets can name them. The same picture again is the same."""
    desk, caller = await the_desk(http), await WRITES(http)
    return told(UploadedImageList(data=await desk.reception.images(caller.tenant, http)), 201)


@router.get("/v1/images/{image_digest}", responses=problems(*ALWAYS, Code.IMAGE_NOT_FOUND))
def get_image(image_digest: ImageDigest, gateway: TheGateway, caller: MayRead) -> ImageStatus:
    """What is known of an uploaded picture; not the picture."""
    return uploads.look_up(gateway, caller.tenant, image_digest)


@router.delete("/v1/images/{image_digest}", responses=problems(*ALWAYS, Code.IMAGE_NOT_FOUND, Code.IMAGE_IN_USE))
def delete_image(image_digest: ImageDigest, gateway: TheGateway, caller: MayWrite) -> ImageStatus:
    """Nobody can name the picture any more; audits that did keep it for their time."""
    return uploads.delete(gateway, caller, image_digest)


def add_direct(root: APIRouter) -> None:
    """Uploads, whose body is read only once it is known who sends it."""
    root.add_api_route(
        "/v1/images",
        upload_images,
        methods=["POST"],
        tags=["uploads"],
        status_code=201,
        response_model=UploadedImageList,
        responses={**problems(*ALWAYS, *REFUSED), 201: FIRST},
        openapi_extra={**FILES, **WRITES.described()},
        route_class_override=Direct,
    )
