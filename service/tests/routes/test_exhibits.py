"""Reading what audits kept over HTTP."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from ledger import units
from ledger.errors import NotFound
from ledger.stages import StagePlan, UnitPlan
from palimpsest.contract.problems import Code
from service import audits
from service.errors import Refusal
from service.gateway import Gateway
from service.tests.conftest import Bench

Asked = Callable[..., dict[str, Any]]
EMBEDDING = b"\x02\x00\x00\x00\x00\x00\x00\x00{}"
DIGEST = hashlib.sha256(EMBEDDING).hexdigest()


@pytest.fixture
def audit(bench: Bench, asked: Asked) -> str:
    """An audit whose first unit kept an embedding."""
    audit_id = bench.submitted(asked())
    ticket = bench.claim(bench.dispatch.published[-1])
    kept = bench.evidence.put("local", EMBEDDING, name="y", kind="embedding", media_type="application/vnd.safetensors")
    follows = StagePlan("report", [UnitPlan("report", {}, critical=True)], after=["plan"])
    with bench.ledger.writing() as connection:
        units.finish(connection, ticket, {}, [kept], planned=[follows])
    return audit_id


def test_a_file_is_told_byte_for_byte(bench: Bench, audit: str) -> None:
    """Under its own media type, and never as a page that a browser would show."""
    answer = bench.client.get(f"/v1/audits/{audit}/evidence/{DIGEST}")
    assert (answer.status_code, answer.content) == (200, EMBEDDING)
    assert answer.headers["Content-Type"] == "application/vnd.safetensors"
    assert answer.headers["Content-Disposition"] == "attachment"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "private, no-cache"


def test_the_images_of_a_request_are_among_them(bench: Bench, audit: str, picture: Callable[..., bytes]) -> None:
    """By the digest that the report's request names."""
    digest = hashlib.sha256(picture()).hexdigest()
    answer = bench.client.get(f"/v1/audits/{audit}/evidence/{digest}")
    assert (answer.status_code, answer.content) == (200, picture())
    assert answer.headers["Content-Type"] == "image/png"


@pytest.mark.parametrize("digest", ["0" * 64, "ff", DIGEST.upper(), "%00", f"{DIGEST}%00"])
def test_what_the_audit_did_not_keep_is_not_there(bench: Bench, audit: str, digest: str) -> None:
    """404, whatever stands in a digest's place."""
    answer = bench.client.get(f"/v1/audits/{audit}/evidence/{digest}")
    assert (answer.status_code, answer.json()["code"]) == (404, "EVIDENCE_NOT_FOUND")


def test_another_audits_file_is_not_this_ones(bench: Bench, audit: str, asked: Asked) -> None:
    """Though the bytes are in the same store, under the same tenant."""
    other = bench.submitted(asked(seed=1), key="key-0000-0000-0002")
    answer = bench.client.get(f"/v1/audits/{other}/evidence/{DIGEST}")
    assert (answer.status_code, answer.json()["code"]) == (404, "EVIDENCE_NOT_FOUND")
    lost = bench.client.get(f"/v1/audits/aud_00000000000000000000000000/evidence/{DIGEST}")
    assert (lost.status_code, lost.json()["code"]) == (404, "AUDIT_NOT_FOUND")
    assert bench.client.get(f"/v1/audits/{audit}/evidence/{DIGEST}").status_code == 200


def test_another_tenants_file_is_not_there(bench: Bench, audit: str) -> None:
    """Neither the audit nor, under an audit of one's own, the file."""
    gateway: Gateway = bench.client.app.state.gateway  # type: ignore[attr-defined]
    with pytest.raises(NotFound):
        audits.evidence(gateway, "other", audit, DIGEST)
    with bench.ledger.writing() as connection:
        connection.exec_driver_sql("UPDATE evidence SET tenant_id = 'other'")
    with pytest.raises(Refusal) as refusal:
        audits.evidence(gateway, "local", audit, DIGEST)
    assert refusal.value.code == Code.EVIDENCE_NOT_FOUND


def test_a_file_whose_time_is_over_is_gone(bench: Bench, audit: str) -> None:
    """410 once every row of it is retired, whether or not its bytes are still there; one row holds it."""
    with bench.ledger.writing() as connection:
        connection.exec_driver_sql(
            "INSERT INTO evidence (tenant_id, audit_id, unit_id, name, kind, digest, media_type, created_at) "
            "SELECT tenant_id, audit_id, 'unit_2', name, kind, digest, media_type, created_at FROM evidence "
            f"WHERE digest = '{DIGEST}'"
        )
        connection.exec_driver_sql(
            f"UPDATE evidence SET removed_at = 1.0 WHERE digest = '{DIGEST}' AND unit_id != 'unit_2'"
        )
    assert bench.client.get(f"/v1/audits/{audit}/evidence/{DIGEST}").status_code == 200
    with bench.ledger.writing() as connection:
        connection.exec_driver_sql(f"UPDATE evidence SET removed_at = 1.0 WHERE digest = '{DIGEST}'")
    answer = bench.client.get(f"/v1/audits/{audit}/evidence/{DIGEST}")
    assert (answer.status_code, answer.json()["code"]) == (410, "EVIDENCE_REMOVED")
    assert answer.headers["x-should-retry"] == "false"


def test_a_file_that_was_tampered_with_is_not_told(bench: Bench, audit: str) -> None:
    """Bytes that do not have their digest any more are a fault of the service."""
    (bench.evidence.root / "local" / DIGEST[:2] / DIGEST).write_bytes(b"other")
    answer = bench.client.get(f"/v1/audits/{audit}/evidence/{DIGEST}")
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL_ERROR")


def test_a_file_in_a_store_that_is_away_is_asked_for_later(bench: Bench, audit: str) -> None:
    """A file stands where the evidence's folder was: 503 and Retry-After."""
    bench.evidence.root.rename(bench.evidence.root.with_name("aside"))
    bench.evidence.root.write_text("in the way")
    answer = bench.client.get(f"/v1/audits/{audit}/evidence/{DIGEST}")
    assert (answer.status_code, answer.json()["code"]) == (503, "LEDGER_UNAVAILABLE")
    assert answer.headers["Retry-After"].isdecimal()
