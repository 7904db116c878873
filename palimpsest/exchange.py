"""What client and service say to each other, without the saying: calls are built and answers judged, no byte is sent.

A *talk* is a generator. It yields a ``Call`` and is sent an ``Answer`` or ``Unanswered``; it yields a ``Pause`` and is
sent nothing; it returns its result. Both clients hold the same talks, one blocking, one awaiting.
"""

import hashlib
import json
import math
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, TypeVar
from urllib.parse import quote
from uuid import uuid4

from pydantic import BaseModel, ValidationError

from palimpsest.contract.catalogue import MethodList, ModelList
from palimpsest.contract.problems import Problem
from palimpsest.contract.report import AuditReport
from palimpsest.contract.request import AuditRequest
from palimpsest.contract.signing import SigningKeyList
from palimpsest.contract.status import TERMINAL, Admitted, AuditList, AuditStatus, EventList
from palimpsest.errors import AuditFailed, NotUnderstood, ProblemError, TimedOut, Unreachable

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

OVERLOADED = frozenset({429, 502, 503, 504})  # worth asking again; 502 and 504 are a proxy's words for 503
POLL_SECONDS = 2.0  # between polls when the service names no time
LONGEST_HOLD = 20.0  # a poll that is held back until there is news comes back after so long without any
BETWEEN_HELD = 0.5  # after news, so that an audit with much of it is not asked without a pause
RENDERING = 1.0  # what the service asks for until it has rendered a report; an audit that goes on asks for more
LONGEST_PAUSE = 120.0  # a service that asks for more is taken at its refusal


@dataclass(frozen=True)
class Call:
    """One HTTP request, relative to the service's root."""

    method: Literal["GET", "POST", "DELETE"]
    path: str
    query: Mapping[str, str | list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True)
