"""Somebody to call: a receiver of a few lines on a loopback port, with or without TLS, that counts who connects."""

import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Heard:
    """One request as it arrived; header names are lower case."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What it will answer, the last again and again; what it heard, how often somebody connected, by which names."""

    port: int = 0
    answers: list[bytes] = field(default_factory=lambda: [b"HTTP/1.1 204 No Content\r\n\r\n"])
    heard: list[Heard] = field(default_factory=list)
    connected: int = 0
    named: list[str | None] = field(default_factory=list)
    trickle: float = 0.0
    delay: float = 0.0

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}/hook"

    def will_say(self, *statuses: int, **headers: str) -> None:
        """Answer with these, one after another."""
        told = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self.answers = [f"HTTP/1.1 {status} X\r\n{told}content-length: 0\r\n\r\n".encode() for status in statuses]


class Handler(socketserver.StreamRequestHandler):
    """Reads one request, says one answer, hangs up."""

    server: "Server"

    def handle(self) -> None:
        """Serve one connection."""
        receiver = self.server.receiver
        receiver.connected += 1
        line = self.rfile.readline().decode().strip()
        headers = {}
        while (field := self.rfile.readline().decode().strip()) != "":
            name, _, value = field.partition(":")
            headers[name.lower()] = value.strip()
        receiver.heard.append(Heard(line, headers, self.rfile.read(int(headers.get("content-length", 0)))))
        answer = receiver.answers.pop(0) if len(receiver.answers) > 1 else receiver.answers[0]
        time.sleep(receiver.delay)
        with suppress(OSError):
            self.say(answer, receiver.trickle)

    def say(self, answer: bytes, trickle: float) -> None:
        """At once, or byte by byte."""
        if not trickle:
            self.wfile.write(answer)
            return
        for byte in answer:
            self.wfile.write(bytes([byte]))
            time.sleep(trickle)


class Server(socketserver.ThreadingTCPServer):
    """Quiet, and with TLS where asked for."""

    daemon_threads = True

    def __init__(self, receiver: Receiver, trusted: ssl.SSLContext | None) -> None:
        self.receiver, self.trusted = receiver, trusted
        super().__init__(("127.0.0.1", 0), Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        """A connection, after its handshake."""
        connection, peer = super().get_request()
        return connection if self.trusted is None else self.trusted.wrap_socket(connection, server_side=True), peer

    def handle_error(self, *_: object) -> None:
        """Keep the test's output clean."""


@contextmanager
def receiving(*, trusted: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A receiver that listens until the context ends."""
    receiver = Receiver()
    if trusted is not None:
        trusted.sni_callback = lambda _, name, __: receiver.named.append(name)
    with Server(receiver, trusted) as server:
        receiver.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


def contexts(folder: Path, *names: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for these names, and that of somebody who trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test's")])
    now = datetime.now(UTC)
    alternatives = [x509.IPAddress(ip_address(n)) if n[0].isdigit() else x509.DNSName(n) for n in names]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return server, ssl.create_default_context(cafile=str(folder / "cert.pem"))
