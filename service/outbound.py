"""The only way out: HTTP calls to addresses that tenants name, without becoming their arm into this network.

``Pinned`` is a transport for httpx. It resolves a name once, looks at every address of the answer, and connects to
one of just these; the name goes into the TLS handshake and the Host header as it was. There is no second look-up that
could be answered otherwise (DNS rebinding). It follows nothing, keeps no connection, asks no proxy, and a call ends by
its deadline, however slowly it is answered, and after so many bytes.
"""

import ssl
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx

from service.addresses import Forbidden, Resolve, allowed, checked_url, of_the_system

SECONDS = 15.0
"""From the first look-up to the end of the answer; a look-up itself takes as long as the system's resolver lets it."""
BYTES = 64 * 1024
"""Of an answer, headers included."""


def within(ends: float, timeout: float | None, late: type[httpcore.TimeoutException]) -> float:
    """The seconds that may be waited; raises ``late`` when there are none."""
    left = ends - time.monotonic()
    if left <= 0:
        raise late("the time is over")
    return left if timeout is None else min(left, timeout)


class Bounded(httpcore.NetworkStream):
    """A connection that ends at a moment of the monotonic clock, and after so many bytes read."""

    def __init__(self, stream: httpcore.NetworkStream, ends: float, left: int) -> None:
        self._stream, self._ends, self._left = stream, ends, left

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """As the inner stream, within what is left."""
        if self._left <= 0:
            raise httpcore.RemoteProtocolError("the answer is too long")
        content = self._stream.read(min(max_bytes, self._left), self._within(timeout, httpcore.ReadTimeout))
        self._left -= len(content)
        return content

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """As the inner stream, within what is left."""
        self._stream.write(buffer, self._within(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        """As the inner stream."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The same, encrypted, under the same bounds."""
        within = self._within(timeout, httpcore.ConnectTimeout)
        return Bounded(self._stream.start_tls(ssl_context, server_hostname, within), self._ends, self._left)

    def get_extra_info(self, info: str) -> Any:
        """As the inner stream."""
        return self._stream.get_extra_info(info)

    def _within(self, timeout: float | None, late: type[httpcore.TimeoutException]) -> float:
        return within(self._ends, timeout, late)


class Checked(httpcore.NetworkBackend):
    """Connects to what a name resolves to now, if every address of it may be called."""

    def __init__(self, resolve: Resolve, private: Collection[str], *, seconds: float, limit: int) -> None:
        self._resolve, self._private = resolve, private
        self._ends, self._limit = time.monotonic() + seconds, limit

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """The first of the host's addresses that takes a connection. Raises Forbidden."""
        refused: Exception = httpcore.ConnectError("no address takes a connection")
        for address in allowed(host, port, resolve=self._resolve, private=self._private):
            left = within(self._ends, timeout, httpcore.ConnectTimeout)
            try:
                stream = httpcore.SyncBackend().connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                refused = error
            else:
                return Bounded(stream, self._ends, self._limit)
        raise refused

    def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.NetworkStream:
        """There are none to be called."""
        raise Forbidden("it is no address of the internet")


class Body(httpx.SyncByteStream):
    """The content of an answer as it arrives; with its end the connection is closed."""

    def __init__(self, pool: httpcore.ConnectionPool, answer: httpcore.Response) -> None:
        self._pool, self._answer = pool, answer

    def __iter__(self) -> Iterator[bytes]:
        with translated():
            yield from self._answer.iter_stream()

    def close(self) -> None:
        """Whatever has arrived."""
        self._answer.close()
        self._pool.close()


class Pinned(httpx.BaseTransport):
    """See above. ``private``: hosts, by name, that may have addresses of one's own network, and be called by HTTP."""

    def __init__(
        self,
        *,
        private: Collection[str] = (),
        resolve: Resolve = of_the_system,
        trusted: ssl.SSLContext | None = None,
        seconds: float = SECONDS,
        limit: int = BYTES,
    ) -> None:
        self._private, self._resolve = frozenset(private), resolve
        self._trusted = trusted or ssl.create_default_context()
        self._seconds, self._limit = seconds, limit

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """One call. Raises Forbidden, or an ``httpx.TransportError``."""
        checked_url(str(request.url), self._private)
        backend = Checked(self._resolve, self._private, seconds=self._seconds, limit=self._limit)
        pool = httpcore.ConnectionPool(ssl_context=self._trusted, max_keepalive_connections=0, network_backend=backend)
        url = request.url
        asked = httpcore.Request(
            request.method,
            httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.stream if isinstance(request.stream, httpx.SyncByteStream) else b"",
        )
        try:
            with translated():
                answer = pool.handle_request(asked)
        except BaseException:
            pool.close()
            raise
        return httpx.Response(answer.status, headers=answer.headers, stream=Body(pool, answer))


@contextmanager
def translated() -> Iterator[None]:
    """httpcore's errors in httpx' words."""
    try:
        yield
    except httpcore.TimeoutException as error:
        raise httpx.ReadTimeout(str(error)) from error
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise httpx.NetworkError(str(error)) from error


@dataclass(frozen=True)
class Answer:
    """What is kept of an answer: nothing of its content, which is none of the tenant's business."""

    status: int
    retry_after: float | None


class Unanswered(Exception):
    """There was no answer; ``reason`` is one word for it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Outbound:
    """Posts to places that tenants name; may be used by several threads."""

    def __init__(self, transport: httpx.BaseTransport) -> None:
        self._transport = transport

    def post(self, url: str, content: bytes, headers: dict[str, str]) -> Answer:
        """Send it, once; of the answer only the head is read. Raises Unanswered."""
        plain = {"user-agent": "palimpsest", "accept": "*/*", "accept-encoding": "identity", **headers}
        try:
            # Not by a client: that keeps the cookies of one receiver for the next, and follows where it is told to.
            request = httpx.Request("POST", url, content=content, headers=plain)
            with closing(self._transport.handle_request(request)) as answer:
                told = answer.headers.get("retry-after", "")
                return Answer(answer.status_code, float(told) if told.isdecimal() and len(told) < 8 else None)
        except Forbidden:
            raise Unanswered("forbidden") from None
        except httpx.TimeoutException:
            raise Unanswered("timeout") from None
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, ValueError):
            raise Unanswered("unreachable") from None
