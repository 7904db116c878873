"""What breaks a caller, by small documents made by hand, and that nothing of today breaks one of the baseline."""

import copy
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service import compatibility
from service.compatibility import DOCS, breaches_of_api, breaches_of_report, broken, raised

Change = Callable[[dict[str, Any]], Any]

API: dict[str, Any] = {
    "info": {"version": "0.1.0"},
    "paths": {
        "/things/{id}": {
            "get": {
                "parameters": [
                    {"in": "path", "name": "id", "required": True, "schema": {"type": "string"}},
                    {"in": "query", "name": "limit", "schema": {"type": "integer", "maximum": 100}},
                ],
                "responses": {
                    "200": {
                        "headers": {"ETag": {}},
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}},
                    },
                    "404": {"content": {"application/problem+json": {"schema": {}}}},
                },
            },
            "post": {
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Asked"}}}},
                "responses": {"202": {}},
            },
        }
    },
    "components": {
        "schemas": {
            "Thing": {
                "type": "object",
                "required": ["state"],
                "properties": {"state": {"enum": ["queued", "done"]}, "size": {"type": "integer"}},
            },
            "Asked": {"type": "object", "required": ["model"], "properties": {"model": {"type": "string"}}},
        }
    },
}
GET = "GET /things/{id}"


def changed(change: Change) -> dict[str, Any]:
    """The document, but for a change."""
    document = copy.deepcopy(API)
    change(document)
    return document


def got(document: dict[str, Any]) -> Any:
    """The operation GET."""
    return document["paths"]["/things/{id}"]["get"]


def posted(document: dict[str, Any]) -> Any:
    """The operation POST."""
    return document["paths"]["/things/{id}"]["post"]


def schemas(document: dict[str, Any]) -> Any:
    """The messages."""
    return document["components"]["schemas"]


@pytest.mark.parametrize(
    ("change", "breach"),
    [
        (lambda d: d["paths"].clear(), "/things/{id} is gone"),
        (lambda d: d["paths"]["/things/{id}"].pop("post"), "POST /things/{id} is gone"),
        (lambda d: got(d)["parameters"].pop(), f"{GET}: the query parameter limit is gone"),
        (
            lambda d: got(d)["parameters"][1].update(required=True),
            f"{GET}: the query parameter limit is newly required",
        ),
        (
            lambda d: got(d)["parameters"].append({"in": "header", "name": "X", "required": True}),
            f"{GET}: the header parameter X is newly required",
        ),
        (lambda d: got(d)["parameters"][1]["schema"].update(maximum=10), f"{GET} limit: maximum is 10, was 100"),
        (lambda d: got(d)["responses"].pop("200"), f"{GET} 200 is gone"),
        (lambda d: got(d)["responses"]["200"]["content"].clear(), f"{GET} 200: application/json is gone"),
        (lambda d: got(d)["responses"]["200"]["headers"].clear(), f"{GET} 200: the header ETag is gone"),
        (lambda d: schemas(d)["Thing"]["properties"].pop("size"), f"{GET} 200.size is gone"),
        (lambda d: schemas(d)["Thing"]["required"].clear(), f"{GET} 200.state may now be missing"),
        (
            lambda d: schemas(d)["Thing"]["properties"]["state"].update(enum=["done"]),
            f"{GET} 200.state: the value 'queued' is gone",
        ),
        (
            lambda d: schemas(d)["Asked"]["required"].append("seed"),
            "POST /things/{id} body.seed is newly required",
        ),
        (
            lambda d: schemas(d)["Asked"]["properties"].update(model={"type": "integer"}),
            "POST /things/{id} body.model: string is no longer taken",
        ),
        (lambda d: posted(d)["requestBody"].update(required=True), "POST /things/{id}: a body is newly required"),
    ],
)
def test_what_breaks_a_caller(change: Change, breach: str) -> None:
    """One change, one breach."""
    assert list(breaches_of_api(API, changed(change))) == [breach]


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["paths"].update({"/others": {"get": {"responses": {}}}}),
        lambda d: got(d)["parameters"].append({"in": "query", "name": "cursor", "schema": {"type": "string"}}),
        lambda d: got(d)["responses"].pop("404"),
        lambda d: schemas(d)["Thing"]["properties"].update(color={"type": "string"}),
        lambda d: schemas(d)["Thing"]["properties"]["state"]["enum"].append("failed"),
        lambda d: schemas(d)["Asked"]["properties"].update(seed={"type": "integer"}),
        lambda d: schemas(d)["Asked"]["required"].clear(),
        lambda d: d["info"].update(version="0.1.1", title="another"),
    ],
)
def test_what_breaks_nobody(change: Change) -> None:
    """Whatever is added, and whatever is asked for no longer."""
    assert list(breaches_of_api(API, changed(change))) == []


