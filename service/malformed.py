"""What is wrong with a request that is no AuditRequest: pydantic's findings as our codes, paths and sentences.

A path is dotted (``targets.3.images.0``) and empty for the whole body. Values are never repeated, and neither are
names that do not look like names: an unknown field may be a prompt in the wrong place.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from palimpsest.contract.problems import Code, FieldProblem
from palimpsest.contract.request import HOW_GIVEN

METHOD_LISTS = ("mitigations", "probes", "scorers", "detectors", "analyses")
TARGET_LISTS = ("targets", "controls")
NAME = re.compile(r"[A-Za-z0-9_.\[\]-]{1,64}")

Finding = Mapping[str, Any]
Path = list[str | int]


def field_problems(findings: Sequence[Finding]) -> list[FieldProblem]:
    """One problem for each finding, in order."""
    return [FieldProblem(field=dotted(finding), code=code(finding), detail=sentence(finding)) for finding in findings]


def dotted(finding: Finding) -> str:
    """Where it is, without the union's tag, which pydantic puts behind the index of a method."""
    path = _path(finding)
    if finding["type"] == "json_invalid":
        return ""
    if _in_method(path):
        path = [*path[:2], *path[3:]]
    elif finding["type"].startswith("union_tag"):
        path = [*path, "kind"]
    return ".".join(str(part) if isinstance(part, int) or NAME.fullmatch(part) else "?" for part in path)


def code(finding: Finding) -> Code:
    """MALFORMED_REQUEST, unless the finding is one that has a code of its own."""
    kind, path = finding["type"], _path(finding)
    if path == ["Idempotency-Key"]:
        return Code.IDEMPOTENCY_KEY_MISSING if kind == "missing" else Code.IDEMPOTENCY_KEY_INVALID
    if kind.startswith("union_tag") or (kind == "extra_forbidden" and _in_method(path)):
        return Code.UNKNOWN_METHOD
    if kind in ("too_long", "too_short") and len(path) == 1 and path[0] in TARGET_LISTS:
        return Code.TOO_MANY_TARGETS if kind == "too_long" else Code.NO_TARGETS
    if kind in ("value_error", "literal_error", "string_too_short") and _in_image(path):
        return Code.IMAGE_UNREADABLE
    return Code.MALFORMED_REQUEST


def sentence(finding: Finding) -> str:
    """What is wrong, in words that repeat nothing of what was sent."""
    kind, context = finding["type"], finding.get("ctx", {})
    if kind == "json_invalid":
        return f"not JSON: {context['error']}"
    if kind == "union_tag_invalid":
        return f"there is no such method here; there are {context['expected_tags']}"
    if kind == "union_tag_not_found":
        return "a method is named by its kind"
    if kind == "extra_forbidden":
        path = _path(finding)
        return f"{path[2]} has no such parameter" if _in_method(path) else "there is no such field"
    if kind == "value_error":
        return str(context["error"])
    return str(finding["msg"])


def _path(finding: Finding) -> Path:
    """Without the first part, which says whether it is the body, the query or a header, and without an image's tag."""
    path = list(finding["loc"][1:])
    tagged = len(path) > 4 and path[0] in TARGET_LISTS and path[2] == "images" and path[4] in HOW_GIVEN
    return [*path[:4], *path[5:]] if tagged else path


def _in_method(path: Path) -> bool:
    return len(path) > 2 and path[0] in METHOD_LISTS


def _in_image(path: Path) -> bool:
    return len(path) == 5 and path[0] in TARGET_LISTS and path[2] == "images"
