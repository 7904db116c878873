"""The talks without a network: what is said, how long is waited, when one gives up."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from pydantic import BaseModel

from palimpsest import exchange
from palimpsest.contract.problems import Code
from palimpsest.contract.status import Admitted, AuditStatus, EventList
from palimpsest.errors import AuditFailed, NotUnderstood, ProblemError, TimedOut, Unreachable
from palimpsest.exchange import Answer, Call, Patience, Pause, Talk, Unanswered
from palimpsest.tests.example import AUDIT, a_problem, a_report, a_request, a_status

LOST = Unanswered("connection refused")
OVERLOAD = Answer(503, {"retry-after": "7"}, b"")


def told(message: BaseModel, status: int = 200, **headers: str) -> Answer:
    """A message of the contract as an answer; ``retry_after`` becomes ``retry-after``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, named, message.model_dump_json().encode())


def held(
    talk: Talk[Any],
    answers: Iterable[Answer | Unanswered],
    pauses: list[float] | None = None,
    calls: list[Call] | None = None,
) -> tuple[Any, list[Call], list[float]]:
    """The result of a talk, the calls it made, and the pauses it took, given the answers in turn."""
    coming = iter(answers)
    calls = [] if calls is None else calls
    pauses = [] if pauses is None else pauses
    heard: Answer | Unanswered | None = None
    while True:
        try:
            step = talk.send(heard)
        except StopIteration as end:
            return end.value, calls, pauses
        if isinstance(step, Pause):
            pauses.append(step.seconds)
            heard = None
        else:
            calls.append(step)
            heard = next(coming)


def waiting(answers: Iterable[Answer | Unanswered], **options: Any) -> tuple[Any, list[Call], list[float]]:
    """A wait, held; time stands still."""
    settings: dict[str, Any] = {"timeout": None, "on_status": None, "clock": lambda: 0.0}
    return held(exchange.wait(AUDIT, **settings | options), answers)


def test_submitting_carries_the_request_and_a_key_of_its_own() -> None:
    """Without a key one is minted: 32 hex digits, another one each time."""
    _, [first], _ = held(exchange.submit(a_request(), idempotency_key=None), [told(a_status("queued"), 202)])
    _, [second], _ = held(exchange.submit(a_request(), idempotency_key=None), [told(a_status("queued"), 202)])
    assert (first.method, first.path) == ("POST", "/v1/audits")
    assert json.loads(first.body or b"") == a_request().model_dump(mode="json", exclude_none=True)
    assert len(first.headers["idempotency-key"]) == 32
    assert first.headers["idempotency-key"] != second.headers["idempotency-key"]


def test_a_repeated_submission_carries_the_same_key() -> None:
    """A lost answer is asked for again, so that the service sees one request, not two."""
    accepted, calls, pauses = held(
        exchange.submit(a_request(), idempotency_key=None), [LOST, OVERLOAD, told(a_status("queued"), 202)]
    )
    assert accepted.id == AUDIT
    assert len({call.headers["idempotency-key"] for call in calls}) == 1
    assert pauses == [0.5, 7.0]


def test_a_mapping_is_sent_as_it_is() -> None:
    """A request this release cannot know is the service's to judge."""
    _, [call], _ = held(exchange.submit({"tomorrow": 1}, idempotency_key="k"), [told(a_status("queued"), 202)])
    assert call.body == b'{"tomorrow": 1}'
    assert call.headers["idempotency-key"] == "k"