class Answer:
    """One HTTP response; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True)
class Unanswered:
    """A call that brought no response, and why."""

    reason: str


@dataclass(frozen=True)
class Pause:
    """Some seconds without a word."""

    seconds: float


Talk: TypeAlias = Generator[Call | Pause, Answer | Unanswered | None, T]
Request: TypeAlias = AuditRequest | Mapping[str, Any]
OnStatus: TypeAlias = Callable[[AuditStatus], None]


@dataclass(frozen=True)
class Patience:
    """How often a call is repeated; between, 0.5 s that double up to ``longest``, unless the service names a time.

    ``unrendered``: also while a report that is there has yet to be rendered, which takes the service a second or two.
    """

    repeats: int
    longest: float = 8.0
    unrendered: bool = False

    def pause(self, repeats: int, heard: Answer | Unanswered) -> float | None:
        """Seconds until the call is repeated once more, or None to take what was heard as final."""
        if repeats >= self.repeats or (isinstance(heard, Answer) and not self.bears(heard)):
            return None
        asked = retry_after(heard) if isinstance(heard, Answer) else None
        if asked is not None and asked > LONGEST_PAUSE:
            return None
        return min(0.5 * 2.0**repeats, self.longest) if asked is None else asked

    def bears(self, answer: Answer) -> bool:
        """Whether an answer is worth a repetition."""
        told = retry_after(answer)
        if answer.headers.get("x-should-retry") == "false":
            return False
        return answer.status in OVERLOADED or (
            self.unrendered and answer.status == 409 and told is not None and told <= RENDERING
        )


BRIEFLY = Patience(repeats=4)  # 7.5 s in all
UNTIL_RENDERED = Patience(repeats=10, unrendered=True)
DOGGEDLY = Patience(repeats=8)  # 40 s in all: a gateway's restart does not end a wait of hours


def submit(request: Request, *, idempotency_key: str | None) -> Talk[AuditStatus]:
    """An accepted audit. Repeats carry the same key, so that no fault on the way starts a second one."""
    headers = {"content-type": "application/json", "idempotency-key": idempotency_key or uuid4().hex}
    call = Call("POST", "/v1/audits", headers=headers, body=encoded(request))
    return parsed(AuditStatus, (yield from ask(call)))


def check(request: Request) -> Talk[Admitted]:
    """What would be audited; raises ProblemError for what would be refused. Nothing is submitted."""
    headers = {"content-type": "application/json", "idempotency-key": uuid4().hex}
    call = Call("POST", "/v1/audits", query={"validate_only": "true"}, headers=headers, body=encoded(request))
    return parsed(Admitted, (yield from ask(call)))


def events(audit_id: str, *, after: int) -> Talk[EventList]:
    """What happened to an audit behind the event ``after``, a page of it."""
    return parsed(EventList, (yield from ask(Call("GET", f"{address(audit_id)}/events", query={"after": str(after)}))))


def status(audit_id: str) -> Talk[AuditStatus]:
    """Where an audit stands."""
    return parsed(AuditStatus, (yield from ask(Call("GET", address(audit_id)))))


def wait(
    audit_id: str,
    *,
    timeout: float | None,
    on_status: OnStatus | None,
    clock: Callable[[], float],
    hold: float = LONGEST_HOLD,
) -> Talk[AuditStatus]:
    """The status an audit ended with; raises AuditFailed if it failed, TimedOut ``timeout`` seconds from now.

    The service is asked to hold an answer back for ``hold`` seconds unless it is news, so that news come at once.
    """
    seconds = math.inf if timeout is None else timeout
    ends = clock() + seconds
    talk = polls(audit_id, on_status, lambda: min(hold, ends - clock()))
    ended = yield from within(talk, audit_id, seconds=seconds, clock=clock)
    if ended.state == "failed":
        raise AuditFailed(audit_id, code=ended.error, detail=ended.detail)
    return ended


def polls(audit_id: str, on_status: OnStatus | None, hold: Callable[[], float]) -> Talk[AuditStatus]:
    """The status an audit ended with; ``on_status`` sees every change on the way, the last included."""
    call = Call("GET", address(audit_id))
    while True:
        answer = yield from ask(held(call, hold()), patience=DOGGEDLY)
        if answer.status != 304:
            now = parsed(AuditStatus, answer)
            if on_status:
                on_status(now)
            if now.state in TERMINAL:
                return now
            call = replace(call, headers={"if-none-match": answer.headers["etag"]} if "etag" in answer.headers else {})
        yield Pause(until_next(answer))


def held(call: Call, seconds: float) -> Call:
    """The same poll, to be answered once there is news behind its ETag; one without an ETag is answered at once."""
    if "if-none-match" not in call.headers or seconds < 1:
        return call
    return replace(call, headers={**call.headers, "prefer": f"wait={int(seconds)}"})


def until_next(answer: Answer) -> float:
    """Seconds until the next poll: what the service says, unless it has held this one back."""
    if "preference-applied" in answer.headers:
        return BETWEEN_HELD
    told = retry_after(answer)
    return POLL_SECONDS if told is None else min(told, LONGEST_PAUSE)


def report(audit_id: str, *, format: str | None = None) -> Talk[bytes]:
    """A report exactly as the service wrote it, fields that this release does not know included.

    Or what the service made of it in another format, which may take a moment after the audit's end.
    """
    where = f"{address(audit_id)}/report"
    if format is None:
        answer = yield from ask(Call("GET", where))
    else:
        answer = yield from ask(Call("GET", where, query={"format": format}), patience=UNTIL_RENDERED)
    return answer.content


def evidence(audit_id: str, digest: str) -> Talk[bytes]:
    """A file that an audit kept."""
    answer = yield from ask(Call("GET", f"{address(audit_id)}/evidence/{quote(digest, safe='')}"))
    return answer.content


def checkpoint(audit_id: str, mitigation: str) -> Talk[bytes]:
    """What a joint mitigation adds to the weights, as a safetensors file; raises NotUnderstood for a damaged one."""
    path = f"{address(audit_id)}/mitigations/{quote(mitigation, safe='')}/checkpoint"
    answer = yield from ask(Call("GET", path))
    if answer.headers.get("etag") != f'"{hashlib.sha256(answer.content).hexdigest()}"':
        raise NotUnderstood("the checkpoint has not arrived as it was kept: its sha256 is not that of its ETag")
    return answer.content


def cancel(audit_id: str) -> Talk[AuditStatus]:
    """An audit that is being cancelled."""
    return parsed(AuditStatus, (yield from ask(Call("POST", f"{address(audit_id)}/cancel"))))


def audits(*, labels: Mapping[str, str] | None = None, **selection: str | int | None) -> Talk[AuditList]:
    """One page of audits, newest first; nothing is sent for what is None."""
    query: dict[str, str | list[str]] = {name: str(value) for name, value in selection.items() if value is not None}
    if labels:
        query["label"] = [f"{name}:{value}" for name, value in labels.items()]
    return parsed(AuditList, (yield from ask(Call("GET", "/v1/audits", query=query))))


def models() -> Talk[ModelList]:
    """The models that can be audited."""
    return parsed(ModelList, (yield from ask(Call("GET", "/v1/models"))))


def methods() -> Talk[MethodList]:
    """The methods an audit can use."""
    return parsed(MethodList, (yield from ask(Call("GET", "/v1/methods"))))


def signing_keys() -> Talk[SigningKeyList]:
    """The public keys that have signed reports for the caller."""
    return parsed(SigningKeyList, (yield from ask(Call("GET", "/v1/signing-keys"))))


def ready() -> Talk[bool]:
    """Whether an audit would be accepted now; asked once."""
    heard = yield Call("GET", "/readyz")
    if isinstance(heard, Answer) and heard.status == 503:
        return False
    return judged(heard).status == 200


def ask(call: Call, *, patience: Patience = BRIEFLY) -> Talk[Answer]:
    """A good answer, repeated calls included; raises what ``judged`` raises."""
    repeats = 0
    while True:
        heard = yield call
        assert heard is not None, "a call is answered, or said to be unanswered"
        pause = patience.pause(repeats, heard)
        if pause is None:
            return judged(heard)
        yield Pause(pause)
        repeats += 1


def within(talk: Talk[T], audit_id: str, *, seconds: float, clock: Callable[[], float]) -> Talk[T]:
    """The same talk, its last pause cut short; TimedOut is raised in place of a pause after ``seconds``."""
    ends = clock() + seconds
    heard: Answer | Unanswered | None = None
    while True:
        try:
            step = talk.send(heard)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        if isinstance(step, Pause):
            left = ends - clock()
            if left <= 0:
                raise TimedOut(audit_id, seconds=seconds)
            step = Pause(min(step.seconds, left))
        heard = yield step


def judged(heard: Answer | Unanswered | None) -> Answer:
    """The answer, if it is a good one; raises Unreachable, ProblemError or NotUnderstood."""
    if not isinstance(heard, Answer):
        raise Unreachable(heard.reason if heard else "no answer")
    if 200 <= heard.status < 300 or heard.status == 304:
        return heard
    try:
        problem = Problem.model_validate_json(heard.content)
    except ValidationError:
        if heard.status in OVERLOADED:
            raise Unreachable(f"a proxy answers {heard.status} in the service's place") from None
        raise NotUnderstood(f"HTTP {heard.status} without a problem document; is this Palimpsest's address?") from None
    raise ProblemError(problem)


def parsed(model: type[M], answer: Answer) -> M:
    """The answer's body as a message of the contract; raises NotUnderstood."""
    try:
        return model.model_validate_json(answer.content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise NotUnderstood(f"an answer that is no {model.__name__}: {where} {first['msg']}") from None


def parsed_report(content: bytes) -> AuditReport:
    """A report as a message of the contract; raises NotUnderstood."""
    return parsed(AuditReport, Answer(200, {}, content))


def encoded(request: Request) -> bytes:
    """A request's JSON. A mapping goes as it is, for the service to judge; NaN has no JSON and is a ValueError."""
    if isinstance(request, AuditRequest):
        return request.model_dump_json(exclude_none=True).encode()
    return json.dumps(request, allow_nan=False).encode()


def address(audit_id: str) -> str:
    """Where an audit lives."""
    return f"/v1/audits/{quote(audit_id, safe='')}"


def retry_after(answer: Answer) -> float | None:
    """``Retry-After`` in seconds; None where it is missing or a date."""
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isdecimal() else None
