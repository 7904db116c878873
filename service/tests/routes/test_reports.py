"""Reading reports over HTTP."""

import hashlib
from collections.abc import Callable
from typing import Any

from ledger import accesses
from service.tests.conftest import Bench
from service.tests.keyed import a_key, ask

Asked = Callable[..., dict[str, Any]]


def test_a_report_is_told_byte_for_byte(bench: Bench, asked: Asked) -> None:
    """Odd spacing and fields of a later release arrive as the worker wrote them."""
    audit = bench.submitted(asked())
    written = b'{"schema_version":  "1.0",\n "from_the_future": 0.1}'
    bench.conclude(written)
    answer = bench.client.get(f"/v1/audits/{audit}/report")
    assert (answer.status_code, answer.content) == (200, written)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "private, no-cache"


def test_a_report_that_is_still_to_come_is_asked_for_later(bench: Bench, asked: Asked) -> None:
    """409 with Retry-After, and nothing that keeps an SDK from repeating."""
    audit = bench.submitted(asked())
    answer = bench.client.get(f"/v1/audits/{audit}/report")
    assert (answer.status_code, answer.json()["code"]) == (409, "REPORT_NOT_READY")
    assert answer.headers["Retry-After"].isdecimal()
    assert "x-should-retry" not in answer.headers


def test_a_failed_audit_says_why_there_is_no_report(bench: Bench, asked: Asked) -> None:
    """409 with the code the audit failed with, and the word that repeating is of no use."""
    audit = bench.submitted(asked())
    bench.fail("MODEL_CHANGED")
    answer = bench.client.get(f"/v1/audits/{audit}/report")
    assert (answer.status_code, answer.json()["code"]) == (409, "REPORT_NOT_READY")
    assert "MODEL_CHANGED" in answer.json()["detail"]
    assert answer.headers["x-should-retry"] == "false"
    assert "Retry-After" not in answer.headers


def test_a_cancelled_audit_has_a_partial_report(bench: Bench, asked: Asked) -> None:
    """What the report unit wrote after the cancellation can be read."""
    audit = bench.submitted(asked())
    bench.client.post(f"/v1/audits/{audit}/cancel")
    bench.write_report(b'{"partial": true}')
    assert bench.client.get(f"/v1/audits/{audit}").json()["state"] == "cancelled"
    assert bench.client.get(f"/v1/audits/{audit}/report").json() == {"partial": True}


def test_a_report_that_was_tampered_with_is_not_told(bench: Bench, asked: Asked) -> None:
    """Bytes that do not have their digest any more are a fault of the service, not an answer."""
    audit = bench.submitted(asked())
    bench.conclude(b'{"verdict": "concealed"}')
    folder = bench.evidence.root / "local"
    blob = next(path for path in folder.rglob("*") if path.is_file() and path.read_bytes().startswith(b"{"))
    blob.write_bytes(b'{"verdict": "not_recovered"}')
    answer = bench.client.get(f"/v1/audits/{audit}/report")
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL_ERROR")
    assert "force_new" in answer.json()["detail"]


def test_a_report_whose_time_is_over_is_gone(bench: Bench, asked: Asked) -> None:
    """410 from the moment it is retired, whether or not its bytes are still there, and no use in repeating."""
    audit = bench.submitted(asked())
    bench.conclude(b"{}")
    with bench.ledger.writing() as connection:
        connection.exec_driver_sql("UPDATE evidence SET removed_at = 1.0 WHERE kind = 'report'")
    answer = bench.client.get(f"/v1/audits/{audit}/report")
    assert (answer.status_code, answer.json()["code"]) == (410, "REPORT_REMOVED")
    assert answer.headers["x-should-retry"] == "false"


def test_a_report_in_a_store_that_is_away_is_asked_for_later(bench: Bench, asked: Asked) -> None:
    """A file stands where the evidence's folder was: 503 and Retry-After."""
    audit = bench.submitted(asked())
    bench.conclude(b"{}")
    bench.evidence.root.rename(bench.evidence.root.with_name("aside"))
    bench.evidence.root.write_text("in the way")
    answer = bench.client.get(f"/v1/audits/{audit}/report")
    assert (answer.status_code, answer.json()["code"]) == (503, "LEDGER_UNAVAILABLE")
    assert answer.headers["Retry-After"].isdecimal()


def test_whoever_reads_a_report_is_recorded(bench: Bench, asked: Asked) -> None:
    """Each time, by the id of the key; not who asked in vain. So is whoever reads a kept file, by its digest."""
    audit_id = bench.submitted(asked())
    key = a_key(bench, "audits:read")
    assert ask(bench, key, f"/v1/audits/{audit_id}/report").status_code == 409
    bench.conclude(b"{}")
    for _ in range(2):
        assert ask(bench, key, f"/v1/audits/{audit_id}/report").content == b"{}"
    reader = a_key(bench, "evidence:read")
    digest = hashlib.sha256(b"{}").hexdigest()
    for name in (digest, "0" * 64):
        ask(bench, reader, f"/v1/audits/{audit_id}/evidence/{name}")
    with bench.ledger.reading() as connection:
        rows = accesses.after(connection, "local", 0)
    told = [(row.actor, row.action, row.subject) for row in rows if row.action != "key.issued"]
    read = (reader.id, "evidence.read", f"{audit_id}/{digest}")
    assert told == [(key.id, "report.read", audit_id), (key.id, "report.read", audit_id), read]
