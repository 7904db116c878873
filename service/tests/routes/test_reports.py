"""Reading reports over HTTP."""

import hashlib
from collections.abc import Callable
from typing import Any

from ledger import accesses
from palimpsest.renderings import dsse
from palimpsest.renderings.formats import FORMATS
from palimpsest.tests.example import a_report
from palimpsest.tests.renderings.keys import KEY
from palimpsest.verification import attested, require_report
from service.renderer import Renderer
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


LIMIT = 2**20
RENDERINGS = {
    "dsse": "application/vnd.dsse+json",
    "test-result": "application/vnd.in-toto.test-result+dsse",
    "cyclonedx": "application/vnd.cyclonedx+json",
    "sarif": "application/sarif+json",
    "junit": "application/junit+xml",
    "csv": "text/csv; charset=utf-8",
}


def rendered(bench: Bench, audit: str, *, key: Any = KEY) -> str:
    """The address of a report that a sweeper has rendered."""
    bench.conclude(a_report().model_dump_json().encode())
    Renderer(bench.ledger, bench.evidence, key, limit=LIMIT).render()
    return f"/v1/audits/{audit}/report"


def test_every_format_is_told_by_name_and_by_type(bench: Bench, asked: Asked) -> None:
    """The same bytes either way, as a file to be kept, and without either the report itself."""
    address = rendered(bench, bench.submitted(asked()))
    for name, media_type in RENDERINGS.items():
        by_name = bench.client.get(address, params={"format": name})
        by_type = bench.client.get(address, headers={"Accept": media_type})
        assert (by_name.status_code, by_name.headers["Content-Type"]) == (200, media_type)
        assert by_name.content == by_type.content
        assert by_name.headers["ETag"] == by_type.headers["ETag"] == f'"{hashlib.sha256(by_name.content).hexdigest()}"'
        assert by_name.headers["Content-Disposition"].startswith('attachment; filename="report.')
        assert by_name.headers["Vary"] == "Accept"
    assert bench.client.get(address).json()["audit_id"] == a_report().audit_id


def test_several_accept_headers_are_one(bench: Bench, asked: Asked) -> None:
    """As RFC 9110 has it: the second line names what is there."""
    address = rendered(bench, bench.submitted(asked()))
    answer = bench.client.get(address, headers=[("Accept", "application/pdf"), ("Accept", "application/sarif+json")])
    assert answer.headers["Content-Type"] == "application/sarif+json"


def test_openapi_lists_every_format(bench: Bench) -> None:
    """As media types of the answer; Accept is no parameter, for OpenAPI forbids that."""
    told = bench.client.get("/openapi.json").json()["paths"]["/v1/audits/{audit_id}/report"]["get"]
    assert set(told["responses"]["200"]["content"]) == {each.media_type for each in FORMATS.values()}
    assert told["responses"]["200"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/AuditReport"
    }
    assert [each["name"] for each in told["parameters"]] == ["audit_id", "format", "If-None-Match"]
    assert {"304", "406", "409", "410"} <= set(told["responses"])


def test_what_is_told_can_be_verified(bench: Bench, asked: Asked) -> None:
    """With the key that GET /v1/signing-keys has, and against the report that GET has."""
    address = rendered(bench, bench.submitted(asked()))
    [known] = bench.client.get("/v1/signing-keys").json()["data"]
    keys = [dsse.public_key(known["pem"].encode())]
    for name in ("dsse", "test-result"):
        found = attested(bench.client.get(address, params={"format": name}).content, keys)
        require_report(found, bench.client.get(address).content)
    assert bench.client.get("/v1/signing-keys").json()["data"][0]["keyid"] == dsse.keyid(KEY.public_key())


def test_who_has_it_is_told_so(bench: Bench, asked: Asked) -> None:
    """304 without a body for the ETag, among others or weak; another format's ETag is another."""
    address = rendered(bench, bench.submitted(asked()))
    for name in ("json", "sarif"):
        tag = bench.client.get(address, params={"format": name}).headers["ETag"]
        for known in (tag, f'"other", W/{tag}', "*"):
            answer = bench.client.get(address, params={"format": name}, headers={"If-None-Match": known})
            assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", tag)
    other = bench.client.get(address, params={"format": "csv"}, headers={"If-None-Match": tag})
    assert other.status_code == 200


def test_a_format_there_is_not_is_406(bench: Bench, asked: Asked) -> None:
    """By name or by type, with what there is; whether or not the audit has ended."""
    audit = bench.submitted(asked())
    for ended in (False, True):
        if ended:
            rendered(bench, audit)
        for query, accept in (("?format=pdf", "*/*"), ("", "application/pdf")):
            answer = bench.client.get(f"/v1/audits/{audit}/report{query}", headers={"Accept": accept})
            assert (answer.status_code, answer.json()["code"]) == (406, "UNKNOWN_FORMAT")
            assert "junit (application/junit+xml)" in answer.json()["detail"]


def test_between_the_report_and_its_renderings_one_comes_back(bench: Bench, asked: Asked) -> None:
    """The report is there at once; for SARIF 409 and Retry-After of a second, until a sweeper has been there."""
    audit = bench.submitted(asked())
    bench.conclude(a_report().model_dump_json().encode())
    address = f"/v1/audits/{audit}/report"
    assert bench.client.get(address).status_code == 200
    early = bench.client.get(address, params={"format": "sarif"})
    assert (early.status_code, early.json()["code"], early.headers["Retry-After"]) == (409, "REPORT_NOT_READY", "1")
    Renderer(bench.ledger, bench.evidence, KEY, limit=LIMIT).render()
    assert bench.client.get(address, params={"format": "sarif"}).status_code == 200


def test_what_cannot_be_rendered_is_not_waited_for(bench: Bench, asked: Asked) -> None:
    """Without a key there is nothing to sign with, and no use in repeating; the rest is there."""
    address = rendered(bench, bench.submitted(asked()), key=None)
    never = bench.client.get(address, params={"format": "dsse"})
    assert (never.status_code, never.json()["code"]) == (409, "REPORT_NOT_READY")
    assert never.headers["x-should-retry"] == "false"
    assert "Retry-After" not in never.headers
    assert bench.client.get(address, params={"format": "sarif"}).status_code == 200
    assert bench.client.get("/v1/signing-keys").json() == {"data": []}


def test_renderings_go_with_their_report(bench: Bench, asked: Asked) -> None:
    """410 for every format from the moment the report is retired."""
    address = rendered(bench, bench.submitted(asked()))
    with bench.ledger.writing() as connection:
        connection.exec_driver_sql("UPDATE evidence SET removed_at = 1.0 WHERE media_type = 'application/json'")
    for name in ("json", *RENDERINGS):
        answer = bench.client.get(address, params={"format": name})
        assert (answer.status_code, answer.json()["code"]) == (410, "REPORT_REMOVED")
