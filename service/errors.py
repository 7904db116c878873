"""Why the gateway refuses, and how it says so: one tree, one table, one kind of document.

* Refusal               somebody is told why: a code, a detail, the fields at fault
  x CatalogueNotReady   no worker has published its models and methods yet
  x EvidenceRefused     the evidence store does not answer
  x Unknown             who asks is not known, or may not do this: 401 and 403, with WWW-Authenticate
* BodyTooLarge          the body exceeds the limit, however it was sent

What the ledger refuses (``ledger.errors``) and what HTTP does by itself (404, 405, malformed JSON) is translated here.
Every answer is ``application/problem+json`` (RFC 9457) and none repeats a value that was sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from ledger import database
from ledger.errors import (
    AlreadyTerminal,
    DeliveryNotFound,
    ImageInUse,
    ImageNotFound,
    KeyNotFound,
    KeyReused,
    LedgerError,
    NotFound,
    QuotaExceeded,
    TargetSetNotFound,
    WebhookNotFound,
)
from palimpsest.contract.problems import Code, FieldProblem, Problem
from service.malformed import field_problems
from service.observability import cause, note, places, request_id

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
MOST_FIELDS = 50
FINAL = {"x-should-retry": "false"}
"""SDKs repeat a 409 and a 429 unless told that it will not change."""
QUOTA_SECONDS = "30"
"""Until something that is open may have ended."""


@dataclass(frozen=True)
class Status:
    """The HTTP status of a code, and its title."""

    status: int
    title: str


STATUS: dict[Code, Status] = {
    Code.MALFORMED_REQUEST: Status(422, "The request does not have the form it must have"),
    Code.BODY_TOO_LARGE: Status(413, "The body is too large"),
    Code.IDEMPOTENCY_KEY_MISSING: Status(400, "An Idempotency-Key is required"),
    Code.IDEMPOTENCY_KEY_INVALID: Status(400, "The Idempotency-Key does not have the form it must have"),
    Code.IDEMPOTENCY_KEY_REUSED: Status(422, "The Idempotency-Key belongs to another request"),
    Code.UNKNOWN_MODEL: Status(422, "There is no such model"),
    Code.UNKNOWN_TARGET_SET: Status(422, "The model has no such set of targets"),
    Code.UNKNOWN_METHOD: Status(422, "There is no such method, or it has no such parameter"),
    Code.METHOD_NOT_APPLICABLE: Status(422, "The method cannot be used on this model"),
    Code.TOO_MANY_TARGETS: Status(422, "There are too many targets"),
    Code.NO_TARGETS: Status(422, "There are no targets"),
    Code.TARGET_EMPTY: Status(422, "A target has neither prompt nor image"),
    Code.TARGET_WITHOUT_IMAGE: Status(422, "A target has no image"),
    Code.IMAGE_UNREADABLE: Status(422, "An image cannot be read"),
    Code.TOO_MANY_PIXELS: Status(422, "The images of the request are too large together"),
    Code.REGION_UNSUPPORTED: Status(422, "A region needs a target with one image"),
    Code.REGION_OUTSIDE: Status(422, "A region is not inside the image"),
    Code.REGION_TOO_SMALL: Status(422, "A region is too small for the descriptor"),
    Code.TOO_MANY_REGIONS: Status(422, "The audit has too many different regions"),
    Code.UNKNOWN_IMAGE: Status(422, "There is no such uploaded image"),
    Code.IMAGE_NOT_FOUND: Status(404, "There is no such image"),
    Code.IMAGE_IN_USE: Status(409, "A target set names the image"),
    Code.MEDIA_TYPE_UNSUPPORTED: Status(415, "The body is of a kind that is not read here"),
    Code.TEXT_NOT_UTF8: Status(422, "A list of targets is not UTF-8"),
    Code.ROW_INVALID: Status(422, "A row of a list of targets cannot be read"),
    Code.TARGET_SET_NOT_FOUND: Status(404, "There is no such target set"),
    Code.BASELINE_MODEL_UNSUPPORTED: Status(422, "This baseline model cannot stand beside this model"),
    Code.AUDIT_NOT_FOUND: Status(404, "There is no such audit"),
    Code.ROUTE_NOT_FOUND: Status(404, "There is nothing here"),
    Code.METHOD_NOT_ALLOWED: Status(405, "This cannot be done here"),
    Code.UNKNOWN_FORMAT: Status(406, "The report is not told in such a format"),
    Code.REPORT_NOT_READY: Status(409, "There is no report"),
    Code.REPORT_REMOVED: Status(410, "The report was removed"),
    Code.EVIDENCE_NOT_FOUND: Status(404, "There is no such evidence"),
    Code.EVIDENCE_REMOVED: Status(410, "The evidence was removed"),
    Code.MITIGATION_NOT_FOUND: Status(404, "The audit has no such mitigation"),
    Code.MITIGATION_NOT_EXPORTABLE: Status(409, "The mitigation is not one model with other weights"),
    Code.CHECKPOINT_NOT_READY: Status(409, "There is no checkpoint"),
    Code.CHECKPOINT_REMOVED: Status(410, "The checkpoint was removed"),
    Code.AUDIT_ALREADY_TERMINAL: Status(409, "The audit has ended"),
    Code.TOO_MANY_STREAMS: Status(429, "Too many event streams are open"),
    Code.RATE_LIMITED: Status(429, "Too many requests in too short a time"),
    Code.QUOTA_EXCEEDED: Status(429, "As much is open as may be"),
    Code.WEBHOOK_NOT_FOUND: Status(404, "There is no such webhook"),
    Code.DELIVERY_NOT_FOUND: Status(404, "There is no such delivery"),
    Code.WEBHOOK_URL_REFUSED: Status(422, "Webhooks are not sent there"),
    Code.API_KEY_MISSING: Status(401, "An API key is required"),
    Code.API_KEY_INVALID: Status(401, "The API key is not good"),
    Code.SCOPE_MISSING: Status(403, "The API key does not allow this"),
    Code.API_KEY_NOT_FOUND: Status(404, "There is no such API key"),
    Code.CATALOGUE_NOT_READY: Status(503, "No worker has said yet what it can do"),
    Code.LEDGER_UNAVAILABLE: Status(503, "The record cannot be reached"),
    Code.INTERNAL_ERROR: Status(500, "Something went wrong on this side"),
}
"""Every code that is answered over HTTP; the others stand in reports."""

BY_STATUS = {404: Code.ROUTE_NOT_FOUND, 405: Code.METHOD_NOT_ALLOWED, 413: Code.BODY_TOO_LARGE}
"""What a status means that Starlette raises by itself; any other 4xx is a body it could not read."""


class Refusal(Exception):
    """Somebody is told why; nothing was enqueued."""

    def __init__(
        self,
        code: Code,
        detail: str,
        *,
        errors: list[FieldProblem] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = errors or []
        self.headers = dict(headers or {})


class CatalogueNotReady(Refusal):
    """No worker has published its models and methods yet."""

    def __init__(self) -> None:
        super().__init__(
            Code.CATALOGUE_NOT_READY,
            "no worker has published its models and methods yet; try again soon",
            headers={"Retry-After": "2"},
        )


class EvidenceRefused(Refusal):
    """The evidence store does not answer; where it was to be written, nothing was recorded either."""

    def __init__(self) -> None:
        super().__init__(
            Code.LEDGER_UNAVAILABLE, "the evidence store does not answer at the moment", headers={"Retry-After": "5"}
        )


class Unknown(Refusal):
    """Who asks is not known, or may not do this (RFC 6750)."""

    def __init__(self, code: Code, detail: str, **challenge: str) -> None:
        words = "".join(f', {name}="{value}"' for name, value in challenge.items())
        super().__init__(code, detail, headers={"WWW-Authenticate": f'Bearer realm="palimpsest"{words}'})


class BodyTooLarge(HTTPException):
    """The body exceeds the limit. An HTTPException, for it is raised inside FastAPI's reading of the body."""

    def __init__(self, limit: int) -> None:
        super().__init__(413, f"a body may have {limit} bytes")


