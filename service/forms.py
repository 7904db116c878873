"""Bodies of uploads: multipart forms, read part by part onto the disk, within the limit of every body.

Form by Starlette and python-multipart; what they refuse is refused here in our words. Names of files are looked at for
their ending only, where a part does not say what it is, and are kept nowhere.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from palimpsest.contract.problems import Code, FieldProblem
from service.errors import BodyTooLarge, Refusal, refused

MULTIPART = "multipart/form-data"
MOST_FIELDS = 8
MOST_FIELD_BYTES = 2**14
GENERIC = ("", "application/octet-stream", "binary/octet-stream")
"""What a part says that does not know what it is."""


@dataclass(frozen=True)
class Form:
    """The files of one name, and the texts by theirs."""

    files: list[UploadFile]
    texts: dict[str, str]


def kind_of(content_type: str | None) -> str:
    """``text/csv`` of ``Text/CSV; charset=utf-8``."""
    return (content_type or "").partition(";")[0].strip().lower()


@asynccontextmanager
async def form(http: Request, *, files: str, most: int, texts: Sequence[str] = ()) -> AsyncIterator[Form]:
    """A form with up to ``most`` files under one name, and texts under others; its files are gone afterwards.

    Raises a Refusal for any other body, BodyTooLarge for a larger one.
    """
    if kind_of(http.headers.get("content-type")) != MULTIPART:
        raise unsupported(f"send {MULTIPART}")
    try:
        read = await http.form(max_files=most, max_fields=MOST_FIELDS, max_part_size=MOST_FIELD_BYTES)
    except BodyTooLarge:
        raise
    except HTTPException:
        detail = f"no well-formed form, or one of more than {most} files"
        raise refused([FieldProblem(field="", code=Code.MALFORMED_REQUEST, detail=detail)]) from None
    try:
        yield _sorted(read, files, texts)
    finally:
        await read.close()


def _sorted(read: FormData, files: str, texts: Sequence[str]) -> Form:
    """Every part in its place. Raises a Refusal for one that has none."""
    found = Form([], {})
    for name, value in read.multi_items():
        if isinstance(value, UploadFile) and name == files:
            found.files.append(value)
        elif isinstance(value, str) and name in texts:
            found.texts[name] = value
        else:
            others = f"; texts are {', '.join(texts)}" if texts else ""
            detail = f"a part that is not known: files are {files}{others}"
            raise refused([FieldProblem(field="", code=Code.MALFORMED_REQUEST, detail=detail)])
    if not found.files:
        detail = "give at least one file, with its name"
        raise refused([FieldProblem(field=files, code=Code.MALFORMED_REQUEST, detail=detail)])
    return found


def unsupported(detail: str) -> Refusal:
    """415: the body is of another kind."""
    return Refusal(Code.MEDIA_TYPE_UNSUPPORTED, detail)
