"""The limit on bodies, against a real server: what counts is what arrives."""

import socket
from collections.abc import Callable, Iterator

import httpx
import pytest

from service.tests.conftest import Bench, Served

LIMIT = 1000
HEADERS = {"Idempotency-Key": "key-0000-0000-0001", "Content-Type": "application/json"}


@pytest.fixture
def address(served: Callable[..., Served]) -> str:
    """Of POST /v1/audits, behind a limit of a thousand bytes."""
    return served(PALIMPSEST_BODY_LIMIT=str(LIMIT)).url + "/v1/audits"


def chunks(size: int) -> Iterator[bytes]:
    """So many bytes in pieces of a hundred."""
    for _ in range(size // 100):
        yield b" " * 100


def test_a_body_over_the_limit_is_refused_however_it_is_sent(address: str, bench: Bench) -> None:
    """Declared or chunked, 413 and a problem document; a body of exactly the limit is read."""
    declared = httpx.post(address, content=b" " * (LIMIT + 1), headers=HEADERS)
    chunked = httpx.post(address, content=chunks(LIMIT + 100), headers=HEADERS)
    endless = httpx.post(address, content=chunks(1_000_000), headers=HEADERS)
    for answer in (declared, chunked, endless):
        assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")
        assert answer.headers["Content-Type"] == "application/problem+json"
    for content in (b" " * LIMIT, chunks(LIMIT)):
        assert httpx.post(address, content=content, headers=HEADERS).json()["code"] == "MALFORMED_REQUEST"
    elsewhere = httpx.post(address + "/aud_1/cancel", content=b" " * (LIMIT + 1))
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (413, "BODY_TOO_LARGE")
    assert bench.count() == 0


def test_a_huge_declaration_is_refused_before_a_byte_of_it(address: str) -> None:
    """The answer is there while the sender has sent headers alone."""
    host, port = address.removeprefix("http://").split("/")[0].split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        head = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
        connection.sendall(f"POST /v1/audits HTTP/1.1\r\nHost: x\r\n{head}Content-Length: 99999999999\r\n\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 413 ")
