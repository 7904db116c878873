"""What OpenAPI says of the answers: every problem a route can end in, and the headers that matter."""

from typing import Any

from pydantic.json_schema import models_json_schema

from palimpsest.contract.problems import Code, Problem
from palimpsest.contract.request import AuditRequest
from palimpsest.contract.status import Admitted, AuditStatus
from palimpsest.contract.uploads import MOST_FILES, MOST_TITLE
from palimpsest.renderings.formats import RENDERED
from service.errors import MEDIA_TYPE, STATUS
from service.images import FORMATS

Responses = dict[int | str, dict[str, Any]]

UNASKED = (Code.LEDGER_UNAVAILABLE, Code.BODY_TOO_LARGE, Code.INTERNAL_ERROR)
"""Of every route, also of one that asks nobody who they are."""
ALWAYS = (*UNASKED, Code.API_KEY_MISSING, Code.API_KEY_INVALID, Code.SCOPE_MISSING, Code.RATE_LIMITED)
ADMISSION = (
    Code.MALFORMED_REQUEST,
    Code.IDEMPOTENCY_KEY_MISSING,
    Code.IDEMPOTENCY_KEY_INVALID,
    Code.IDEMPOTENCY_KEY_REUSED,
    Code.UNKNOWN_MODEL,
    Code.UNKNOWN_TARGET_SET,
    Code.UNKNOWN_METHOD,
    Code.METHOD_NOT_APPLICABLE,
    Code.TOO_MANY_TARGETS,
    Code.NO_TARGETS,
    Code.TARGET_EMPTY,
    Code.TARGET_WITHOUT_IMAGE,
    Code.IMAGE_UNREADABLE,
    Code.TOO_MANY_PIXELS,
    Code.UNKNOWN_IMAGE,
    Code.REGION_UNSUPPORTED,
    Code.REGION_OUTSIDE,
    Code.REGION_TOO_SMALL,
    Code.TOO_MANY_REGIONS,
    Code.BASELINE_MODEL_UNSUPPORTED,
    Code.CATALOGUE_NOT_READY,
    Code.QUOTA_EXCEEDED,
)


def _header(description: str, kind: str = "string") -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}}


CHALLENGE = _header("`Bearer`, what is wrong with the key, and the scope it lacks (RFC 6750)")


HEADERS: dict[int | str, dict[str, Any]] = {
    401: {"WWW-Authenticate": CHALLENGE},
    403: {"WWW-Authenticate": CHALLENGE},
    429: {
        "Retry-After": _header("whole seconds until it is worth asking again", "integer"),
        "RateLimit-Policy": _header("the rates and quotas (draft-ietf-httpapi-ratelimit-headers)"),
        "RateLimit": _header("what is left of them"),
    },
}
"""Of problems, by status."""


def problems(*codes: Code) -> Responses:
    """The problem documents of these codes, by status."""
    by_status: dict[int | str, list[Code]] = {}
    for code in codes:
        by_status.setdefault(STATUS[code].status, []).append(code)
    return {
        status: {
            "model": Problem,
            "description": " · ".join(f"`{code}`" for code in sorted(listed)),
            **({"headers": HEADERS[status]} if status in HEADERS else {}),
        }
        for status, listed in by_status.items()
    }


RETRY_AFTER = _header("whole seconds until it is worth asking again; absent once the audit has ended", "integer")
ETAG = _header("weak; changes with every revision")
LOCATION = _header("where the audit is")
REPLAYED = _header("`true` when the Idempotency-Key had been used for this request before")


def linked(parameter: str, place: str = "id", **operations: str) -> dict[str, Any]:
    """What can be asked about the thing that an answer tells of; its id is at ``place`` in the answer."""
    told = {parameter: f"$response.body#/{place}"}
    return {"links": {name: {"operationId": its, "parameters": told} for name, its in operations.items()}}


