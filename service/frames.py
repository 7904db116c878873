"""An audit's events as they are told: one message each, alone in a list or framed as a server-sent event.

    id: 7
    event: unit.done
    data: {"seq": 7, "type": "unit.done", "at": "2026-01-02T03:04:05Z", "data": {"stage": "baseline", "ordinal": 0}}

The id is the event's number in the ledger, so that a stream can be taken up by ``Last-Event-ID`` at any gateway.
"""

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from ledger.events import Event
from palimpsest.contract.status import RESET, TERMINAL_EVENTS, AuditEvent

Reason = Literal["HISTORY_GONE", "TOO_SLOW"]

PING = KEEPALIVE_COMMENT


@dataclass(frozen=True)
class Frame:
    """A framed event; after one that ends the audit nothing follows."""

    seq: int
    content: bytes
    ends: bool


def message(event: Event) -> AuditEvent:
    """The event as the contract has it."""
    return AuditEvent(seq=event.seq, type=event.type, at=datetime.fromtimestamp(event.at, UTC), data=event.data)


def framed(event: Event) -> Frame:
    """One server-sent event."""
    data = message(event).model_dump_json()
    content = format_sse_event(id=str(event.seq), event=event.type, data_str=data)
    return Frame(event.seq, content, event.type in TERMINAL_EVENTS)


def reset(reason: Reason, status: bytes, seq: int) -> bytes:
    """Forget what was followed: this is how the audit stands, and ``seq`` is where it goes on."""
    data = {"reason": reason, "status": json.loads(status)}
    return framed(Event(seq, RESET, data, time.time())).content