def test_a_mapping_with_nan_is_not_sent() -> None:
    """NaN has no JSON."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        held(exchange.submit({"theta": float("nan")}, idempotency_key=None), [])


def test_patience_doubles_up_to_its_longest_pause() -> None:
    """0.5, 1, 2, then 3 at most, then no more."""
    patience = Patience(repeats=5, longest=3.0)
    assert [patience.pause(repeats, LOST) for repeats in range(6)] == [0.5, 1.0, 2.0, 3.0, 3.0, None]


@pytest.mark.parametrize(
    ("status", "pause"), [(200, None), (304, None), (422, None), (500, None), (429, 0.5), (503, 0.5)]
)
def test_only_overload_is_repeated(status: int, pause: float | None) -> None:
    """A refusal will not change by asking again."""
    assert Patience(repeats=1).pause(0, Answer(status, {}, b"")) == pause


@pytest.mark.parametrize(
    ("told_to", "pause"), [("7", 7.0), ("0", 0.0), ("121", None), ("Fri, 02 Jan 2026", 0.5), ("", 0.5)]
)
def test_the_service_names_the_time(told_to: str, pause: float | None) -> None:
    """Retry-After in seconds is obeyed up to two minutes, a longer one is final, a date is as good as none."""
    assert Patience(repeats=1).pause(0, Answer(503, {"retry-after": told_to}, b"")) == pause


def test_a_refusal_that_says_it_is_final_is_not_asked_again() -> None:
    """As that of a quota that the request alone exceeds."""
    assert Patience(repeats=1).pause(0, Answer(429, {"x-should-retry": "false"}, b"")) is None
    assert Patience(repeats=1).pause(0, Answer(429, {"x-should-retry": "true"}, b"")) == 0.5


def test_repeats_are_bounded() -> None:
    """Five calls in all, then nobody is there."""
    with pytest.raises(Unreachable, match="connection refused"):
        held(exchange.status(AUDIT), [LOST] * 5)


def test_an_overload_that_lasts_is_the_problem_it_came_with() -> None:
    """After the last repeat the service's own words are raised."""
    answers = [told(a_problem(503), 503, retry_after="0")] * 5
    with pytest.raises(ProblemError) as refused:
        held(exchange.models(), answers)
    assert refused.value.problem == a_problem(503)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(404, {}, b"<html>"), NotUnderstood),
        (Answer(302, {}, b""), NotUnderstood),
        (Answer(500, {}, b"{}"), NotUnderstood),
        (Answer(200, {}, b"[]"), NotUnderstood),
        (told(a_problem(404), 404), ProblemError),
    ],
)
def test_an_answer_is_judged(answer: Answer, error: type[Exception]) -> None:
    """A problem document is a refusal; anything else unexpected is not Palimpsest speaking."""
    with pytest.raises(error):
        held(exchange.status(AUDIT), [answer])


def test_a_proxy_without_a_service_behind_it_is_nobody() -> None:
    """502 without a problem document, however often asked."""
    with pytest.raises(Unreachable, match="a proxy answers 502"):
        held(exchange.status(AUDIT), [Answer(502, {}, b"<html>")] * 5)


def test_an_answer_that_cannot_be_read_is_not_quoted() -> None:
    """The complaint names the place and not the value, which may be anybody's prompt."""
    answer = Answer(200, {}, a_status().model_dump_json().replace("0.5", '"a secret prompt"').encode())
    with pytest.raises(NotUnderstood) as refused:
        held(exchange.status(AUDIT), [answer])
    assert "progress" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_waiting_asks_only_for_what_is_new() -> None:
    """Each poll carries the last ETag; a 304 changes nothing and is not shown; Retry-After sets the pace.

    With an ETag the poll asks to be held back until there is news; without one it is a plain question.
    """
    seen: list[AuditStatus] = []
    ended, calls, pauses = waiting(
        [
            told(a_status(progress=0.1), etag='W/"1"', retry_after="3"),
            Answer(304, {"retry-after": "5"}, b""),
            told(a_status(progress=0.6)),
            told(a_status("succeeded", progress=1.0)),
        ],
        on_status=seen.append,
    )
    assert ended.state == "succeeded"
    held_back = {"if-none-match": 'W/"1"', "prefer": "wait=20"}
    assert [dict(call.headers) for call in calls] == [{}, held_back, held_back, {}]
    assert pauses == [3.0, 5.0, exchange.POLL_SECONDS]
    assert [status.progress for status in seen] == [0.1, 0.6, 1.0]


def test_a_poll_that_was_held_back_is_soon_repeated() -> None:
    """Preference-Applied says that there was no news until now: the next poll follows at once, whatever Retry-After."""
    applied = {"preference-applied": "wait=20", "retry-after": "30"}
    _, _, pauses = waiting(
        [told(a_status(), etag='W/"1"', retry_after="2"), Answer(304, applied, b""), told(a_status("succeeded"))]
    )
    assert pauses == [2.0, exchange.BETWEEN_HELD]


def test_a_poll_is_not_held_back_beyond_the_time_allowed() -> None:
    """Of 10 s, 8 are left after a pause of 2, and after 7 more 1; with less than that nothing is asked for."""
    pauses: list[float] = []
    talk = exchange.wait(AUDIT, timeout=10, on_status=None, clock=lambda: sum(pauses))
    answers = [told(a_status(), etag='W/"1"', retry_after=after) for after in ("2", "7", "1", "1")]
    calls: list[Call] = []
    with pytest.raises(TimedOut):
        held(talk, answers, pauses, calls)
    assert [call.headers.get("prefer") for call in calls] == [None, "wait=8", "wait=1", None]


def test_waiting_outlasts_a_restart() -> None:
    """Half a minute without an answer does not end a wait of hours."""
    ended, _, pauses = waiting([LOST] * 8 + [told(a_status("succeeded"))])
    assert ended.state == "succeeded"
    assert sum(pauses) == 39.5


