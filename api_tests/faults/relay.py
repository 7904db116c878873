"""A wire between gateway or sweeper and the broker: it can be cut without either noticing, and it can lie."""

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field

PUSH, PUSHED = b"*3\r\n$5\r\nLPUSH\r\n", b":1\r\n"
"""How Redis is asked to put a message into a list, and its answer that the list now has one."""


@dataclass
class Relay:
    """Passes bytes on to ``target``, a Redis, and back.

    While it is held, connections open and nothing arrives, not even later: a connection that lost a byte passes no
    other. Told to lose messages, it says of the next ones that they are in their list, and they are nowhere.
    """

    target: int
    held: threading.Event = field(default_factory=threading.Event)
    to_lose: int = 0
    lost: int = 0
    _listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    def start(self) -> None:
        """Begin to take connections."""
        threading.Thread(target=self._accept, name="relay", daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def hold(self) -> None:
        """From now on nothing arrives."""
        self.held.set()

    def release(self) -> None:
        """New connections pass again."""
        self.held.clear()

    def lose(self, messages: int) -> None:
        """Lose so many, from the next on."""
        self.to_lose, self.lost = messages, 0

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._pass, args=(near,), daemon=True).start()

    def _pass(self, near: socket.socket) -> None:
        with near, suppress(OSError), socket.create_connection(("127.0.0.1", self.target), timeout=5) as far:
            far.settimeout(None)
            back = threading.Thread(target=self._pump, args=(far, near), daemon=True)
            back.start()
            self._pump(near, far, liar=near)
            back.join()

    def _pump(self, source: socket.socket, sink: socket.socket, liar: socket.socket | None = None) -> None:
        dead = False
        with suppress(OSError):
            while data := source.recv(65536):
                dead = dead or self.held.is_set()
                if liar is not None and self._is_lost(data):
                    liar.sendall(PUSHED)
                elif not dead:
                    sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)

    def _is_lost(self, data: bytes) -> bool:
        if self.to_lose == 0 or not data.startswith(PUSH):
            return False
        self.to_lose -= 1
        self.lost += 1
        return True