def refused(problems: list[FieldProblem]) -> Refusal:
    """One refusal for all that is wrong with a request; its code is the first problem's."""
    more = len(problems) - MOST_FIELDS
    detail = f"{problems[0].field}: {problems[0].detail}" if problems[0].field else problems[0].detail
    if len(problems) > 1:
        detail += f" (and {len(problems) - 1} more, see errors)" if more <= 0 else f" (and {len(problems) - 1} more)"
    return Refusal(problems[0].code, detail, errors=problems[:MOST_FIELDS])


def answer(request: Request, refusal: Refusal) -> JSONResponse:
    """The problem document of a refusal."""
    known = STATUS[refusal.code]
    note(request.scope, code=str(refusal.code))
    problem = Problem(
        type=f"urn:palimpsest:problem:{refusal.code}",
        title=known.title,
        status=known.status,
        detail=refusal.detail,
        instance=f"urn:palimpsest:request:{request_id(request.scope)}",
        code=refusal.code,
        errors=refusal.errors,
    )
    headers = {"X-Request-Id": request_id(request.scope), **refusal.headers}
    return JSONResponse(problem.body(), known.status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Translate everything that can be raised into a problem document."""
    app.add_exception_handler(Refusal, _refusal)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(LedgerError, _ledger)
    for unreachable in database.UNREACHABLE:
        app.add_exception_handler(unreachable, _unreachable)
    app.add_exception_handler(Exception, _bug)


def _refusal(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)
    told = answer(request, error)
    if told.status_code == 401 and by_browser(request):
        # On a line of its own: of a line Chromium takes the first scheme only.
        told.headers.append("WWW-Authenticate", 'Basic realm="palimpsest", charset="UTF-8"')
    return told


def by_browser(request: Request) -> bool:
    """Whether somebody looks at a page, or a page of ours asks: then the browser may ask its user for the key."""
    told = request.headers
    looks = request.method == "GET" and "text/html" in told.get("accept", "")
    return looks or told.get("sec-fetch-site") == "same-origin"


def _malformed(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return answer(request, refused(field_problems(error.errors())))


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = BY_STATUS.get(error.status_code, Code.MALFORMED_REQUEST)
    headers = _allow(request) if code == Code.METHOD_NOT_ALLOWED else None
    return answer(request, Refusal(code, error.detail, headers=headers or error.headers))


def _allow(request: Request) -> dict[str, str]:
    """All methods of a documented path; Starlette names those of the first route that has it."""
    template = getattr(request.scope.get("route"), "path", "")
    operations = request.app.openapi()["paths"].get(template, {})
    return {"Allow": ", ".join(sorted(operations)).upper()} if operations else {}


NOT_FOUND: dict[type[LedgerError], tuple[Code, str]] = {
    NotFound: (Code.AUDIT_NOT_FOUND, "no audit has this id"),
    KeyNotFound: (Code.API_KEY_NOT_FOUND, "no API key has this id"),
    ImageNotFound: (Code.IMAGE_NOT_FOUND, "no uploaded image has this digest"),
    TargetSetNotFound: (Code.TARGET_SET_NOT_FOUND, "no uploaded target set has this id"),
    WebhookNotFound: (Code.WEBHOOK_NOT_FOUND, "no webhook has this id"),
    DeliveryNotFound: (Code.DELIVERY_NOT_FOUND, "the webhook has no delivery of this id"),
}
"""What is not there, whoever's it would be."""

FINALLY: dict[type[LedgerError], Code] = {
    AlreadyTerminal: Code.AUDIT_ALREADY_TERMINAL,
    ImageInUse: Code.IMAGE_IN_USE,
}
"""What is refused for good, in the ledger's own words."""


def _ledger(request: Request, error: Exception) -> JSONResponse:
    for kind, told in NOT_FOUND.items():
        if isinstance(error, kind):
            return answer(request, Refusal(*told))
    for kind, code in FINALLY.items():
        if isinstance(error, kind):
            return answer(request, Refusal(code, str(error), headers=FINAL))
    if isinstance(error, KeyReused):
        return answer(request, Refusal(Code.IDEMPOTENCY_KEY_REUSED, str(error)))
    if isinstance(error, QuotaExceeded):
        return answer(request, over_quota(error))
    raise error


def over_quota(error: QuotaExceeded) -> Refusal:
    """Which quota, in words and in the fields of the rate limits; when to come back, unless that is of no use."""
    when = {"Retry-After": QUOTA_SECONDS} if error.passes else FINAL
    told = {
        "RateLimit-Policy": f'"{error.quota}";q={error.most};qu="concurrent-requests"',
        "RateLimit": f'"{error.quota}";r={error.left}',
    }
    return Refusal(Code.QUOTA_EXCEEDED, str(error), headers={**when, **told})


def _unreachable(request: Request, error: Exception) -> JSONResponse:
    note(request.scope, cause=cause(error))
    detail = "the ledger's database does not answer at the moment"
    return answer(request, Refusal(Code.LEDGER_UNAVAILABLE, detail, headers={"Retry-After": "5"}))


def _bug(request: Request, error: Exception) -> JSONResponse:
    log.error("fault", request=request_id(request.scope), error=type(error).__name__, at=places(error))
    detail = "the service has a fault; its log has more under this instance"
    return answer(request, Refusal(Code.INTERNAL_ERROR, detail))
