"""Following an audit's events over a connection that may break: what to ask for, and what comes back.

Bytes in, events out, nothing is read here; both clients feed it. A stream that breaks off is taken up behind the last
event that was heard, by ``Last-Event-ID``.
"""

from dataclasses import dataclass, field

from pydantic import ValidationError

from palimpsest.contract.status import RESET, TERMINAL, TERMINAL_EVENTS, AuditEvent
from palimpsest.errors import NotUnderstood
from palimpsest.exchange import DOGGEDLY, Answer, Call, Unanswered, address, judged

STREAM = "text/event-stream"
NO_CONTENT = 204
BROKE_OFF = Unanswered("the stream ended before the audit")


@dataclass
class Following:
    """How far an audit was followed: up to the event ``seq``; ``ended`` once nothing can follow."""

    audit_id: str
    seq: int
    ended: bool = False
    _failures: int = 0
    _rest: bytes = b""
    _data: list[bytes] = field(default_factory=list)

    def call(self) -> Call:
        """What to ask for; the answer is a stream."""
        self._rest = b""
        self._data.clear()
        headers = {"accept": STREAM, "last-event-id": str(self.seq)}
        return Call("GET", f"{address(self.audit_id)}/events", headers=headers)

    def opens(self, answer: Answer) -> bool:
        """Whether events come with this answer. Raises NotUnderstood for a good one with something else."""
        if answer.status == NO_CONTENT:
            self.ended = True
        if answer.status != 200:
            return False
        if not answer.headers.get("content-type", "").startswith(STREAM):
            raise NotUnderstood("an answer that is no stream of events; is this Palimpsest's address?")
        return True

    def heard(self, content: bytes) -> list[AuditEvent]:
        """The events that end within these bytes. A line that begins with a colon is a sign of life and no event."""
        *lines, self._rest = (self._rest + content).split(b"\n")
        events = []
        for line in lines:
            name, _, value = line.rstrip(b"\r").partition(b":")
            if name == b"data":
                self._data.append(value.removeprefix(b" "))
            elif not name and not value and self._data:
                events.append(self._understood())
        return events

    def pause(self, broke: Answer | Unanswered) -> float:
        """Seconds until to ask again, after a stream that broke off or did not open. Raises what ``judged`` raises."""
        seconds = DOGGEDLY.pause(self._failures, broke)
        if seconds is None:
            judged(broke)
            raise NotUnderstood(
                f"HTTP {broke.status if isinstance(broke, Answer) else 0} in place of a stream of events"
            )
        self._failures += 1
        return seconds

    def _understood(self) -> AuditEvent:
        try:
            event = AuditEvent.model_validate_json(b"\n".join(self._data))
        except ValidationError as error:
            raise NotUnderstood(f"a message that is no event: {error.errors(include_input=False)[0]['msg']}") from None
        self._data.clear()
        self._failures = 0
        self.seq, self.ended = event.seq, ends(event)
        return event


def ends(event: AuditEvent) -> bool:
    """Whether nothing follows this event."""
    if event.type == RESET:
        return event.data.get("status", {}).get("state") in TERMINAL
    return event.type in TERMINAL_EVENTS
