"""Both clients against a transport that answers from a list."""

import asyncio
import hashlib
import inspect
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from palimpsest.client import AsyncAuditClient, AuditClient
from palimpsest.contract.catalogue import MethodList, ModelList
from palimpsest.contract.status import AuditEvent, AuditList, AuditStatus
from palimpsest.errors import NotUnderstood, PalimpsestError, ProblemError, Unreachable
from palimpsest.exchange import BRIEFLY
from palimpsest.tests.example import AUDIT, a_problem, a_report, a_request, a_status

ROOT = "https://audits.example/palimpsest"
METHODS = [name for name in vars(AuditClient) if not name.startswith("_")]


class Wire:
    """Answers in turn, and keeps every request."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.requests: list[httpx.Request] = []
        self._answers: Iterator[httpx.Response | Exception] = iter(answers)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """The next answer."""
        self.requests.append(request)
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


def told(message: BaseModel, status: int = 200, **headers: str) -> httpx.Response:
    """A message of the contract as a response."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers=named, text=message.model_dump_json())


def an_event(seq: int, type: str = "unit.done") -> AuditEvent:
    """One line of a history."""
    return AuditEvent(seq=seq, type=type, at=datetime(2026, 1, 2, tzinfo=UTC), data={"stage": "baseline"})


def streamed(*events: AuditEvent) -> httpx.Response:
    """These events as a stream, behind a sign of life."""
    lines = [f"id: {event.seq}\nevent: {event.type}\ndata: {event.model_dump_json()}\n\n" for event in events]
    return httpx.Response(200, headers={"content-type": "text/event-stream"}, text=": ping\n\n" + "".join(lines))


def blocking(wire: Wire, act: Callable[[AuditClient], Any]) -> Any:
    """What the blocking client makes of it."""
    with AuditClient(ROOT, api_key="secret", transport=httpx.MockTransport(wire)) as client:
        return act(client)


def awaiting(wire: Wire, act: Callable[[AsyncAuditClient], Any]) -> Any:
    """What the awaiting client makes of it."""

    async def session() -> Any:
        async with AsyncAuditClient(ROOT, api_key="secret", transport=httpx.MockTransport(wire)) as client:
            return await act(client)

    return asyncio.run(session())


@pytest.fixture(params=[blocking, awaiting])
def client(request: pytest.FixtureRequest) -> Callable[[Wire, Callable[[Any], Any]], Any]:
    """One client or the other: every test holds for both."""
    return request.param  # type: ignore[no-any-return]


def test_the_clients_are_twins() -> None:
    """Every public method of one is a method of the other, with the same parameters; one awaits what the other does."""
    assert [name for name in vars(AsyncAuditClient) if not name.startswith("_")] == METHODS
    for name in METHODS:
        blocks, awaits = (inspect.signature(getattr(client, name)) for client in (AuditClient, AsyncAuditClient))
        assert blocks.parameters == awaits.parameters
        answers = str(blocks.return_annotation).replace(".Iterator", ".AsyncIterator")
        assert answers == str(awaits.return_annotation)


def test_submitting(client: Any) -> None:
    """The request goes to /v1/audits below the base URL, as JSON, with a key and the caller's credentials."""
    wire = Wire(told(a_status("queued"), 202))
    assert client(wire, lambda c: c.submit(a_request(), idempotency_key="k" * 16)) == a_status("queued")
    [sent] = wire.requests
    assert (sent.method, str(sent.url)) == ("POST", f"{ROOT}/v1/audits")
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["idempotency-key"] == "k" * 16
    assert sent.headers["authorization"] == "Bearer secret"
    assert a_request().model_validate_json(sent.content) == a_request()


def test_a_checkpoint_is_taken_as_it_was_kept(client: Any) -> None:
    """Odd characters of an id are quoted; bytes that are not those of their tag are no checkpoint."""
    tag = f'"{hashlib.sha256(b"delta").hexdigest()}"'
    wire = Wire(httpx.Response(200, headers={"etag": tag}, content=b"delta"))
    assert client(wire, lambda c: c.checkpoint(AUDIT, "a/b")) == b"delta"
    [sent] = wire.requests
    assert str(sent.url) == f"{ROOT}/v1/audits/{AUDIT}/mitigations/a%2Fb/checkpoint"
    for headers in ({"etag": tag}, {}):
        damaged = Wire(httpx.Response(200, headers=headers, content=b"delt!"))
        with pytest.raises(NotUnderstood, match="sha256"):
            client(damaged, lambda c: c.checkpoint(AUDIT, "a"))


def test_a_lost_connection_is_tried_again(client: Any) -> None:
    """The second call is the first one again."""
    wire = Wire(httpx.ConnectError("refused"), told(a_status()))
    assert client(wire, lambda c: c.status(AUDIT)) == a_status()
    assert len(wire.requests) == 2


def test_an_overload_is_tried_again_at_the_time_named_and_not_for_ever(client: Any) -> None:
    """``Retry-After: 0`` is obeyed; after the last repeat the problem is raised."""
    wire = Wire(*[told(a_problem(503), 503, retry_after="0")] * (BRIEFLY.repeats + 1))
    with pytest.raises(ProblemError) as refused:
        client(wire, lambda c: c.submit(a_request()))
    assert refused.value.problem == a_problem(503)
    assert len(wire.requests) == BRIEFLY.repeats + 1
    assert len({request.headers["idempotency-key"] for request in wire.requests}) == 1


