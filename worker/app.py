"""The Celery worker: ``celery -A worker.app worker -P prefork -c 1``.

The parent never imports torch (a forked child must not inherit its threads); everything heavy happens in the child.
"""

from typing import Any

from celery import Celery
from celery.signals import worker_process_init
from kombu.exceptions import OperationalError

from ledger.outbox import Message
from palimpsest._wire import PERFORM, UNITS_QUEUE, celery_settings
from worker.settings import WorkerSettings

settings = WorkerSettings()
app = Celery("palimpsest")
app.conf.update(celery_settings(settings.broker, settings.broker_folder))
app.conf.worker_proc_alive_timeout = 300


@worker_process_init.connect
def open_workshop(**_: Any) -> None:
    """In the child, before its first task: open what is needed and publish what is offered."""
    from worker import tasks  # noqa: PLC0415  torch is imported in the child only

    tasks.open_workshop(settings)


@app.task(name=PERFORM)
def perform(message: dict[str, Any]) -> None:
    """A doorbell rang for one unit; what its end released is announced at once."""
    from worker import tasks  # noqa: PLC0415  torch is imported in the child only

    tasks.answer(tasks.Doorbell(**message))
    tasks.announce(publish)


def publish(message: Message) -> None:
    """Ring for one unit. Raises ConnectionError when the broker does not take it."""
    bell = {"tenant": message.tenant, "audit": message.audit_id, "unit": message.unit_id, "attempt": message.attempt}
    try:
        app.send_task(PERFORM, args=[bell], queue=UNITS_QUEUE, ignore_result=True)
    except OperationalError as error:
        raise ConnectionError("the broker does not take messages") from error
