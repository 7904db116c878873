"""The Celery worker: ``celery -A worker.app worker -P prefork -c 1``. Which queues it hears is in its settings.

The parent never imports torch (a forked child must not inherit its threads); everything heavy happens in the child.

SIGTERM: the parent stops taking bells and says so in a byte it shares with its child, which gives its unit back within
a fraction of a second and is then sent home. The child's own SIGTERM, where a whole group is told to stop, gives back
the unit too but ends nothing: a child that dies with a lock of its pool in hand holds up its parent for ever. A child
that does not react is killed after a grace. Celery's soft shutdown comes to the same but sleeps its timeout through;
its soft time limit is not used: it raises between any two bytecodes, also while weights are being put back.
"""

import mmap
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from billiard.process import active_children
from celery import Celery, Task, bootsteps
from celery.signals import (
    celeryd_after_setup,
    worker_process_init,
    worker_process_shutdown,
    worker_shutting_down,
)
from kombu.exceptions import OperationalError

from ledger.outbox import Message
from palimpsest._wire import PERFORM, celery_settings, queue_of
from worker.engine.errors import EngineError
from worker.heartbeat import Heartbeat
from worker.observability import configure, send_spans
from worker.offered import offered
from worker.registrations import served
from worker.settings import WorkerSettings

settings = WorkerSettings()
app = Celery("palimpsest")
app.conf.update(celery_settings(settings.broker, settings.broker_folder))
app.conf.worker_proc_alive_timeout = 300

leaving = mmap.mmap(-1, 1)
"""One byte that parent and child share: 1 once the worker is to end."""


@celeryd_after_setup.connect
def listen(instance: Any, **_: Any) -> None:
    """Hear the bells of the families served, and those for no family in particular, whatever the command line says.

    A worker that cannot offer its models ends here: Celery would log any other exception and go on without them.
    """
    try:
        models = offered(settings)
    except EngineError as error:
        raise SystemExit(f"{error.code}: {error}") from error
    queues = instance.app.amqp.queues
    for family in (None, *served(settings.families, models)):
        queues.select_add(queues.new_missing(queue_of(family)))


class Beat(bootsteps.StartStopStep):
    """The parent's heartbeat: while its main loop turns, and while there is none because the broker is away.

    So a loop that hangs is noticed, and an outage of the broker is no reason to be restarted.
    """

    requires = ("celery.worker.components:Pool", "celery.worker.components:Timer")

    def start(self, parent: Any) -> None:
        """Once the child is there."""
        self._turned = time.monotonic()
        parent.timer.call_repeatedly(settings.beat_seconds, self._turn)
        threading.Thread(target=self._beat, args=(parent,), name="heartbeat", daemon=True).start()

    def _turn(self) -> None:
        self._turned = time.monotonic()

    def _beat(self, parent: Any) -> None:
        heartbeat = Heartbeat(settings.heartbeat)
        while True:
            connected = parent.consumer is not None and parent.consumer.connection is not None
            if not connected or time.monotonic() - self._turned < 3 * settings.beat_seconds:
                heartbeat.beat()
            time.sleep(settings.beat_seconds)


app.steps["worker"].add(Beat)


@worker_shutting_down.connect
def leave(**_: Any) -> None:
    """In the parent, on the first SIGTERM."""
    leaving[0] = 1
    last = threading.Timer(settings.grace_seconds, end_children)
    last.daemon = True
    last.start()


def end_children() -> None:
    """Kill what did not react to SIGTERM."""
    for child in active_children():
        if child.pid is not None:
            os.kill(child.pid, signal.SIGKILL)


@worker_process_init.connect
def open_workshop(**_: Any) -> None:
    """In the child, before its first task: open what is needed, publish what is offered, be there."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # Celery leaves what is ignored as it is
    from worker import tasks  # noqa: PLC0415  torch is imported in the child only

    configure()
    tasks.open_workshop(settings)
    tasks.be_present()


@worker_process_shutdown.connect
def take_leave(**_: Any) -> None:
    """In the child, at its end."""
    from worker import tasks  # noqa: PLC0415  torch is imported in the child only

    tasks.take_leave()
    send_spans()


@app.task(name=PERFORM, bind=True)
def perform(self: "Task[Any, Any]", message: dict[str, Any]) -> None:
    """A doorbell rang. Whichever unit it names, those whose turn it is are performed."""
    from worker import tasks  # noqa: PLC0415  torch is imported in the child only

    queue = (self.request.delivery_info or {}).get("routing_key") or queue_of(None)
    with noted(signal.SIGTERM) as told:
        tasks.answer(lambda: ring_on(message, queue), publish, lambda: told() or leaving[0] == 1)


@contextmanager
def noted(number: signal.Signals) -> Iterator[Callable[[], bool]]:
    """Inside the block the signal does nothing; the function yielded says whether it has come."""
    came: list[int] = []
    before = signal.signal(number, lambda *_: came.append(1))
    try:
        yield lambda: bool(came)
    finally:
        signal.signal(number, before)


def publish(message: Message) -> None:
    """Ring for one unit. Raises ConnectionError when the broker does not take it."""
    bell = {"tenant": message.tenant, "audit": message.audit_id, "unit": message.unit_id, "attempt": message.attempt}
    ring_on(bell, queue_of(message.family))


def ring_on(bell: dict[str, Any], queue: str) -> None:
    """Ring a bell in this queue. Raises ConnectionError when the broker does not take it."""
    try:
        app.send_task(PERFORM, args=[bell], queue=queue, ignore_result=True)
    except OperationalError as error:
        raise ConnectionError("the broker does not take messages") from error