def test_a_refusal_is_raised_at_once(client: Any) -> None:
    """The problem document travels in the error, and nothing is repeated."""
    wire = Wire(told(a_problem(), 422))
    with pytest.raises(ProblemError, match="NO_TARGETS") as refused:
        client(wire, lambda c: c.submit(a_request()))
    assert refused.value.problem.errors[0].field == "targets"


def test_waiting_sends_the_etag_back(client: Any) -> None:
    """A poll says which revision it has; a 304 is no news."""
    seen: list[AuditStatus] = []
    wire = Wire(
        told(a_status(), etag='W/"a.1"', retry_after="0"),
        httpx.Response(304, headers={"retry-after": "0"}),
        told(a_status("succeeded")),
    )
    assert client(wire, lambda c: c.wait(AUDIT, on_status=seen.append)).state == "succeeded"
    assert [request.headers.get("if-none-match") for request in wire.requests] == [None, 'W/"a.1"', 'W/"a.1"']
    assert [status.state for status in seen] == ["running", "succeeded"]


def test_reading(client: Any) -> None:
    """Each of the remaining calls goes to its place and comes back as its message."""
    page = AuditList(data=[a_status()], next_cursor=None)
    models, methods = ModelList(data=[]), MethodList(engine="sha256:00", data=[])
    wire = Wire(
        told(a_report()),
        httpx.Response(200, content=b"\x00embedding"),
        told(a_status("cancelling"), 202),
        told(page),
        told(models),
        told(methods),
        httpx.Response(200),
    )
    assert client(Wire(told(a_report())), lambda c: c.report(AUDIT)) == a_report()
    assert client(wire, lambda c: c.report_document(AUDIT)) == a_report().model_dump_json().encode()
    assert client(wire, lambda c: c.evidence(AUDIT, "ab/..")) == b"\x00embedding"
    assert client(wire, lambda c: c.cancel(AUDIT)).state == "cancelling"
    assert client(wire, lambda c: c.audits(state="running", limit=1)) == page
    assert client(wire, lambda c: c.models()) == models
    assert client(wire, lambda c: c.methods()) == methods
    assert client(wire, lambda c: c.ready()) is True
    assert [f"{request.method} {request.url.raw_path.decode()}" for request in wire.requests] == [
        f"GET /palimpsest/v1/audits/{AUDIT}/report",
        f"GET /palimpsest/v1/audits/{AUDIT}/evidence/ab%2F..",
        f"POST /palimpsest/v1/audits/{AUDIT}/cancel",
        "GET /palimpsest/v1/audits?state=running&limit=1",
        "GET /palimpsest/v1/models",
        "GET /palimpsest/v1/methods",
        "GET /palimpsest/readyz",
    ]


def followed(client: Any, wire: Wire, most: int = 100, **options: Any) -> list[AuditEvent]:
    """Everything that following an audit brings, with either client."""
    seen: list[AuditEvent] = []

    async def awaited(c: AsyncAuditClient) -> None:
        async for event in c.follow(AUDIT, **options):
            seen.append(event)

    client(wire, awaited if client is awaiting else lambda c: seen.extend(c.follow(AUDIT, **options)))
    return seen


def test_following_takes_up_a_broken_stream(client: Any) -> None:
    """Two connections break, before and after an event, one gateway restarts; no event is lost and none comes twice."""
    wire = Wire(
        httpx.ConnectError("refused"),
        streamed(an_event(1), an_event(2)),
        told(a_problem(503), 503, retry_after="0"),
        streamed(an_event(3), an_event(4, "audit.succeeded")),
    )
    assert [event.seq for event in followed(client, wire)] == [1, 2, 3, 4]
    assert [request.headers["last-event-id"] for request in wire.requests] == ["0", "0", "2", "2"]
    assert {request.headers["accept"] for request in wire.requests} == {"text/event-stream"}


def test_following_from_the_end_is_over_at_once(client: Any) -> None:
    """204 says that nothing will follow."""
    assert followed(client, Wire(httpx.Response(204)), after=9) == []


def test_following_what_is_not_there_is_refused(client: Any) -> None:
    """The problem document travels in the error."""
    with pytest.raises(ProblemError):
        followed(client, Wire(told(a_problem(404), 404)))


def every_error(root: type[httpx.RequestError] = httpx.RequestError) -> Iterator[type[httpx.RequestError]]:
    """A class of httpx's errors and all below it."""
    yield root
    for below in root.__subclasses__():
        yield from every_error(below)


@pytest.mark.parametrize("error", sorted(every_error(), key=str))
def test_every_error_of_httpx_is_one_of_ours(client: Any, error: type[httpx.RequestError]) -> None:
    """No foreign exception leaves the client."""
    with pytest.raises(Unreachable) as raised:
        client(Wire(error("")), lambda c: c.ready())
    assert isinstance(raised.value, PalimpsestError)
    assert error.__name__ in str(raised.value)


@pytest.mark.parametrize("address", ["", "nonsense", "ftp://host", "http://", "http://host:port", "http://[::1"])
def test_an_address_that_cannot_be_called_is_refused_at_once(address: str) -> None:
    """A ValueError at construction, not a lost connection later."""
    with pytest.raises(ValueError, match=r"no URL|needs http"):
        AuditClient(address)
