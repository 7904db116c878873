"""Whether what callers rely on has been broken since the last release, without a version that says so.

``python -m service.compatibility`` compares docs/openapi.json and docs/report.schema.json with their baselines
(``*.baseline.json``) and leaves with every breach, unless the leftmost number of the version that is not 0 was raised.
``--accept`` makes the documents of today the baselines; that belongs to a release.

A reader of answers ignores what it does not know, and a request forbids it. So broken is

    anywhere     a path, method, field, enum value or media type that is gone, a type that is another
    in requests  a field or parameter newly required; a type, bound or pattern that takes less; unknown fields refused
    in answers   a field that may now be missing, a type that may now be another
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from service.narrowing import ASKED, TOLD, Documents, changes

Document = dict[str, Any]
METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
DOCS = Path(__file__).parents[1] / "docs"


def breaches_of_api(before: Document, after: Document) -> Iterator[str]:
    """What a caller of the one OpenAPI document cannot rely on in the other."""
    for path, item in before.get("paths", {}).items():
        if path not in after.get("paths", {}):
            yield f"{path} is gone"
            continue
        for method in METHODS:
            if method in item:
                where = f"{method.upper()} {path}"
                if method in after["paths"][path]:
                    documents = Documents(before, after)
                    yield from operation(documents, item[method], after["paths"][path][method], where)
                else:
                    yield f"{where} is gone"


def operation(documents: Documents, before: Document, after: Document, where: str) -> Iterator[str]:
    """One method of one path."""
    yield from parameters(documents, before, after, where)
    yield from body(documents, before, after, where)
    for status, answer in before.get("responses", {}).items():
        if status in after.get("responses", {}):
            now = after["responses"][status]
            yield from contents(documents, answer, now, TOLD, f"{where} {status}")
            for header in sorted(set(answer.get("headers", {})) - set(now.get("headers", {}))):
                yield f"{where} {status}: the header {header} is gone"
        elif status < "400":
            yield f"{where} {status} is gone"


def parameters(documents: Documents, before: Document, after: Document, where: str) -> Iterator[str]:
    """Path, query and header."""
    said = {(each["in"], each["name"]): each for each in before.get("parameters", [])}
    says = {(each["in"], each["name"]): each for each in after.get("parameters", [])}
    for kind, name in said:
        if (kind, name) not in says:
            yield f"{where}: the {kind} parameter {name} is gone"
    for (kind, name), now in says.items():
        earlier = said.get((kind, name))
        if now.get("required") and not (earlier or {}).get("required"):
            yield f"{where}: the {kind} parameter {name} is newly required"
        if earlier is not None:
            yield from changes(documents, earlier.get("schema", {}), now.get("schema", {}), ASKED, f"{where} {name}")


def body(documents: Documents, before: Document, after: Document, where: str) -> Iterator[str]:
    """What is sent."""
    earlier, now = before.get("requestBody"), after.get("requestBody")
    if now is not None and now.get("required") and not (earlier or {}).get("required"):
        yield f"{where}: a body is newly required"
    if earlier is not None:
        yield from contents(documents, earlier, now or {}, ASKED, f"{where} body")


def contents(documents: Documents, before: Document, after: Document, direction: str, where: str) -> Iterator[str]:
    """One body by its media types."""
    for media_type, described in before.get("content", {}).items():
        if media_type not in after.get("content", {}):
            yield f"{where}: {media_type} is gone"
            continue
        schema = after["content"][media_type].get("schema", {})
        yield from changes(documents, described.get("schema", {}), schema, direction, where)


def breaches_of_report(before: Document, after: Document) -> Iterator[str]:
    """What a reader of reports by the one schema cannot rely on in the other."""
    return changes(Documents(before, after), before, after, TOLD, "report")


def raised(before: str, after: str) -> bool:
    """Whether the leftmost number that is not 0 was raised, or one left of it: 0.1 to 0.2, 1.2 to 2.0."""
    said, says = ([int(part) for part in version.split(".")] for version in (before, after))
    place = next((i for i, number in enumerate(said) if number), len(said) - 1)
    return says[: place + 1] > said[: place + 1]


def broken(docs: Path) -> list[str]:
    """Every breach that no version excuses."""
    api, api_before = read(docs / "openapi.json"), read(docs / "openapi.baseline.json")
    report, report_before = read(docs / "report.schema.json"), read(docs / "report.schema.baseline.json")
    found: list[str] = []
    if not raised(api_before["info"]["version"], api["info"]["version"]):
        found += breaches_of_api(api_before, api)
    if not raised(report_before["$id"].rpartition(":")[2], report["$id"].rpartition(":")[2]):
        found += breaches_of_report(report_before, report)
    return list(dict.fromkeys(found))


def read(place: Path) -> Document:
    """A JSON document."""
    document: Document = json.loads(place.read_text(encoding="utf-8"))
    return document


def main() -> None:
    """Leave with what is broken, or accept it."""
    parser = argparse.ArgumentParser(prog="python -m service.compatibility", description=__doc__)
    parser.add_argument("--accept", action="store_true", help="make the documents of today the baselines")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where the documents are")
    asked = parser.parse_args()
    if asked.accept:
        for name in ("openapi", "report.schema"):
            (asked.docs / f"{name}.baseline.json").write_bytes((asked.docs / f"{name}.json").read_bytes())
    elif found := broken(asked.docs):
        sys.exit("\n".join(["This breaks callers; raise the version, or take it back:", *found]))


if __name__ == "__main__":
    main()