def test_waiting_for_an_audit_that_fails_raises_why() -> None:
    """The code and detail of the failed audit travel in the error."""
    failed = a_status("failed", error="WORKER_LOST", detail="three attempts")
    with pytest.raises(AuditFailed, match="three attempts") as raised:
        waiting([told(failed)])
    assert (raised.value.audit_id, raised.value.code) == (AUDIT, "WORKER_LOST")


@pytest.mark.parametrize("state", ["cancelled", "expired"])
def test_waiting_ends_when_the_audit_does(state: Any) -> None:
    """A cancelled or expired audit has ended, and has a partial report."""
    assert waiting([told(a_status(state))])[0].state == state


def test_waiting_has_an_end() -> None:
    """
    10 s allowed, told to come back after 4: polls at 0, 4 and 8, a last one after the 2 s that are left
    """
    pauses: list[float] = []
    talk = exchange.wait(AUDIT, timeout=10, on_status=None, clock=lambda: sum(pauses))
    with pytest.raises(TimedOut, match="10 s"):
        held(talk, [told(a_status(), retry_after="4")] * 4, pauses)
    assert pauses == [4.0, 4.0, 2.0]


def test_no_time_allowed_is_one_poll() -> None:
    """A timeout of 0 asks once."""
    with pytest.raises(TimedOut):
        waiting([told(a_status())], timeout=0)


def test_a_report_comes_as_it_was_written() -> None:
    """Not one byte is read or lost on the way."""
    odd = Answer(200, {}, b'{"tomorrow": 1}  ')
    document, [call], _ = held(exchange.report(AUDIT), [odd])
    assert document == odd.content
    assert call.path == f"/v1/audits/{AUDIT}/report"


def test_a_rendering_is_waited_for_and_an_audit_is_not() -> None:
    """409 with Retry-After of 1 is asked again; of 2 the audit goes on, and without one there is nothing to come."""
    not_yet = a_problem(409, Code.REPORT_NOT_READY).model_dump_json().encode()
    answers = [Answer(409, {"retry-after": "1"}, not_yet), Answer(200, {}, b"<testsuites/>")]
    document, calls, pauses = held(exchange.report(AUDIT, format="junit"), answers)
    assert (document, pauses) == (b"<testsuites/>", [1.0])
    assert [call.query for call in calls] == [{"format": "junit"}] * 2
    for headers in ({"retry-after": "2"}, {"x-should-retry": "false"}):
        with pytest.raises(ProblemError):
            held(exchange.report(AUDIT, format="junit"), [Answer(409, headers, not_yet)])
    with pytest.raises(ProblemError):
        held(exchange.report(AUDIT), [Answer(409, {"retry-after": "1"}, not_yet)])


def test_a_report_is_read_when_asked() -> None:
    """The same bytes as a message of the contract."""
    assert exchange.parsed_report(a_report().model_dump_json().encode()) == a_report()


def test_readiness_is_asked_once() -> None:
    """503 is an answer here, not a reason to repeat."""
    assert held(exchange.ready(), [Answer(200, {}, b"")])[0] is True
    assert held(exchange.ready(), [OVERLOAD])[0] is False
    with pytest.raises(Unreachable):
        held(exchange.ready(), [LOST])


def test_an_id_cannot_leave_its_place_in_the_address() -> None:
    """Slashes and question marks of an id are data."""
    assert exchange.address("a/../b?c") == "/v1/audits/a%2F..%2Fb%3Fc"


def test_a_page_is_asked_for_by_what_was_given() -> None:
    """Nothing is sent for what was not."""
    page = Answer(200, {}, b'{"data": [], "next_cursor": null}')
    assert held(exchange.audits(limit=None, state=None), [page])[1] == [Call("GET", "/v1/audits")]
    assert held(exchange.audits(limit=2, cursor="c"), [page])[1][0].query == {"limit": "2", "cursor": "c"}
    labelled = held(exchange.audits(labels={"release": "1:4", "stage": "rc"}), [page])[1][0]
    assert labelled.query == {"label": ["release:1:4", "stage:rc"]}


def test_checking_submits_nothing() -> None:
    """The request goes where a submission would, and asks for no more than the checks."""
    admitted = Admitted(model="m", model_digest="d", engine="e", targets=1, controls=0)
    found, [call], _ = held(exchange.check(a_request()), [told(admitted)])
    assert found == admitted
    assert (call.method, call.path, call.query) == ("POST", "/v1/audits", {"validate_only": "true"})


def test_events_are_asked_for_by_number() -> None:
    """Behind the one that is known."""
    page = EventList(data=[], last=7, ended=False, reset=False)
    found, [call], _ = held(exchange.events(AUDIT, after=7), [told(page)])
    assert found == page
    assert (call.path, call.query) == (f"/v1/audits/{AUDIT}/events", {"after": "7"})
