"""Who has read what was recovered, in the log of accesses: a report, a file that was kept, a model's new weights."""

from typing import Literal

from ledger import accesses
from service.callers import Caller
from service.gateway import Gateway

Action = Literal["report.read", "evidence.read", "checkpoint.read"]


def recorded(gateway: Gateway, caller: Caller, action: Action, subject: str) -> None:
    """Note it before the answer goes out: raises what is in ``UNREACHABLE``, and then nothing is read."""

    gateway.ledger.write(
        lambda connection: accesses.append(
            connection, caller.tenant, actor=caller.actor, action=action, subject=subject
        )
    )
