"""Where uploads arrive at one gateway: bodies are read while others are answered, and a few at a time looked into.

Decoding costs seconds of a core and memory for every pixel: it is done in threads, ``AT_ONCE`` requests at a time, so
that neither is at the mercy of who sends the most. The others wait in line, their files on the disk meanwhile.
"""

import asyncio

from pydantic import TypeAdapter, ValidationError
from starlette.datastructures import UploadFile
from starlette.requests import Request

from ledger.target_sets import Created
from palimpsest.contract.problems import Code, FieldProblem
from palimpsest.contract.uploads import MOST_FILES, Title, UploadedImage
from service import target_sets, uploads
from service.errors import refused
from service.forms import GENERIC, MULTIPART, form, kind_of, unsupported
from service.gateway import Gateway
from service.malformed import sentence
from service.rows import Kind
from service.uploads import Sent

AT_ONCE = 2
KINDS: dict[str, Kind] = {
    "text/csv": "csv",
    "application/csv": "csv",
    "application/vnd.ms-excel": "csv",  # what browsers on Windows say of a CSV file
    "application/x-ndjson": "jsonl",
    "application/ndjson": "jsonl",
    "application/jsonl": "jsonl",
    "application/x-jsonlines": "jsonl",
}
ENDINGS: dict[str, Kind] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
UTF8 = ("utf-8", "utf8", "us-ascii")
TITLE: TypeAdapter[str] = TypeAdapter(Title)


class Reception:
    """Receives uploads."""

    def __init__(self, gateway: Gateway, *, pixels: int) -> None:
        self._gateway, self._pixels = gateway, pixels
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def images(self, tenant: str, http: Request) -> list[UploadedImage]:
        """Keep every file of a form. Raises a Refusal, and then none is kept."""
        async with form(http, files="file", most=MOST_FILES) as read, self._turn:
            files = [sent(place, file) for place, file in enumerate(read.files)]
            return await asyncio.to_thread(uploads.send, self._gateway, tenant, files, pixels=self._pixels)

    async def target_set(self, tenant: str, http: Request, title: str) -> Created:
        """Import the list that is the body, or a file of it. Raises a Refusal, and then nothing is kept."""
        declared = http.headers.get("content-type", "")
        if kind_of(declared) != MULTIPART:
            kind = listed_as(declared)
            return await self._imported(tenant, await http.body(), kind, title)
        async with form(http, files="file", most=1, texts=["title"]) as read:
            [file] = read.files
            kind = listed_as(file.content_type or "", file.filename or "")
            return await self._imported(tenant, await file.read(), kind, read.texts.get("title", title))

    async def _imported(self, tenant: str, content: bytes, kind: Kind, title: str) -> Created:
        title = a_title(title)
        async with self._turn:
            return await asyncio.to_thread(
                target_sets.send, self._gateway, tenant, content, kind, title, pixels=self._pixels
            )


def sent(place: int, file: UploadFile) -> Sent:
    """A part of a form; what does not know what it is, is what its bytes are."""
    declared = kind_of(file.content_type)

    def content() -> bytes:
        file.file.seek(0)
        return file.file.read()

    return Sent(f"file.{place}", None if declared in GENERIC else declared, content)


def listed_as(content_type: str, name: str = "") -> Kind:
    """Whether a list is CSV or JSON Lines, as it says, or by its name's ending. Raises a Refusal for anything else."""
    charset = [word.strip().lower() for word in content_type.split(";")[1:] if "charset" in word.lower()]
    if charset and charset[0].partition("=")[2].strip('"') not in UTF8:
        raise unsupported("a list of targets is UTF-8")
    declared = kind_of(content_type)
    found = KINDS.get(declared)
    if found is None and name and declared in (*GENERIC, "text/plain"):
        found = next((kind for ending, kind in ENDINGS.items() if name.lower().endswith(ending)), None)
    if found is None:
        raise unsupported("send text/csv or application/x-ndjson, or a form with one file of these kinds")
    return found


def a_title(text: str) -> str:
    """The same. Raises a Refusal."""
    try:
        return TITLE.validate_python(text)
    except ValidationError as error:
        [finding] = error.errors(include_url=False, include_input=False)
    detail = sentence({**finding, "loc": ("body", "title")})
    raise refused([FieldProblem(field="title", code=Code.MALFORMED_REQUEST, detail=detail)])
