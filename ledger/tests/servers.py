"""Real servers for tests: PostgreSQL, Redis and an object store, each in a folder and on a port of its own.

    with PostgreSQL() as postgres, Redis() as redis:
        Ledger(postgres.database("one"))      # postgresql+psycopg://postgres@127.0.0.1:…/one
        redis.kill(); redis.start()           # the same URL, and nothing in it
        postgres.freeze(); postgres.thaw()    # SIGSTOP and SIGCONT to the server and all its processes

``start`` returns when the server answers. ``stop`` ends it in good order and keeps its files, ``kill`` sends SIGKILL to
every process of it, ``close`` kills it and removes its files (and so do the end of ``with`` and of this process). The
port, and so the URL, stays the same from first to last. Root starts them as the Debian package's own user, for initdb
refuses root. A server that is not installed is installed when root runs the tests and is an error otherwise: no test is
skipped for want of one.
"""

import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, ClassVar, Self

import psycopg

from ledger.tests.programs import ServerMissing, find, programs_of_postgresql
from ledger.tests.running import PATIENCE, descendants, free_port, runs, send, wait_until

__all__ = [
    "ObjectStore",
    "PostgreSQL",
    "Redis",
    "Server",
    "ServerMissing",
    "descendants",
    "find",
    "free_port",
    "programs_of_postgresql",
    "runs",
    "send",
    "wait_until",
]


@dataclass
class Server:
    """A server of its own: ``folder`` holds all its files, ``options`` goes to its command line."""

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="palimpsest-")))
    port: int = field(default_factory=free_port)
    options: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    user: ClassVar[str]

    @property
    def url(self) -> str:
        """Where it listens."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Begin to serve, as it was left; returns when it answers."""
        self._prepare()
        log = (self.folder / "server.log").open("ab")
        with log:
            self.process = subprocess.Popen(
                self._command(), cwd=self.folder, stdout=log, stderr=log, start_new_session=True, **self._owner()
            )
        atexit.register(self.close)
        wait_until(self._answers, f"{type(self).__name__} to answer", log=self.folder / "server.log")

    def stop(self) -> None:
        """End in good order; the files stay."""
        if self.process is not None:
            self.thaw()
            self.process.send_signal(signal.SIGINT)
            self.process.wait(PATIENCE)
            self.process = None

    def kill(self) -> None:
        """SIGKILL to the server and every process of it; the files stay as they were at that moment."""
        if self.process is not None:
            family = [self.process.pid, *descendants(self.process.pid)]
            for pid in family:
                send(pid, signal.SIGKILL)
            self.process.wait(PATIENCE)
            self.process = None
            wait_until(lambda: not any(runs(pid) for pid in family), "its processes to end")

    def freeze(self) -> None:
        """SIGSTOP: connections stay open, nothing is answered."""
        assert self.process is not None
        send(self.process.pid, signal.SIGSTOP)
        for pid in descendants(self.process.pid):
            send(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT: go on as if nothing had been."""
        assert self.process is not None
        for pid in [*descendants(self.process.pid), self.process.pid]:
            send(pid, signal.SIGCONT)

    def close(self) -> None:
        """Kill it and remove its files; closing twice is closing once."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.close)

    def tail(self, lines: int = 20) -> str:
        """The end of its log."""
        return "\n".join((self.folder / "server.log").read_text(errors="replace").splitlines()[-lines:])

    def _prepare(self) -> None:
        owner = self._owner()
        if owner:
            shutil.chown(self.folder, owner["user"], owner["group"])

    def _owner(self) -> dict[str, Any]:
        """Of its process and its files, where root starts it: the package's own user, else nobody."""
        if os.geteuid() != 0:
            return {}
        known = {entry.pw_name: entry for entry in pwd.getpwall()}
        account = known.get(self.user) or known["nobody"]
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _answers(self) -> bool:
        raise NotImplementedError


@dataclass
class PostgreSQL(Server):
    """A PostgreSQL cluster. Its superuser is ``postgres`` without a password, on this machine only.

    With ``fsync`` a commit is on the disk when it returns, as in a deployment; without it a commit is only as durable
    as the machine, which is enough for a server that is killed, and several times faster.
    """

    fsync: bool = False

    user: ClassVar[str] = "postgres"

    @property
    def url(self) -> str:
        """The database ``postgres``; ``database`` makes others."""
        return self.url_of("postgres")

    def url_of(self, name: str) -> str:
        """As ``PALIMPSEST_LEDGER_URL`` takes it."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{name}"

    def database(self, name: str, *, template: str = "template1") -> str:
        """The URL of a new database, a copy of ``template``, which nobody may be connected to."""
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        return self.url_of(name)

    def drop(self, name: str) -> None:
        """Remove a database and cut its connections."""
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def execute(self, statement: str) -> None:
        """One statement outside any transaction, in the database ``postgres``."""
        with psycopg.connect(self._address, autocommit=True) as connection:
            connection.execute(statement.encode())

    @property
    def programs(self) -> Path:
        """The folder of initdb, postgres, pg_dump and the like."""
        return programs_of_postgresql()

    @property
    def _address(self) -> str:
        return f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres connect_timeout=5"

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _prepare(self) -> None:
        super()._prepare()
        if not self._data.exists():
            words = [
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
                "-D",
                str(self._data),
            ]
            subprocess.run(
                [str(self.programs / "initdb"), *words],
                check=True,
                capture_output=True,
                cwd=self.folder,
                **self._owner(),
            )

    def _command(self) -> list[str]:
        # Of a commit that is not to be flushed nothing waits for the disk.
        speed = {} if self.fsync else {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        own = {"unix_socket_directories": str(self.folder), "listen_addresses": "127.0.0.1", "max_connections": "200"}
        settings = {**own, **speed, **self.options}
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(self.programs / "postgres"), "-D", str(self._data), "-p", str(self.port), *words]

    def _answers(self) -> bool:
        with suppress(psycopg.OperationalError), psycopg.connect(self._address):
            return True
        return False


@dataclass
class Redis(Server):
    """A Redis that keeps nothing: killed or stopped, it comes back empty."""

    user: ClassVar[str] = "redis"

    @property
    def url(self) -> str:
        """Database 0, as ``PALIMPSEST_BROKER_URL`` takes it."""
        return f"redis://127.0.0.1:{self.port}/0"

    def _command(self) -> list[str]:
        own = {"bind": "127.0.0.1", "port": str(self.port), "dir": str(self.folder), "save": "", "appendonly": "no"}
        settings = {**own, **self.options}
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        return [find("redis-server", package="redis-server"), *words]

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        return False


@dataclass
class ObjectStore(Server):
    """An S3-compatible store (moto's server) with one empty bucket, ``evidence``; killed or stopped, it forgets it."""

    @property
    def url(self) -> str:
        """As ``PALIMPSEST_EVIDENCE_URL`` takes it; ``environment`` says where that is."""
        return "s3://evidence"

    @property
    def environment(self) -> dict[str, str]:
        """What a process that uses it needs in its environment: endpoint, region and (any) credentials."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }

    def start(self) -> None:
        """Begin to serve, with the bucket."""
        super().start()
        self._ask("PUT", "/evidence")

    def _owner(self) -> dict[str, Any]:
        return {}

    def _prepare(self) -> None:
        self.folder.mkdir(exist_ok=True)

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]

    def _answers(self) -> bool:
        with suppress(OSError):
            self._ask("GET", "/moto-api/data.json")
            return True
        return False

    def _ask(self, method: str, path: str) -> None:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, path)
        status = connection.getresponse().status
        connection.close()
        if status != 200:
            raise OSError(f"{method} {path}: {status}")
