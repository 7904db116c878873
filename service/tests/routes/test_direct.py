"""Parameters that a direct route reads by itself, and how it is described."""

from typing import Annotated, Any

import pytest
from fastapi.exceptions import RequestValidationError
from pydantic import Field
from starlette.requests import Request

from service.routes.direct import Parameter
from service.tests.conftest import Bench

NAME = Parameter[str]("X-Name", "header", Annotated[str, Field(pattern="^[a-z]+$")], "a name")
COUNT = Parameter("count", "query", Annotated[int, Field(ge=1)], "how many", 7)


def asked(query: bytes = b"", **headers: str) -> Request:
    """A request."""
    listed = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": listed, "query_string": query, "path_params": {}})


def test_a_parameter_is_read_or_has_its_default() -> None:
    """From the header and the query; names of headers have no case."""
    assert NAME.read(asked(x_name="cat")) == "cat"
    assert (COUNT.read(asked(b"count=3")), COUNT.read(asked())) == (3, 7)


@pytest.mark.parametrize(
    ("parameter", "request_", "kind", "place"),
    [
        (NAME, asked(), "missing", ("header", "X-Name")),
        (NAME, asked(x_name="CAT"), "string_pattern_mismatch", ("header", "X-Name")),
        (COUNT, asked(b"count=x"), "int_parsing", ("query", "count")),
        (COUNT, asked(b"count=0"), "greater_than_equal", ("query", "count")),
    ],
)
def test_what_is_wrong_is_found_where_it_is(
    parameter: Parameter[Any], request_: Request, kind: str, place: tuple[str, ...]
) -> None:
    """As FastAPI would say it, and without the value."""
    with pytest.raises(RequestValidationError) as raised:
        parameter.read(request_)
    (finding,) = raised.value.errors()
    assert (finding["type"], finding["loc"]) == (kind, place)
    assert "input" not in finding


def test_a_parameter_is_described_as_it_is_read() -> None:
    """Its bounds are in the schema, and it is required unless it has a default."""
    assert NAME.described() == {
        "name": "X-Name",
        "in": "header",
        "required": True,
        "description": "a name",
        "schema": {"type": "string", "pattern": "^[a-z]+$"},
    }
    assert COUNT.described()["schema"] == {"type": "integer", "minimum": 1}
    assert not COUNT.described()["required"]


def test_direct_routes_are_described_like_the_others(bench: Bench) -> None:
    """Parameters, the body and the answers of a submission and of a poll; every reference leads somewhere."""
    document = bench.client.get("/openapi.json").json()
    submit, poll = document["paths"]["/v1/audits"]["post"], document["paths"]["/v1/audits/{audit_id}"]["get"]
    assert {parameter["name"] for parameter in submit["parameters"]} == {"Idempotency-Key", "validate_only"}
    assert {parameter["name"] for parameter in poll["parameters"]} == {"audit_id", "If-None-Match", "Prefer"}
    assert (submit["operationId"], poll["operationId"]) == ("submit_audit", "get_audit")
    assert set(poll["responses"]) >= {"200", "304", "404", "503"}
    schemas = document["components"]["schemas"]
    named = submit["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    assert "mitigations" in schemas[named]["properties"]

    def referred(part: Any) -> set[str]:
        if isinstance(part, list):
            return set().union(*map(referred, part))
        if not isinstance(part, dict):
            return set()
        own = {part["$ref"].rpartition("/")[2]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*map(referred, part.values()))

    assert referred(document) <= set(schemas)


def test_another_method_is_told_which_there_are(bench: Bench) -> None:
    """405, though the endpoint is called without ceremony."""
    answer = bench.client.delete("/v1/audits/aud_01M8607V55EVBN8TBSARPMQB85")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")
