"""Sending pictures and lists of targets ahead of audits.

    with AuditClient(url) as client:
        [image] = client.images.upload(Path("cat.jpg")).data
        target = {"prompt": "a cat on a mat", "images": [{"digest": image.digest}]}
        suspects = client.target_sets.upload(Path("suspects.csv"), title="suspects")
        client.submit(AuditRequest(model="bundled", target_set=suspects.id))

Files are named to the service by their ending only. Equal files are one upload, so that a call may be repeated.
"""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

from palimpsest.contract.uploads import ImageStatus, UploadedImageList, UploadedSet, UploadedSetList
from palimpsest.exchange import Call, Talk, ask, parsed
from palimpsest.keys import Speaks, SpeaksLater

IMAGES, TARGET_SETS = "/v1/images", "/v1/target-sets"
LISTS = {".csv": "text/csv", ".jsonl": "application/x-ndjson", ".ndjson": "application/x-ndjson"}
"""What a list of targets is, by its ending."""


def send_images(files: Sequence[Path]) -> Talk[UploadedImageList]:
    """The pictures, as they are kept from now on, in the order of the files. Raises OSError for what cannot be read."""
    content_type, body = form([file.read_bytes() for file in files])
    return parsed(UploadedImageList, (yield from ask(post(IMAGES, content_type, body))))


def image(digest: str) -> Talk[ImageStatus]:
    """What is known of a picture."""
    return parsed(ImageStatus, (yield from ask(Call("GET", at(IMAGES, digest)))))


def delete_image(digest: str) -> Talk[ImageStatus]:
    """A picture that cannot be named any more."""
    return parsed(ImageStatus, (yield from ask(Call("DELETE", at(IMAGES, digest)))))


def send_set(file: Path, *, title: str) -> Talk[UploadedSet]:
    """A list of targets, as it is kept from now on. Raises ValueError for an ending that says nothing, or OSError."""
    if file.suffix.lower() not in LISTS:
        raise ValueError(f"a list of targets ends in {', '.join(LISTS)}")
    call = post(TARGET_SETS, LISTS[file.suffix.lower()], file.read_bytes(), title=title)
    return parsed(UploadedSet, (yield from ask(call)))


def target_sets(*, limit: int | None, cursor: str | None) -> Talk[UploadedSetList]:
    """A page of the sets that were sent."""
    given = {"limit": limit, "cursor": cursor}
    query = {name: str(value) for name, value in given.items() if value is not None}
    return parsed(UploadedSetList, (yield from ask(Call("GET", TARGET_SETS, query=query))))


def target_set(set_id: str) -> Talk[UploadedSet]:
    """What is known of a set."""
    return parsed(UploadedSet, (yield from ask(Call("GET", at(TARGET_SETS, set_id)))))


def delete_set(set_id: str) -> Talk[UploadedSet]:
    """A set that is there no more."""
    return parsed(UploadedSet, (yield from ask(Call("DELETE", at(TARGET_SETS, set_id)))))


def post(path: str, content_type: str, body: bytes, *, title: str = "") -> Call:
    """An upload."""
    return Call(
        "POST", path, query={"title": title} if title else {}, headers={"content-type": content_type}, body=body
    )


def at(path: str, id: str) -> str:
    """Where one of them is."""
    return f"{path}/{quote(id, safe='')}"


def form(contents: Sequence[bytes]) -> tuple[str, bytes]:
    """A media type and a body (RFC 7578) with these files, which the service takes for what their bytes are."""
    boundary = uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="file"\r\n\r\n'.encode()
    parts = [head + content + b"\r\n" for content in contents]
    return f"multipart/form-data; boundary={boundary}", b"".join(parts) + f"--{boundary}--\r\n".encode()


class Images:
    """``AuditClient.images``."""

    def __init__(self, talk: Speaks) -> None:
        self._talk = talk

    def upload(self, *files: Path) -> UploadedImageList:
        """Keep pictures, all or none; the digests by which targets name them, in the order of the files."""
        return self._talk(send_images(files))

    def get(self, digest: str) -> ImageStatus:
        """What is known of a picture."""
        return self._talk(image(digest))

    def delete(self, digest: str) -> ImageStatus:
        """Nobody can name the picture any more; audits that did keep it for their time."""
        return self._talk(delete_image(digest))


class AsyncImages:
    """``AsyncAuditClient.images``: the same, awaited."""

    def __init__(self, talk: SpeaksLater) -> None:
        self._talk = talk

    async def upload(self, *files: Path) -> UploadedImageList:
        """See ``Images.upload``."""
        return await self._talk(send_images(files))

    async def get(self, digest: str) -> ImageStatus:
        """See ``Images.get``."""
        return await self._talk(image(digest))

    async def delete(self, digest: str) -> ImageStatus:
        """See ``Images.delete``."""
        return await self._talk(delete_image(digest))


class TargetSets:
    """``AuditClient.target_sets``."""

    def __init__(self, talk: Speaks) -> None:
        self._talk = talk

    def upload(self, file: Path, *, title: str = "") -> UploadedSet:
        """Keep a list of targets, CSV or JSON Lines by its ending, all of it or nothing; requests name its id."""
        return self._talk(send_set(file, title=title))

    def list(self, *, limit: int | None = None, cursor: str | None = None) -> UploadedSetList:
        """One page of the sets that were sent, newest first."""
        return self._talk(target_sets(limit=limit, cursor=cursor))

    def get(self, set_id: str) -> UploadedSet:
        """What is known of a set."""
        return self._talk(target_set(set_id))

    def delete(self, set_id: str) -> UploadedSet:
        """The set is there no more; audits that named it have its rows."""
        return self._talk(delete_set(set_id))


class AsyncTargetSets:
    """``AsyncAuditClient.target_sets``: the same, awaited."""

    def __init__(self, talk: SpeaksLater) -> None:
        self._talk = talk

    async def upload(self, file: Path, *, title: str = "") -> UploadedSet:
        """See ``TargetSets.upload``."""
        return await self._talk(send_set(file, title=title))

    async def list(self, *, limit: int | None = None, cursor: str | None = None) -> UploadedSetList:
        """See ``TargetSets.list``."""
        return await self._talk(target_sets(limit=limit, cursor=cursor))

    async def get(self, set_id: str) -> UploadedSet:
        """See ``TargetSets.get``."""
        return await self._talk(target_set(set_id))

    async def delete(self, set_id: str) -> UploadedSet:
        """See ``TargetSets.delete``."""
        return await self._talk(delete_set(set_id))
