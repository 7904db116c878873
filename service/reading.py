"""A body becomes a request: parsed and checked in one go, and a large one off the event loop.

Everything the gateway does waits while the loop works, and pictures make bodies of many megabytes. Those are read in a
thread, only a few at a time, so that neither the loop nor the memory is at the mercy of who sends the most. What is
wrong with a body is said in pydantic's findings, under ``body`` as FastAPI would put them (``service/malformed.py``).
"""

import asyncio
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.requests import Request

from palimpsest.contract.request import AuditRequest

LARGE = 2**16
"""Bytes from which on a body is read in a thread: a hand-over costs as much as reading so many."""

AT_ONCE = 2
"""Large bodies that are read at a time; the others wait in line."""


class Reader:
    """Reads the bodies of one gateway."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def request(self, http: Request) -> AuditRequest:
        """The audit that is asked for. Raises RequestValidationError."""
        body = await http.body()
        if not is_json(http.headers.get("content-type", "")):
            raise RequestValidationError([finding("a body needs Content-Type: application/json")])
        if len(body) < LARGE:
            return parsed(body)
        async with self._turn:
            return await asyncio.to_thread(parsed, body)


def parsed(body: bytes) -> AuditRequest:
    """The request in these bytes. Raises RequestValidationError."""
    try:
        return AuditRequest.model_validate_json(body)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
    raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in found])


def is_json(content_type: str) -> bool:
    """``application/json`` and its kin, whatever parameters follow."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def finding(message: str) -> dict[str, Any]:
    """What is wrong with the body as a whole."""
    return {"type": "json_type", "loc": ("body",), "msg": message}
