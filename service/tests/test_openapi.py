"""docs/openapi.json is the gateway's, to the byte."""

import json
from pathlib import Path

from openapi_spec_validator import validate

from service import openapi
from service.tests.conftest import Bench


def test_the_published_document_is_current() -> None:
    """A change of a route without ``python -m service.openapi`` fails here."""
    assert openapi.is_current()


def test_it_is_what_a_gateway_serves(bench: Bench) -> None:
    """And OpenAPI by its own schema."""
    served = bench.client.get("/openapi.json").json()
    assert json.loads(openapi.PLACE.read_text(encoding="utf-8")) == served
    validate(served)


def test_a_stale_or_missing_file_is_noticed(tmp_path: Path) -> None:
    """A file is current only if it holds exactly the document."""
    place = tmp_path / "openapi.json"
    assert not openapi.is_current(place)
    place.write_text(openapi.text() + "\n", encoding="utf-8")
    assert not openapi.is_current(place)
