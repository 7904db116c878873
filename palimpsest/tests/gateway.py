"""A service of a few lines that says what it was told to say, over real HTTP on a port of its own."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pydantic import BaseModel

from palimpsest.contract.problems import Problem


@dataclass(frozen=True)
class Said:
    """One response."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Heard:
    """One request as it arrived; header names are lower case."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Gateway:
    """Answers to come by ``METHOD /path``, the last repeated for ever, and what was heard."""

    url: str
    answers: dict[str, list[Said]] = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)

    def will_say(self, line: str, *answers: Said) -> None:
        """Script the answers to one request line."""
        self.answers[line] = list(answers)


def saying(message: BaseModel, status: int = 200, **headers: str) -> Said:
    """A message of the contract; ``retry_after="0"`` becomes ``retry-after: 0``."""
    kind = "application/problem+json" if isinstance(message, Problem) else "application/json"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Said(status, message.model_dump_json().encode(), {"content-type": kind} | named)


@contextmanager
def serving() -> Iterator[Gateway]:
    """A gateway that listens until the context ends."""

    class Handler(BaseHTTPRequestHandler):
        """Looks the answer up."""

        def handle_one(self) -> None:
            """Record the request and say what was scripted for it."""
            line = f"{self.command} {self.path}"
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            gateway.heard.append(Heard(line, {name.lower(): value for name, value in self.headers.items()}, body))
            script = gateway.answers[line]
            said = script.pop(0) if len(script) > 1 else script[0]
            self.send_response(said.status)
            for name, value in (said.headers | {"content-length": str(len(said.body))}).items():  # type: ignore[operator]
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said.body)

        do_GET = do_POST = do_DELETE = handle_one  # noqa: N815 - the names http.server looks for

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    gateway = Gateway(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield gateway
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
