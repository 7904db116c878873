"""The servers the other tests run on: real, private, and gone afterwards."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ledger.tests.servers import PostgreSQL, Redis, ServerMissing, descendants, find, runs


@pytest.fixture
def redis() -> Iterator[Redis]:
    """A Redis of this test's own."""
    with Redis() as server:
        yield server


def say(redis: Redis, words: str, timeout: float = 10) -> bytes:
    """One inline command and the beginning of its answer."""
    with socket.create_connection(("127.0.0.1", redis.port), timeout=timeout) as connection:
        connection.sendall(f"{words}\r\n".encode())
        return connection.recv(100)


def test_redis_comes_back_empty_on_the_same_port(redis: Redis) -> None:
    """What was in it when it was killed is gone, the URL is not."""
    url = redis.url
    assert say(redis, "SET a 1") == b"+OK\r\n"
    redis.kill()
    with pytest.raises(ConnectionRefusedError):
        say(redis, "GET a")
    redis.start()
    assert (redis.url, say(redis, "GET a")) == (url, b"$-1\r\n")


def test_a_frozen_server_answers_when_it_is_thawed(redis: Redis) -> None:
    """It takes the connection and says nothing; after SIGCONT it says what it was asked."""
    redis.freeze()
    with pytest.raises(TimeoutError):
        say(redis, "PING", timeout=0.2)
    timer = threading.Timer(0.2, redis.thaw)
    timer.start()
    assert say(redis, "PING") == b"+PONG\r\n"
    timer.join()


def test_postgresql_keeps_what_was_committed_when_it_is_killed_or_stopped() -> None:
    """A row written before SIGKILL and one before a stop are there after it, at the same address."""
    with PostgreSQL(fsync=True) as server:
        server.execute("CREATE TABLE t (x integer)")
        for end in (server.kill, server.stop):
            server.execute("INSERT INTO t VALUES (1)")
            assert server.process is not None
            family = [server.process.pid, *descendants(server.process.pid)]
            end()
            assert not any(runs(pid) for pid in family)
            with pytest.raises(psycopg.OperationalError):
                server.execute("SELECT 1")
            server.start()
        with psycopg.connect(server.url.replace("+psycopg", "")) as connection:
            assert connection.execute("SELECT count(*) FROM t").fetchone() == (2,)
            assert connection.execute("SHOW fsync").fetchone() == ("on",)
        folder = server.folder
    assert not folder.exists()


def test_a_server_that_cannot_be_had_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where there is no apt-get either, the reader is told what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerMissing, match="apt-get install no-such-package"):
        find("no-such-program", package="no-such-package")
