"""Ringing the doorbell, on a broker of folders, on one that refuses and on one that is frozen."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from kombu import Connection
from redis import Redis as RedisClient
from structlog.testing import capture_logs

from ledger.outbox import Message
from ledger.tests.servers import Redis
from palimpsest._wire import PERFORM, celery_settings, queue_of
from service.dispatch import BrokerUnavailable, CeleryDispatch, Doorbell, RecordingDispatch, empty_outbox
from service.settings import Settings
from service.tests.conftest import Bench

Asked = Callable[..., dict[str, Any]]
MESSAGE = Message(id=7, tenant="local", audit_id="aud_1", unit_id="unit_1", attempt=2, family="sd1")


def heard(settings: Settings, name: str) -> list[Any]:
    """The messages that wait in a queue of the embedded broker."""
    options = celery_settings(settings.broker, settings.broker_folder)["broker_transport_options"]
    with Connection("filesystem://", transport_options=options) as broker, broker.SimpleQueue(name) as queue:
        return [queue.get(block=False) for _ in range(queue.qsize())]


def test_a_bell_is_heard_by_those_who_serve_the_family(settings: Settings) -> None:
    """Each family has a queue of its own; what is for none in particular is heard by everyone."""
    dispatch = CeleryDispatch(settings)
    for family in ("sd1", "flux", "sd1", None):
        dispatch.publish(replace(MESSAGE, family=family))
    waiting = {name: len(heard(settings, queue_of(name))) for name in ("sd1", "flux", None)}
    assert waiting == {"sd1": 2, "flux": 1, None: 1}


def test_a_message_names_the_task_and_the_unit_and_nothing_else(settings: Settings) -> None:
    """What a worker takes from the queue has the name both sides know and four plain values."""
    CeleryDispatch(settings).publish(MESSAGE)
    [taken] = heard(settings, "palimpsest.units.sd1")
    assert taken.headers["task"] == PERFORM
    args, kwargs, _ = taken.decode()
    assert args == [{"tenant": "local", "audit": "aud_1", "unit": "unit_1", "attempt": 2}]
    assert kwargs == {}
    assert taken.content_type == "application/json"


def test_a_folder_that_is_gone_is_a_broker_that_is_unavailable(settings: Settings) -> None:
    """Whatever kombu raises, callers see one exception."""
    dispatch = CeleryDispatch(settings)
    (settings.broker_folder / "queue").rmdir()
    (settings.broker_folder / "queue").write_text("in the way")
    with pytest.raises(BrokerUnavailable):
        dispatch.publish(MESSAGE)


def test_a_broker_that_refuses_is_given_up_soon(settings: Settings) -> None:
    """Nobody listens: an answer within three seconds."""
    dispatch = CeleryDispatch(Settings(home=settings.home, broker_url="redis://127.0.0.1:1/0"))
    started = time.monotonic()
    with pytest.raises(BrokerUnavailable):
        dispatch.publish(MESSAGE)
    assert time.monotonic() - started < 3


def test_a_frozen_broker_is_given_up_too(settings: Settings, frozen: str) -> None:
    """Somebody listens and never answers: an end within fifteen seconds, where the default is none."""
    dispatch = CeleryDispatch(Settings(home=settings.home, broker_url=frozen))
    started = time.monotonic()
    with pytest.raises(BrokerUnavailable):
        dispatch.publish(MESSAGE)
    assert time.monotonic() - started < 15


class LosesADeclaration:
    """A wire to a Redis on which the first declaration of a queue, a SADD, is lost; its connection is dead."""

    def __init__(self, port: int) -> None:
        self.redis, self.lost = port, False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self.listener.getsockname()[1]}/0"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        """Every connection has a thread each way, for as long as there is a listener."""
        with suppress(OSError):
            while True:
                near, far = self.listener.accept()[0], socket.create_connection(("127.0.0.1", self.redis))
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self.carry, args=ends, daemon=True).start()

    def carry(self, source: socket.socket, sink: socket.socket) -> None:
        """One way."""
        deaf = False
        with suppress(OSError):
            while data := source.recv(65536):
                if b"SADD" in data and not self.lost:
                    self.lost = deaf = True
                if not deaf:
                    sink.sendall(data)


def test_a_connection_lost_while_a_queue_is_declared_is_begun_anew(settings: Settings) -> None:
    """kombu then trips over a channel of its own that it has closed: one message waits, the next one goes out."""
    with Redis() as server:
        wire = LosesADeclaration(server.port)
        dispatch = CeleryDispatch(Settings(home=settings.home, broker_url=wire.url))
        with pytest.raises(BrokerUnavailable, match="'NoneType' object has no attribute"):
            dispatch.publish(MESSAGE)
        dispatch.publish(MESSAGE)
        assert RedisClient(port=server.port).llen(f"palimpsest:{queue_of('sd1')}") == 1
        wire.listener.close()


def test_the_outbox_keeps_what_could_not_be_published(bench: Bench, asked: Asked) -> None:
    """Two messages, a broker that breaks after the first: one is gone, one is there."""
    bench.dispatch.broken = True
    for seed in range(2):
        bench.submitted(asked(seed=seed), key=f"key-0000-0000-000{seed}")
    time.sleep(2 * bench.settings.publish_seconds)

    class Breaks(RecordingDispatch):
        """Takes one message."""

        def publish(self, message: Message) -> None:
            """Remember the first, refuse the second."""
            self.broken = bool(self.published)
            super().publish(message)

    with pytest.raises(BrokerUnavailable):
        empty_outbox(bench.ledger, Breaks(), batch=10, seconds=60)
    assert bench.count("outbox") == 1


def test_a_message_is_published_by_one_publisher(bench: Bench, asked: Asked) -> None:
    """What one has claimed, another leaves alone."""
    bench.dispatch.broken = True
    bench.submitted(asked())
    time.sleep(2 * bench.settings.publish_seconds)
    with pytest.raises(BrokerUnavailable):
        empty_outbox(bench.ledger, bench.dispatch, batch=10, seconds=60)
    other = RecordingDispatch()
    assert empty_outbox(bench.ledger, other, batch=10, seconds=60) == 0
    assert other.published == []


def test_what_a_ring_leaves_behind_is_logged_for_the_sweeper(bench: Bench, asked: Asked) -> None:
    """Neither a broken broker nor a ledger without its table makes a ring raise."""
    bench.dispatch.broken = True
    with capture_logs() as logs:
        bench.submitted(asked())
        with bench.ledger.writing() as connection:
            connection.exec_driver_sql("DROP TABLE outbox")
        Doorbell(bench.ledger, bench.dispatch, batch=10, seconds=60).ring()
    causes = [line["cause"] for line in logs if line["event"] == "left to the sweeper"]
    assert causes == ["BrokerUnavailable: out of order", "OperationalError: no such table: outbox"]