def test_a_report_is_read_not_sent() -> None:
    """A field that may be missing, or null, breaks its readers; one more does not."""
    rate = {"rate": {"type": "number"}}
    whole = {"type": "object", "required": ["rate"], "properties": rate}
    more = whole | {"properties": rate | {"n": {"type": "integer"}}, "required": ["rate", "n"]}
    assert list(breaches_of_report(whole, more)) == []
    assert list(breaches_of_report(whole, whole | {"required": []})) == ["report.rate may now be missing"]
    null = whole | {"properties": {"rate": {"anyOf": [{"type": "number"}, {"type": "null"}]}}}
    assert list(breaches_of_report(whole, null)) == ["report.rate: may now be null"]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("0.1.0", "0.2.0", True),
        ("0.1.0", "1.0.0", True),
        ("0.1.0", "0.1.1", False),
        ("1.2", "2.0", True),
        ("1.2", "1.3", False),
        ("2.0", "1.9", False),
        ("0.0", "0.1", True),
    ],
)
def test_a_version_that_says_so(before: str, after: str, expected: bool) -> None:
    """The leftmost number that is not 0 is the one that counts."""
    assert raised(before, after) is expected


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A copy of the documents of today and of the last release."""
    for name in ("openapi", "report.schema"):
        for kind in ("", ".baseline"):
            shutil.copy(DOCS / f"{name}{kind}.json", tmp_path)
    return tmp_path


def rewrite(place: Path, change: Change) -> None:
    """Change a JSON document in its file."""
    document = json.loads(place.read_text(encoding="utf-8"))
    change(document)
    place.write_text(json.dumps(document), encoding="utf-8")


def test_nothing_of_today_breaks_a_caller_of_the_last_release() -> None:
    """Or the version says so."""
    assert broken(DOCS) == []


def test_a_breach_of_the_real_documents_needs_a_version(docs: Path) -> None:
    """A field of the report and a path of the API; each is excused by its own version, and by being accepted."""
    rewrite(docs / "report.schema.json", lambda d: d["properties"].pop("seeds"))
    rewrite(docs / "openapi.json", lambda d: d["paths"].pop("/v1/methods"))
    found = broken(docs)
    assert "/v1/methods is gone" in found
    assert "report.seeds is gone" in found
    rewrite(docs / "report.schema.json", lambda d: d.update({"$id": "urn:palimpsest:report:2.0"}))
    assert "report.seeds is gone" not in broken(docs)
    rewrite(docs / "openapi.json", lambda d: d["info"].update(version="0.2.0"))
    assert broken(docs) == []


def test_it_is_a_command(docs: Path) -> None:
    """0 where nothing is broken, 1 with every breach where something is, until it is accepted."""
    command = [sys.executable, "-m", "service.compatibility", "--docs", str(docs)]

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *words], check=False, timeout=60, capture_output=True, text=True)

    assert run().returncode == 0
    rewrite(docs / "openapi.json", lambda d: d["paths"].pop("/v1/methods"))
    refused = run()
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[1:] == ["/v1/methods is gone"]
    assert run("--accept").returncode == 0
    assert run().returncode == 0


def test_the_makefile_asks() -> None:
    """``make check`` runs both commands."""
    text = (compatibility.DOCS.parent / "Makefile").read_text(encoding="utf-8")
    assert "-m service.openapi --check" in text
    assert "-m service.compatibility" in text
