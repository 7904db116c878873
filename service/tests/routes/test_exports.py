"""Taking away what a joint mitigation has made."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn

from ledger import exports, units
from ledger.stages import StagePlan, UnitPlan
from ledger.tests.running import wait_until
from palimpsest.client import AuditClient
from service.answers import is_known
from service.app import create_app
from service.dispatch import RecordingDispatch
from service.tests.conftest import Bench

Asked = Callable[..., dict[str, Any]]
JOINT = {"kind": "wanda", "id": "mine", "scope": "joint"}
DELTA = bytes(range(256)) * 10_000
"""Some blocks of bytes; what is in them is the worker's part."""


def mitigated(bench: Bench, body: dict[str, Any], *, stage: str = "mitigate:mine", fails: str | None = None) -> str:
    """An audit whose mitigation is over, with a checkpoint or a code; its report is yet to be written."""
    audit = bench.submitted(body)
    report = StagePlan("report", [UnitPlan("report", {}, critical=True)], after=[stage])
    bench.plan(StagePlan(stage, [UnitPlan("mitigate", {}, critical=False)], after=["plan"]), report)
    ticket = bench.claim(bench.ring()[-1])
    with bench.ledger.writing() as connection:
        if fails:
            units.fail(connection, ticket, code=fails, detail="it did not work", again=False)
        else:
            kept = bench.evidence.put("local", DELTA, name=exports.NAME, kind="artifact", media_type="a/b")
            units.finish(connection, ticket, {}, [kept])
    return audit


def taken(bench: Bench, audit: str, mitigation: str = "mine", **headers: str) -> Any:
    """The answer."""
    return bench.client.get(f"/v1/audits/{audit}/mitigations/{mitigation}/checkpoint", headers=headers)


def refusal(answer: Any) -> tuple[int, str, str | None]:
    """Status, code, and whether repeating is of use."""
    return answer.status_code, answer.json()["code"], answer.headers.get("x-should-retry")


def test_a_checkpoint_is_given_out_as_it_was_kept(bench: Bench, asked: Asked) -> None:
    """Byte for byte, under its sha256, as a file named after the mitigation; asked for again with the tag, 304."""
    audit = mitigated(bench, asked(mitigations=[JOINT]))
    bench.write_report(b"{}")
    answer = taken(bench, audit)
    assert (answer.status_code, answer.content) == (200, DELTA)
    etag = f'"{hashlib.sha256(DELTA).hexdigest()}"'
    assert answer.headers["ETag"] == etag
    assert answer.headers["Content-Length"] == str(len(DELTA))
    assert answer.headers["Content-Type"] == "application/vnd.safetensors"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="mine.safetensors"'
    again = taken(bench, audit, **{"If-None-Match": etag})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", etag)


@pytest.mark.parametrize(
    ("known", "current"),
    [
        (None, False),
        ("*", True),
        ('"ab"', True),
        ('W/"ab"', True),
        ('"x", "ab"', True),
        ('"abc"', False),
        ("ab", False),
    ],
)
def test_a_tag_is_compared_whole(known: str | None, current: bool) -> None:
    """Weakly, as If-None-Match is, and among several."""
    assert is_known(known, '"ab"') is current


def test_a_mitigation_without_an_id_goes_by_its_kind(bench: Bench, asked: Asked) -> None:
    """As in the report."""
    audit = mitigated(bench, asked(mitigations=[{"kind": "wanda", "scope": "joint"}]), stage="mitigate:wanda")
    bench.write_report(b"{}")
    assert taken(bench, audit, "wanda").content == DELTA
    assert refusal(taken(bench, audit, "mine"))[:2] == (404, "MITIGATION_NOT_FOUND")


def test_an_audit_that_goes_on_is_asked_later(bench: Bench, asked: Asked) -> None:
    """Its mitigation is over, what it is worth is not known yet: 409 with Retry-After; the rest is said at once."""
    nemo = {"kind": "nemo", "scope": "per_target"}
    audit = mitigated(bench, asked(mitigations=[JOINT, nemo, {"kind": "none"}]))
    answer = taken(bench, audit)
    assert refusal(answer) == (409, "CHECKPOINT_NOT_READY", None)
    assert answer.headers["Retry-After"].isdecimal()
    for name in ("nemo", "none"):
        assert refusal(taken(bench, audit, name)) == (409, "MITIGATION_NOT_EXPORTABLE", "false")
    assert refusal(taken(bench, audit, "esd")) == (404, "MITIGATION_NOT_FOUND", None)


