"""Bodies become requests, the large ones off the event loop."""

import asyncio
import json
import time
from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from starlette.requests import Request

from service.reading import AT_ONCE, LARGE, Reader, is_json

SMALL: dict[str, Any] = {"model": "bundled", "target_set": "bundled:targets"}


def sent(body: bytes, content_type: str = "application/json") -> Request:
    """A request with this body."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", content_type.encode())]
    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


def large(count: int) -> bytes:
    """A request with so many pictures of a megabyte in base64."""
    pictures = [{"media_type": "image/png", "base64": "A" * 2**20}] * 16
    targets = [{"prompt": "x", "images": pictures} for _ in range(count)]
    return json.dumps({"model": "bundled", "targets": targets}).encode()


def test_a_request_is_read() -> None:
    """Small as it comes, large as well."""
    assert asyncio.run(Reader().request(sent(json.dumps(SMALL).encode()))).model == "bundled"
    body = large(1)
    assert len(body) > LARGE
    assert len((asyncio.run(Reader().request(sent(body))).targets or [])[0].images) == 16


@pytest.mark.parametrize("body", [b"{", json.dumps({**SMALL, "sede": 1}).encode(), large(1)[:-1]])
def test_what_is_wrong_is_under_the_body(body: bytes) -> None:
    """As FastAPI puts it, and without the values."""
    with pytest.raises(RequestValidationError) as raised:
        asyncio.run(Reader().request(sent(body)))
    (finding,) = raised.value.errors()
    assert finding["loc"][0] == "body"
    assert "input" not in finding


@pytest.mark.parametrize(
    ("content_type", "is_it"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/merge-patch+json", True),
        ("", False),
        ("text/json", False),
        ("application/jsonx", False),
        ("application/x-www-form-urlencoded", False),
    ],
)
def test_json_is_named_as_such(content_type: str, is_it: bool) -> None:
    """By its media type, whatever its parameters."""
    assert is_json(content_type) is is_it


def test_the_loop_goes_on_while_large_bodies_are_read() -> None:
    """Six bodies of 16 MB: reading them all takes several times the longest pause of the loop, which is one parse's."""
    body = large(1)

    async def read() -> tuple[float, float]:
        reader = Reader()
        longest, done = 0.0, asyncio.Event()

        async def watched() -> None:
            nonlocal longest
            while not done.is_set():
                before = time.perf_counter()
                await asyncio.sleep(0)
                longest = max(longest, time.perf_counter() - before)

        watching = asyncio.create_task(watched())
        began = time.perf_counter()
        await asyncio.gather(*(reader.request(sent(body)) for _ in range(6)))
        whole = time.perf_counter() - began
        done.set()
        await watching
        return whole, longest

    whole, longest = asyncio.run(read())
    assert longest < whole / AT_ONCE
