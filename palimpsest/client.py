"""Palimpsest from Python, blocking and awaiting.

    with AuditClient("http://127.0.0.1:8000") as client:
        accepted = client.submit(AuditRequest(model="bundled", target_set="bundled:targets", mitigations=[...]))
        client.wait(accepted.id)
        print(client.report(accepted.id).summary.outcome)

What is said is in ``exchange``; here it is sent, with the key of PALIMPSEST_API_KEY unless another is given. A call
that meets a lost connection, 429 or 503 is repeated a few times. Every error is a ``PalimpsestError``, but what cannot
even be sent is a ValueError.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, closing
from typing import Self, TypeVar

import httpx

from palimpsest import exchange
from palimpsest.calling import answer, checked, credentials, head, hold, sendable, stretched, unanswered
from palimpsest.contract.catalogue import MethodList, ModelList
from palimpsest.contract.report import AuditReport
from palimpsest.contract.signing import SigningKeyList
from palimpsest.contract.status import Admitted, AuditEvent, AuditList, AuditStatus, EventList, State
from palimpsest.exchange import Answer, Call, OnStatus, Pause, Request, Talk, Unanswered
from palimpsest.following import BROKE_OFF, Following
from palimpsest.keys import AsyncKeys, Keys
from palimpsest.uploads import AsyncImages, AsyncTargetSets, Images, TargetSets
from palimpsest.webhooks import AsyncWebhooks, Webhooks

T = TypeVar("T")
DEFAULT_URL = "http://127.0.0.1:8000"
DEFAULT_TIMEOUT = 30.0  # seconds for one call, not for an audit
QUIET_SECONDS = 60.0  # without even a sign of life a stream is taken for lost; there is one every 15


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
        self._hold = hold(timeout)
        self._http = httpx.Client(
            base_url=checked(base_url), headers=credentials(api_key), timeout=timeout, transport=transport
        )
        self.keys = Keys(self._talk)
        self.webhooks = Webhooks(self._talk)
        self.images, self.target_sets = Images(self._talk), TargetSets(self._talk)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def submit(self, request: Request, *, idempotency_key: str | None = None) -> AuditStatus:
        """Ask for an audit. An equal key answers with the audit it first started; by default a new one is minted."""
        return self._talk(exchange.submit(request, idempotency_key=idempotency_key))

    def check(self, request: Request) -> Admitted:
        """Whether an audit would be accepted: what would be audited, or a ProblemError. Nothing is submitted."""
        return self._talk(exchange.check(request))

    def status(self, audit_id: str) -> AuditStatus:
        """Where an audit stands."""
        return self._talk(exchange.status(audit_id))

    def wait(self, audit_id: str, *, timeout: float | None = None, on_status: OnStatus | None = None) -> AuditStatus:
        """Poll until the audit ends; raises AuditFailed if it failed and TimedOut after ``timeout`` seconds."""
        return self._talk(
            exchange.wait(audit_id, timeout=timeout, on_status=on_status, clock=time.monotonic, hold=self._hold)
        )

    def events(self, audit_id: str, *, after: int = 0) -> EventList:
        """What happened to an audit behind the event ``after``, a page of it."""
        return self._talk(exchange.events(audit_id, after=after))

    def follow(self, audit_id: str, *, after: int = 0) -> Iterator[AuditEvent]:
        """What happens to an audit behind the event ``after``, as it happens, until the audit ends.

        A connection that breaks is made again. An event ``reset`` says that some could not be told: its data has the
        audit's status instead.
        """
        following = Following(audit_id, after)
        while not following.ended:
            broke: Answer | Unanswered = BROKE_OFF
            try:
                request = sendable(self._http, following.call(), quiet=QUIET_SECONDS)
                with closing(self._http.send(request, stream=True)) as response:
                    if following.opens(head(response)):
                        for content in response.iter_bytes():
                            yield from following.heard(content)
                    else:
                        response.read()
                        broke = answer(response)
            except httpx.RequestError as error:
                broke = unanswered(error)
            if not following.ended:
                time.sleep(stretched(Pause(following.pause(broke))))

    def report(self, audit_id: str) -> AuditReport:
        """The report of an audit that has ended."""
        return exchange.parsed_report(self.report_document(audit_id))

    def report_document(self, audit_id: str, *, format: str | None = None) -> bytes:
        """The report exactly as the service wrote it, fields that this release does not know included.

        With a ``format`` (docs/reports.md) what the service made of it.
        """
        return self._talk(exchange.report(audit_id, format=format))

    def evidence(self, audit_id: str, digest: str) -> bytes:
        """A file that an audit kept, by its sha256: a picture, an embedding, a mitigation's edit."""
        return self._talk(exchange.evidence(audit_id, digest))

    def checkpoint(self, audit_id: str, mitigation: str) -> bytes:
        """What a joint mitigation of weights, by its id, adds to the audited model: a safetensors file, verified."""
        return self._talk(exchange.checkpoint(audit_id, mitigation))

    def cancel(self, audit_id: str) -> AuditStatus:
        """Ask an audit to stop; what it has found by then becomes a partial report."""
        return self._talk(exchange.cancel(audit_id))

    def audits(
        self,
        *,
        state: State | None = None,
        model: str | None = None,
        labels: Mapping[str, str] | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> AuditList:
        """One page of audits, newest first; a cursor goes with the state, model and labels it was given for."""
        return self._talk(exchange.audits(state=state, model=model, labels=labels, limit=limit, cursor=cursor))

    def models(self) -> ModelList:
        """The models that can be audited."""
        return self._talk(exchange.models())

    def methods(self) -> MethodList:
        """The methods an audit can use."""
        return self._talk(exchange.methods())

    def signing_keys(self) -> SigningKeyList:
        """The public keys that have signed reports here, the newest first; trust one by another way than this."""
        return self._talk(exchange.signing_keys())

    def ready(self) -> bool:
        """Whether an audit would be accepted now; asked once, without repeats."""
        return self._talk(exchange.ready())

    def _talk(self, talk: Talk[T]) -> T:
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
        self._hold = hold(timeout)
        self._http = httpx.AsyncClient(
            base_url=checked(base_url), headers=credentials(api_key), timeout=timeout, transport=transport
        )
        self.keys = AsyncKeys(self._talk)
        self.webhooks = AsyncWebhooks(self._talk)
        self.images, self.target_sets = AsyncImages(self._talk), AsyncTargetSets(self._talk)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def submit(self, request: Request, *, idempotency_key: str | None = None) -> AuditStatus:
        """See ``AuditClient.submit``."""
        return await self._talk(exchange.submit(request, idempotency_key=idempotency_key))

    async def check(self, request: Request) -> Admitted:
        """See ``AuditClient.check``."""
        return await self._talk(exchange.check(request))

    async def status(self, audit_id: str) -> AuditStatus:
        """See ``AuditClient.status``."""
        return await self._talk(exchange.status(audit_id))

    async def wait(
        self, audit_id: str, *, timeout: float | None = None, on_status: OnStatus | None = None
    ) -> AuditStatus:
        """See ``AuditClient.wait``; ``on_status`` is called, not awaited."""
        return await self._talk(
            exchange.wait(audit_id, timeout=timeout, on_status=on_status, clock=time.monotonic, hold=self._hold)
        )

    async def events(self, audit_id: str, *, after: int = 0) -> EventList:
        """See ``AuditClient.events``."""
        return await self._talk(exchange.events(audit_id, after=after))

    async def follow(self, audit_id: str, *, after: int = 0) -> AsyncIterator[AuditEvent]:
        """See ``AuditClient.follow``."""
        following = Following(audit_id, after)
        while not following.ended:
            broke: Answer | Unanswered = BROKE_OFF
            try:
                request = sendable(self._http, following.call(), quiet=QUIET_SECONDS)
                async with aclosing(await self._http.send(request, stream=True)) as response:
                    if following.opens(head(response)):
                        async for content in response.aiter_bytes():
                            for event in following.heard(content):
                                yield event
                    else:
                        await response.aread()
                        broke = answer(response)
            except httpx.RequestError as error:
                broke = unanswered(error)
            if not following.ended:
                await asyncio.sleep(stretched(Pause(following.pause(broke))))

    async def report(self, audit_id: str) -> AuditReport:
        """See ``AuditClient.report``."""
        return exchange.parsed_report(await self.report_document(audit_id))

    async def report_document(self, audit_id: str, *, format: str | None = None) -> bytes:
        """See ``AuditClient.report_document``."""
        return await self._talk(exchange.report(audit_id, format=format))

    async def evidence(self, audit_id: str, digest: str) -> bytes:
        """See ``AuditClient.evidence``."""
        return await self._talk(exchange.evidence(audit_id, digest))

    async def checkpoint(self, audit_id: str, mitigation: str) -> bytes:
        """See ``AuditClient.checkpoint``."""
        return await self._talk(exchange.checkpoint(audit_id, mitigation))

    async def cancel(self, audit_id: str) -> AuditStatus:
        """See ``AuditClient.cancel``."""
        return await self._talk(exchange.cancel(audit_id))

    async def audits(
        self,
        *,
        state: State | None = None,
        model: str | None = None,
        labels: Mapping[str, str] | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> AuditList:
        """See ``AuditClient.audits``."""
        return await self._talk(exchange.audits(state=state, model=model, labels=labels, limit=limit, cursor=cursor))

    async def models(self) -> ModelList:
        """See ``AuditClient.models``."""
        return await self._talk(exchange.models())

    async def methods(self) -> MethodList:
        """See ``AuditClient.methods``."""
        return await self._talk(exchange.methods())

    async def signing_keys(self) -> SigningKeyList:
        """See ``AuditClient.signing_keys``."""
        return await self._talk(exchange.signing_keys())

    async def ready(self) -> bool:
        """See ``AuditClient.ready``."""
        return await self._talk(exchange.ready())

    async def _talk(self, talk: Talk[T]) -> T:
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