ACCEPTED: dict[str, Any] = {
    "description": "The audit is recorded and will be done",
    "headers": {"Location": LOCATION, "Retry-After": RETRY_AFTER, "ETag": ETAG, "Idempotent-Replayed": REPLAYED},
    **linked(
        "audit_id",
        status="get_audit",
        report="get_report",
        cancel="cancel_audit",
        events="list_events",
        page="audit_page",
    ),
}
REUSED: dict[str, Any] = {
    "model": AuditStatus | Admitted,
    "description": "An equal request has been answered before, by this audit; or `validate_only`, and it is admitted",
    "headers": {"Location": LOCATION, "ETag": ETAG},
}
APPLIED = _header("`wait=N` when the answer was held back, for up to so long")
FOUND: dict[str, Any] = {"headers": {"ETag": ETAG, "Retry-After": RETRY_AFTER, "Preference-Applied": APPLIED}}
CURRENT: dict[str, Any] = {
    "description": "Nothing has changed since the revision in If-None-Match",
    "headers": {"ETag": ETAG, "Retry-After": RETRY_AFTER, "Preference-Applied": APPLIED},
}
REPORT: dict[str, Any] = {
    "description": "The report, in one of these formats",
    "headers": {"ETag": _header("strong; a report never changes")},
    "content": {each.media_type: {"schema": {"type": "string", "format": "binary"}} for each in RENDERED},
}
REPORT_CURRENT: dict[str, Any] = {"description": "The caller has it", "headers": {"ETag": _header("strong")}}
TOLD: dict[str, Any] = {
    "description": "The events, as a list or as a stream that ends with the audit",
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}
PAGE: dict[str, Any] = {"description": "A page", "content": {"text/html": {"schema": {"type": "string"}}}}
EVIDENCE: dict[str, Any] = {
    "description": "The file, under the media type it was kept with",
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}
NOTHING_FOLLOWS: dict[str, Any] = {
    "description": "The audit has ended and the stream is to be resumed behind its last event: do not come back",
}

TAKEN_AWAY: dict[str, Any] = {
    "description": "What is added to the weights of the audited model, by the denoiser's parameter names, in float32",
    "headers": {"ETag": _header("the sha256 of the file, in double quotes")},
    "content": {"application/vnd.safetensors": {"schema": {"type": "string", "format": "binary"}}},
}
UNCHANGED: dict[str, Any] = {"description": "The file is that of the ETag in If-None-Match"}

BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/AuditRequest"}}},
    }
}
"""The body of a submission, which is read by ``service/reading.py`` and not by FastAPI."""

FILES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "additionalProperties": False,
                    "properties": {
                        "file": {
                            "type": "array",
                            "minItems": 1,
                            "maxItems": MOST_FILES,
                            "items": {"type": "string", "format": "binary"},
                        }
                    },
                },
                "encoding": {"file": {"contentType": ", ".join((*FORMATS, "application/octet-stream"))}},
            }
        },
    }
}
"""The body of an upload of pictures."""
_TEXT = {"schema": {"type": "string"}}
LIST: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": _TEXT,
            "application/x-ndjson": _TEXT,
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "additionalProperties": False,
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "title": {"type": "string", "maxLength": MOST_TITLE},
                    },
                },
                "encoding": {"file": {"contentType": "text/csv, application/x-ndjson"}},
            },
        },
    }
}
"""The body of an upload of a list of targets."""

AUDIT_ID = "from the answer to POST /v1/audits"


def with_requests(schema: dict[str, Any]) -> dict[str, Any]:
    """The same OpenAPI document, with the schemas that ``BODY`` refers to."""
    _, definitions = models_json_schema([(AuditRequest, "validation")], ref_template="#/components/schemas/{model}")
    schema["components"]["schemas"] |= definitions["$defs"]
    return schema


def as_problem_json(schema: dict[str, Any]) -> dict[str, Any]:
    """The same OpenAPI document, with problems under their own media type and without FastAPI's own kind of 422."""
    for own in ("HTTPValidationError", "ValidationError"):
        schema["components"]["schemas"].pop(own, None)
    for operation in (operation for path in schema["paths"].values() for operation in path.values()):
        responses = operation["responses"]
        if responses.get("422", {}).get("description") == "Validation Error":
            del responses["422"]
        for response in (response for status, response in responses.items() if status >= "400"):
            response["content"] = {MEDIA_TYPE: response["content"]["application/json"]}
    return schema
