"""Palimpsest from Python, blocking and awaiting.

    with AuditClient("http://127.0.0.1:8000") as client:
        accepted = client.submit(AuditRequest(model="bundled", target_set="bundled:targets", mitigations=[...]))
        client.wait(accepted.id)
        print(client.report(accepted.id).summary.outcome)

What is said is in ``exchange``; here it is sent. A call that meets a lost connection, 429 or 503 is repeated a few
times. Every error is a ``PalimpsestError``, but what cannot even be sent is a ValueError.
"""

import asyncio
import random
import time
from typing import Self, TypeVar

import httpx

from palimpsest import exchange
from palimpsest.contract.catalogue import MethodList, ModelList
from palimpsest.contract.report import AuditReport
from palimpsest.contract.status import AuditList, AuditStatus, State
from palimpsest.exchange import Answer, Call, OnStatus, Pause, Request, Talk, Unanswered

T = TypeVar("T")
DEFAULT_URL = "http://127.0.0.1:8000"
DEFAULT_TIMEOUT = 30.0  # seconds for one call, not for an audit
JITTER = 0.1  # pauses grow by up to a tenth, so that many clients do not return at once


class AuditClient:
    """A service at ``base_url``, spoken to in blocking calls; a context manager that closes its connections."""

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = httpx.Client(
            base_url=checked(base_url), headers=credentials(api_key), timeout=timeout, transport=transport
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def submit(self, request: Request, *, idempotency_key: str | None = None) -> AuditStatus:
        """Ask for an audit. An equal key answers with the audit it first started; by default a new one is minted."""
        return self._hold(exchange.submit(request, idempotency_key=idempotency_key))

    def status(self, audit_id: str) -> AuditStatus:
        """Where an audit stands."""
        return self._hold(exchange.status(audit_id))

    def wait(self, audit_id: str, *, timeout: float | None = None, on_status: OnStatus | None = None) -> AuditStatus:
        """Poll until the audit ends; raises AuditFailed if it failed and TimedOut after ``timeout`` seconds."""
        return self._hold(exchange.wait(audit_id, timeout=timeout, on_status=on_status, clock=time.monotonic))

    def report(self, audit_id: str) -> AuditReport:
        """The report of an audit that has ended."""
        return exchange.parsed_report(self.report_document(audit_id))

    def report_document(self, audit_id: str) -> bytes:
        """The report exactly as the service wrote it, fields that this release does not know included."""
        return self._hold(exchange.report(audit_id))

    def cancel(self, audit_id: str) -> AuditStatus:
        """Ask an audit to stop; what it has found by then becomes a partial report."""
        return self._hold(exchange.cancel(audit_id))

    def audits(
        self,
        *,
        state: State | None = None,
        model: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> AuditList:
        """One page of audits, newest first; a cursor goes with the state and model it was given for."""
        return self._hold(exchange.audits(state=state, model=model, limit=limit, cursor=cursor))

    def models(self) -> ModelList:
        """The models that can be audited."""
        return self._hold(exchange.models())

    def methods(self) -> MethodList:
        """The methods an audit can use."""
        return self._hold(exchange.methods())

    def ready(self) -> bool:
        """Whether an audit would be accepted now; asked once, without repeats."""
        return self._hold(exchange.ready())

    def _hold(self, talk: Talk[T]) -> T:
        heard: Answer | Unanswered | None = None
        while True:
            try:
                step = talk.send(heard)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            if isinstance(step, Pause):
                time.sleep(stretched(step))
                heard = None
            else:
                heard = self._send(step)

    def _send(self, call: Call) -> Answer | Unanswered:
        try:
            return answer(self._http.send(sendable(self._http, call)))
        except httpx.RequestError as error:
            return unanswered(error)


class AsyncAuditClient:
    """``AuditClient`` for asyncio: the same calls, awaited."""

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=checked(base_url), headers=credentials(api_key), timeout=timeout, transport=transport
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def submit(self, request: Request, *, idempotency_key: str | None = None) -> AuditStatus:
        """See ``AuditClient.submit``."""
        return await self._hold(exchange.submit(request, idempotency_key=idempotency_key))

    async def status(self, audit_id: str) -> AuditStatus:
        """See ``AuditClient.status``."""
        return await self._hold(exchange.status(audit_id))

    async def wait(
        self, audit_id: str, *, timeout: float | None = None, on_status: OnStatus | None = None
    ) -> AuditStatus:
        """See ``AuditClient.wait``; ``on_status`` is called, not awaited."""
        return await self._hold(exchange.wait(audit_id, timeout=timeout, on_status=on_status, clock=time.monotonic))

    async def report(self, audit_id: str) -> AuditReport:
        """See ``AuditClient.report``."""
        return exchange.parsed_report(await self.report_document(audit_id))

    async def report_document(self, audit_id: str) -> bytes:
        """See ``AuditClient.report_document``."""
        return await self._hold(exchange.report(audit_id))

    async def cancel(self, audit_id: str) -> AuditStatus:
        """See ``AuditClient.cancel``."""
        return await self._hold(exchange.cancel(audit_id))

    async def audits(
        self,
        *,
        state: State | None = None,
        model: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> AuditList:
        """See ``AuditClient.audits``."""
        return await self._hold(exchange.audits(state=state, model=model, limit=limit, cursor=cursor))

    async def models(self) -> ModelList:
        """See ``AuditClient.models``."""
        return await self._hold(exchange.models())

    async def methods(self) -> MethodList:
        """See ``AuditClient.methods``."""
        return await self._hold(exchange.methods())

    async def ready(self) -> bool:
        """See ``AuditClient.ready``."""
        return await self._hold(exchange.ready())

    async def _hold(self, talk: Talk[T]) -> T:
        heard: Answer | Unanswered | None = None
        while True:
            try:
                step = talk.send(heard)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            if isinstance(step, Pause):
                await asyncio.sleep(stretched(step))
                heard = None
            else:
                heard = await self._send(step)

    async def _send(self, call: Call) -> Answer | Unanswered:
        try:
            return answer(await self._http.send(sendable(self._http, call)))
        except httpx.RequestError as error:
            return unanswered(error)


def checked(base_url: str) -> httpx.URL:
    """The address as a URL; a ValueError says what is wrong with it."""
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise ValueError(f"{base_url!r} is no URL: {error}") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError(f"{base_url!r} needs http:// or https:// and a host")
    return url


def credentials(api_key: str | None) -> dict[str, str]:
    """The headers that say who calls."""
    return {"authorization": f"Bearer {api_key}"} if api_key else {}


def sendable(http: httpx.Client | httpx.AsyncClient, call: Call) -> httpx.Request:
    """A call as httpx sends it."""
    return http.build_request(call.method, call.path, params=call.query, headers=call.headers, content=call.body)


def answer(response: httpx.Response) -> Answer:
    """A response in the words of ``exchange``."""
    return Answer(response.status_code, dict(response.headers), response.content)


def unanswered(error: httpx.RequestError) -> Unanswered:
    """A lost connection in the words of ``exchange``."""
    return Unanswered(f"{error.request.url}: {str(error) or type(error).__name__}")


def stretched(pause: Pause) -> float:
    """The seconds to sleep, jitter included."""
    return pause.seconds * (1 + JITTER * random.random())