def test_an_audit_that_is_not_there_and_another_tenants_are_the_same(bench: Bench, asked: Asked) -> None:
    """404, whatever the mitigation."""
    audit = mitigated(bench, asked(mitigations=[JOINT]))
    bench.write_report(b"{}")
    with bench.ledger.writing() as connection:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        for table in ("audits", "stages", "stage_edges", "units", "events", "evidence"):
            column = "id" if table == "audits" else "audit_id"
            connection.exec_driver_sql(f"UPDATE {table} SET tenant_id = 'other' WHERE {column} = ?", (audit,))
    for name in (audit, "aud_00000000000000000000000000", "nonsense"):
        assert refusal(taken(bench, name)) == (404, "AUDIT_NOT_FOUND", None)


def test_a_mitigation_that_failed_says_so(bench: Bench, asked: Asked) -> None:
    """With its code, and for good."""
    audit = mitigated(bench, asked(mitigations=[JOINT]), fails="METHOD_FAILED")
    bench.write_report(b"{}")
    answer = taken(bench, audit)
    assert refusal(answer) == (409, "CHECKPOINT_NOT_READY", "false")
    assert "METHOD_FAILED" in answer.json()["detail"]


def test_a_mitigation_that_was_never_begun_has_none(bench: Bench, asked: Asked) -> None:
    """Its audit failed while it was planned."""
    audit = bench.submitted(asked(mitigations=[JOINT]))
    bench.fail("MODEL_CHANGED")
    assert refusal(taken(bench, audit)) == (409, "CHECKPOINT_NOT_READY", "false")


def test_a_checkpoint_whose_time_is_over_is_gone(bench: Bench, asked: Asked) -> None:
    """410 from the moment its row is retired."""
    audit = mitigated(bench, asked(mitigations=[JOINT]))
    bench.write_report(b"{}")
    with bench.ledger.writing() as connection:
        connection.exec_driver_sql("UPDATE evidence SET removed_at = 1.0 WHERE kind = 'artifact'")
    assert refusal(taken(bench, audit)) == (410, "CHECKPOINT_REMOVED", "false")


def test_a_store_that_is_away_is_asked_later(bench: Bench, asked: Asked) -> None:
    """A file stands where the evidence's folder was: 503."""
    audit = mitigated(bench, asked(mitigations=[JOINT]))
    bench.write_report(b"{}")
    bench.evidence.root.rename(bench.evidence.root.with_name("aside"))
    bench.evidence.root.write_text("in the way")
    assert refusal(taken(bench, audit))[:2] == (503, "LEDGER_UNAVAILABLE")


def test_a_checkpoint_that_was_lost_or_tampered_with_is_not_given_out(bench: Bench, asked: Asked) -> None:
    """One byte is another: the answer breaks off before its last block. No bytes at all: a fault, said at once."""
    audit = mitigated(bench, asked(mitigations=[JOINT]))
    bench.write_report(b"{}")
    digest = hashlib.sha256(DELTA).hexdigest()
    [blob] = bench.evidence.root.rglob(digest)
    blob.write_bytes(DELTA[:-1] + b"?")
    answer = taken(bench, audit)
    assert len(answer.content) < int(answer.headers["Content-Length"])
    blob.unlink()
    assert refusal(taken(bench, audit)) == (500, "INTERNAL_ERROR", "false")


@contextmanager
def listening(bench: Bench, port: int) -> Iterator[str]:
    """The same gateway behind a real server; its address."""
    dispatch = RecordingDispatch()
    app = create_app(bench.settings, ledger=bench.ledger, evidence=bench.evidence, dispatch=dispatch)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started, "the server to listen")
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


def test_whoever_takes_a_damaged_checkpoint_notices(bench: Bench, asked: Asked, port: int) -> None:
    """Over a real connection: the client takes the whole file; of a damaged one the body ends too soon."""
    audit = mitigated(bench, asked(mitigations=[JOINT]))
    bench.write_report(b"{}")
    with listening(bench, port) as url:
        with AuditClient(url) as client:
            assert client.checkpoint(audit, "mine") == DELTA
        [blob] = bench.evidence.root.rglob(hashlib.sha256(DELTA).hexdigest())
        blob.write_bytes(DELTA[:-1] + b"?")
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
            httpx.get(f"{url}/v1/audits/{audit}/mitigations/mine/checkpoint")
