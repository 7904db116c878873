"""The doorbell: tell the broker that a unit may be claimed. The gateway's and the sweeper's only Celery.

A message names a unit and nothing else. Losing one loses nothing, for the record is in SQL and the sweeper rings again
(docs/decisions/0004-the-broker-is-a-doorbell.md).
"""

from dataclasses import dataclass, field
from typing import Protocol

import structlog
from celery import Celery
from kombu import pools
from kombu.exceptions import ChannelError, OperationalError

from ledger import outbox
from ledger.database import UNREACHABLE, Ledger
from ledger.outbox import Message
from ledger.places import Places
from palimpsest._wire import PERFORM, celery_settings, queue_of
from service.observability import cause

log = structlog.get_logger()

SOCKET_SECONDS = 2
"""A frozen broker is given up after so long (measured on Redis: 4.2 s in all; without it, never)."""


class BrokerUnavailable(Exception):
    """The broker does not take messages at the moment."""


class Dispatch(Protocol):
    """Where doorbells are."""

    def publish(self, message: Message) -> None:
        """Announce one unit. Raises BrokerUnavailable."""


class CeleryDispatch:
    """Sends the task by name to those who serve the model's family; no result is kept, none is waited for."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._celery = celery(places)

    def publish(self, message: Message) -> None:
        """Announce one unit. Raises BrokerUnavailable."""
        unit = {
            "tenant": message.tenant,
            "audit": message.audit_id,
            "unit": message.unit_id,
            "attempt": message.attempt,
        }
        try:
            self._celery.send_task(PERFORM, args=[unit], queue=queue_of(message.family), ignore_result=True)
        except (OperationalError, ChannelError, OSError) as error:
            raise BrokerUnavailable(cause(error)) from error
        except AttributeError as error:
            # kombu has closed a channel while it was losing a connection, and asked that channel for its connection.
            pools.reset()
            self._celery = celery(self._places)
            raise BrokerUnavailable(cause(error)) from error


def celery(places: Places) -> Celery:
    """What sends to this deployment's broker; it connects when it first sends."""
    sender = Celery("palimpsest", set_as_current=False)
    sender.conf.update(celery_settings(places.broker, places.broker_folder))
    if not places.broker.startswith("filesystem"):
        sender.conf.broker_transport_options["socket_timeout"] = SOCKET_SECONDS
    return sender


@dataclass
class RecordingDispatch:
    """A broker for tests: remembers what was announced, and can be out of order."""

    published: list[Message] = field(default_factory=list)
    broken: bool = False

    def publish(self, message: Message) -> None:
        """Remember one message."""
        if self.broken:
            raise BrokerUnavailable("out of order")
        self.published.append(message)


def empty_outbox(ledger: Ledger, dispatch: Dispatch, *, batch: int, seconds: float) -> int:
    """Publish up to ``batch`` messages; how many. Those that could not be are free again after ``seconds``."""
    return outbox.empty(ledger, dispatch.publish, batch=batch, seconds=seconds)


class Doorbell:
    """Empties the outbox right after a commit, so that a worker need not wait for the sweeper.

    Who rings together shares a ring (``service.desk``): a frozen broker holds one thread of the gateway, not all of
    them. Whatever a ring leaves behind is the sweeper's.
    """

    def __init__(self, ledger: Ledger, dispatch: Dispatch, *, batch: int, seconds: float) -> None:
        self._ledger, self._dispatch = ledger, dispatch
        self._batch, self._seconds = batch, seconds

    def ring(self) -> None:
        """Announce what is waiting; never raises for a broker or a database that does not answer."""
        try:
            empty_outbox(self._ledger, self._dispatch, batch=self._batch, seconds=self._seconds)
        except (BrokerUnavailable, *UNREACHABLE) as error:
            log.warning("left to the sweeper", cause=cause(error))
