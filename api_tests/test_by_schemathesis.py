"""schemathesis against the OpenAPI document that a real gateway serves, and against that gateway."""

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from api_tests.accepted_bodies import OWN_KEY
from api_tests.stack import ROOT
from palimpsest.contract.keys import IssuedKey
from palimpsest.tests.example import a_report
from service.init import first_key
from service.opening import opened
from service.settings import Settings
from service.tests.standing import standing

CONFIGURATION = ROOT / "api_tests" / "schemathesis.toml"
UNBOUNDED = ("RATE_OF_KEY", "RATE_OF_TENANT", "QUOTA_AUDITS", "QUOTA_TARGETS")
"""Thousands of requests in a minute are over any sensible limit; service/tests/test_limits.py has those."""


@dataclass(frozen=True)
class Asked:
    """A gateway that wants keys, one with every scope, and where the gateway writes a line for each request."""

    url: str
    key: IssuedKey
    log: Path

    def statuses(self) -> dict[tuple[str, str], set[int]]:
        """What was answered on each route."""
        found = defaultdict(set)
        for text in self.log.read_text().splitlines():
            line = json.loads(text) if text.startswith("{") else {}
            if line.get("event") == "request" and line["route"]:
                found[line["method"], line["route"]].add(line["status"])
        return found


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    """In a process of its own, on the embedded ledger, behind keys; audits end at once."""
    for name in UNBOUNDED:
        monkeypatch.setenv(f"PALIMPSEST_{name}", "0")
    ledger = opened(Settings(home=tmp_path))
    key = first_key(ledger, "local")
    ledger.close()
    monkeypatch.setenv(OWN_KEY, key.id)
    with standing(tmp_path, lambda request: a_report()) as url:
        yield Asked(url, key, tmp_path / "gateway.log")


def test_the_gateway_does_what_its_openapi_document_says(gateway: Asked, tmp_path: Path) -> None:
    """Every operation, every check, no failure; and what came back was not only refusals.

    Some 3000 requests, one after another by two who ask: most of a minute.
    """
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION), "run", "--no-color"]
    header = f"Authorization: Bearer {gateway.key.key}"
    ran = subprocess.run(
        [
            *command,
            f"{gateway.url}/openapi.json",
            "--header",
            header,
            "--report-json-path",
            str(tmp_path / "told.json"),
        ],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    answered = gateway.statuses()
    document = httpx.get(f"{gateway.url}/openapi.json").json()["paths"]
    operations = {(method.upper(), path) for path, methods in document.items() for method in methods}
    assert operations <= answered.keys()
    assert not [route for route, seen in answered.items() if seen & set(range(500, 600))]
    given = {route for route in operations if answered[route] & set(range(200, 300))}
    assert {(method, path) for method, path in operations if "{" not in path} <= given
    assert len({path for _, path in given if "{" in path}) >= 4  # reached by links: a key, an audit, a set, a webhook
    assert httpx.get(f"{gateway.url}/v1/audits", headers={"Authorization": header[15:]}).status_code == 200
