"""A stream of events as its bytes come in, however they are cut."""

from datetime import UTC, datetime
from typing import Any

import pytest

from palimpsest.contract.status import AuditEvent
from palimpsest.errors import NotUnderstood, ProblemError, Unreachable
from palimpsest.exchange import Answer, Call
from palimpsest.following import BROKE_OFF, Following
from palimpsest.tests.example import AUDIT, a_problem, a_status

OPEN = Answer(200, {"content-type": "text/event-stream; charset=utf-8"}, b"")
OVERLOAD = Answer(503, {"retry-after": "7"}, a_problem(503).model_dump_json().encode())


def an_event(seq: int, type: str = "unit.done", **data: Any) -> AuditEvent:
    """One line of a history."""
    return AuditEvent(seq=seq, type=type, at=datetime(2026, 1, 2, tzinfo=UTC), data=data)


def sent(event: AuditEvent) -> bytes:
    """The event as a gateway sends it."""
    return f"id: {event.seq}\nevent: {event.type}\ndata: {event.model_dump_json()}\n\n".encode()


def test_it_asks_behind_what_it_has() -> None:
    """The number is the header's, which every gateway understands."""
    headers = {"accept": "text/event-stream", "last-event-id": "7"}
    assert Following(AUDIT, 7).call() == Call("GET", f"/v1/audits/{AUDIT}/events", headers=headers)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_bytes_may_be_cut_anywhere(size: int, line_end: bytes) -> None:
    """Two events, a ping between them, in pieces of every size; a line separator of Unicode is no line's end."""
    events = [an_event(1, detail="one\u2028two\x85three"), an_event(2)]
    content = (sent(events[0]) + b": ping\n\n" + sent(events[1])).replace(b"\n", line_end)
    following = Following(AUDIT, 0)
    pieces = [content[n : n + size] for n in range(0, len(content), size)]
    assert [event for piece in pieces for event in following.heard(piece)] == events
    assert (following.seq, following.ended) == (2, False)


@pytest.mark.parametrize("type", ["audit.succeeded", "audit.failed", "audit.cancelled", "audit.expired"])
def test_it_ends_with_the_audit(type: str) -> None:
    """Whichever way that is; cancelling is not the end."""
    following = Following(AUDIT, 0)
    following.heard(sent(an_event(1, "audit.cancelling")))
    assert not following.ended
    following.heard(sent(an_event(2, type)))
    assert following.ended


@pytest.mark.parametrize(("state", "ended"), [("running", False), ("succeeded", True)])
def test_a_reset_takes_the_place_of_what_was_missed(state: Any, ended: bool) -> None:
    """It has a number to go on from, and the status, which may be the last."""
    following = Following(AUDIT, 0)
    reset = an_event(40, "reset", reason="HISTORY_GONE", status=a_status(state).model_dump(mode="json"))
    assert following.heard(sent(reset)) == [reset]
    assert (following.seq, following.ended) == (40, ended)


def test_half_an_event_is_forgotten_when_the_stream_breaks() -> None:
    """The next stream begins anew, behind the last whole event."""
    following = Following(AUDIT, 0)
    following.heard(sent(an_event(1)) + sent(an_event(2))[:30])
    assert following.call().headers["last-event-id"] == "1"
    assert following.heard(sent(an_event(2))) == [an_event(2)]


def test_what_is_no_event_is_not_understood_and_not_quoted() -> None:
    """The complaint does not have the value."""
    with pytest.raises(NotUnderstood) as raised:
        Following(AUDIT, 0).heard(b'data: {"seq": "a secret prompt"}\n\n')
    assert "secret" not in str(raised.value)


def test_an_answer_opens_a_stream_or_ends_it() -> None:
    """200 with a stream, 204 for nothing more; a page of HTML is somebody else."""
    following = Following(AUDIT, 9)
    assert following.opens(OPEN)
    assert (following.opens(Answer(204, {}, b"")), following.ended) == (False, True)
    assert not following.opens(OVERLOAD)
    with pytest.raises(NotUnderstood):
        following.opens(Answer(200, {"content-type": "text/html"}, b""))


def test_it_comes_back_for_a_while() -> None:
    """0.5 s, then 1, or what an overload asks for; an event makes it patient again; nine in a row are final."""
    following = Following(AUDIT, 0)
    assert [following.pause(BROKE_OFF), following.pause(BROKE_OFF), following.pause(OVERLOAD)] == [0.5, 1.0, 7.0]
    following.heard(sent(an_event(1)))
    assert following.pause(BROKE_OFF) == 0.5
    for _ in range(7):
        following.pause(BROKE_OFF)
    with pytest.raises(Unreachable):
        following.pause(BROKE_OFF)


def test_a_refusal_is_final() -> None:
    """Its problem is raised at once."""
    with pytest.raises(ProblemError):
        Following(AUDIT, 0).pause(Answer(404, {}, a_problem(404).model_dump_json().encode()))
