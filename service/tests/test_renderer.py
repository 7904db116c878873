"""Reports are rendered and signed once, whatever happens on the way."""

import json
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from structlog.testing import capture_logs

from ledger import renderings
from palimpsest.renderings import dsse, sarif
from palimpsest.renderings.formats import RENDERED
from palimpsest.renderings.original import Original
from palimpsest.tests.example import a_report
from palimpsest.tests.renderings.keys import KEY, OTHER
from service.renderer import BATCH, MOST_TRIES, Renderer
from service.tests.conftest import Bench

Asked = Callable[..., dict[str, Any]]
REPORT = a_report().model_dump_json().encode()
FILES = {each.file for each in RENDERED}
KEYS = count()
LIMIT = 2**20
SIGNED = {each.file for each in RENDERED if each.signed}


def concluded(bench: Bench, asked: Asked, report: bytes = REPORT, **changes: Any) -> str:
    """An audit that has this report."""
    audit_id = str(bench.post(asked(**changes), key=f"key-0000-0000-{next(KEYS):04}").json()["id"])
    bench.conclude(report)
    return audit_id


def kept(bench: Bench, audit_id: str) -> dict[str, bytes]:
    """What the report was rendered to, by file."""
    with bench.ledger.reading() as connection:
        found = {file: renderings.find(connection, "local", audit_id, file) for file in FILES}
    return {file: bench.evidence.get("local", row.digest) for file, row in found.items() if row is not None}


def test_every_format_is_made_and_what_is_signed_holds(bench: Bench, asked: Asked) -> None:
    """Six files, two of them envelopes under the sweeper's key, whose public half is remembered."""
    audit_id = concluded(bench, asked)
    assert Renderer(bench.ledger, bench.evidence, KEY, limit=LIMIT).render() == 1
    found = kept(bench, audit_id)
    assert set(found) == FILES
    for file in SIGNED:
        assert json.loads(dsse.verified(found[file], [KEY.public_key()]))["subject"]
    with bench.ledger.reading() as connection:
        [known] = renderings.keys(connection, "local")
    assert dsse.keyid(dsse.public_key(known.pem.encode())) == known.keyid == dsse.keyid(KEY.public_key())


def test_it_is_done_once(bench: Bench, asked: Asked) -> None:
    """A second sweep finds nothing, and a second sweeper that was as fast changes nothing: the first one's stays."""
    audit_id = concluded(bench, asked)
    first, second = (Renderer(bench.ledger, bench.evidence, key, limit=LIMIT) for key in (KEY, OTHER))
    with bench.ledger.reading() as connection:
        [which] = renderings.due(connection, 1)
    assert first.render() == 1
    before = kept(bench, audit_id)
    assert not second._settled(which)
    assert (first.render(), second.render()) == (0, 0)
    assert kept(bench, audit_id) == before


def test_without_a_key_everything_else_is_made(bench: Bench, asked: Asked) -> None:
    """Nothing is signed, nothing waits, no key is remembered."""
    audit_id = concluded(bench, asked)
    assert Renderer(bench.ledger, bench.evidence, None, limit=LIMIT).render() == 1
    assert set(kept(bench, audit_id)) == FILES - SIGNED
    with bench.ledger.reading() as connection:
        assert renderings.keys(connection, "local") == []
        assert renderings.due(connection, 1) == []


@pytest.mark.parametrize("report", [b"{}", b"not JSON", b'{"schema_version": "0.9"}'])
def test_what_is_no_report_of_this_release_is_given_up(bench: Bench, asked: Asked, report: bytes) -> None:
    """One line in the log that names the audit and nothing of the report; the next one is rendered."""
    audit_id = concluded(bench, asked, report)
    with capture_logs() as logs:
        assert Renderer(bench.ledger, bench.evidence, KEY, limit=LIMIT).render() == 1
    assert logs == [
        {"event": "report cannot be rendered", "audit": audit_id, "error": "ValidationError", "log_level": "error"}
    ]
    assert kept(bench, audit_id) == {}
    with bench.ledger.reading() as connection:
        assert renderings.due(connection, 1) == []


def test_a_report_that_would_take_too_much_memory_is_given_up(bench: Bench, asked: Asked) -> None:
    """One byte over the limit: a line in the log, and it is not even read."""
    audit_id = concluded(bench, asked)
    with capture_logs() as logs:
        Renderer(bench.ledger, bench.evidence, KEY, limit=len(REPORT) - 1).render()
    assert [(line["error"], line["bytes"]) for line in logs] == [("too large", len(REPORT))]
    assert kept(bench, audit_id) == {}
    other = concluded(bench, asked, seed=1)
    Renderer(bench.ledger, bench.evidence, KEY, limit=len(REPORT)).render()
    assert set(kept(bench, other)) == FILES


def test_a_report_that_ends_the_process_every_time_is_given_up(bench: Bench, asked: Asked) -> None:
    """Three tries began and none ended, as if memory had given out: the fourth does not read it."""
    audit_id = concluded(bench, asked)
    with bench.ledger.reading() as connection:
        [which] = renderings.due(connection, 1)
    for _ in range(MOST_TRIES):
        bench.ledger.write(lambda connection: renderings.begin(connection, which))
        with bench.ledger.writing() as connection:
            connection.exec_driver_sql("UPDATE unrendered SET since = 0")
    with capture_logs() as logs:
        Renderer(bench.ledger, bench.evidence, KEY, limit=LIMIT).render()
    assert [line["error"] for line in logs] == ["tried too often"]
    assert kept(bench, audit_id) == {}


def test_what_was_removed_in_that_moment_is_rendered_again(bench: Bench, asked: Asked) -> None:
    """Every blob was condemned, and its sentence vanishes under the sweeper's hand: nothing is settled, then all is."""
    audit_id = concluded(bench, asked)
    digest = bench.evidence.put("local", sarif.render(Original.read(REPORT)), name="x", kind="x", media_type="x").digest
    with bench.ledger.writing() as connection:
        condemned = "INSERT INTO condemned (tenant_id, digest, condemned_at) VALUES (?, ?, 0)"
        connection.exec_driver_sql(condemned, ("local", digest))
        connection.exec_driver_sql("CREATE TRIGGER first BEFORE DELETE ON condemned BEGIN SELECT RAISE(IGNORE); END")
    renderer = Renderer(bench.ledger, bench.evidence, KEY, limit=LIMIT)
    assert renderer.render() == 0
    assert kept(bench, audit_id) == {}
    with bench.ledger.writing() as connection:
        connection.exec_driver_sql("DROP TRIGGER first")
    assert renderer.render() == 1
    assert set(kept(bench, audit_id)) == FILES


def test_a_report_that_is_gone_is_given_up(bench: Bench, asked: Asked) -> None:
    """Its bytes have been removed by somebody."""
    audit_id = concluded(bench, asked)
    with bench.ledger.reading() as connection:
        [which] = renderings.due(connection, 1)
    bench.evidence.remove("local", which.report_digest)
    with capture_logs() as logs:
        assert Renderer(bench.ledger, bench.evidence, KEY, limit=LIMIT).render() == 1
    assert logs[0]["error"] == "EvidenceMissing"
    assert kept(bench, audit_id) == {}


def test_a_store_that_is_away_is_waited_for(bench: Bench, asked: Asked) -> None:
    """A file stands where its folder was: an OSError however often, and the report is rendered once it is back."""
    audit_id = concluded(bench, asked)
    aside = bench.evidence.root.with_name("aside")
    bench.evidence.root.rename(aside)
    bench.evidence.root.write_text("in the way")
    renderer = Renderer(bench.ledger, bench.evidence, KEY, limit=LIMIT)
    for _ in range(MOST_TRIES + 1):
        with pytest.raises(OSError, match="evidence"):
            renderer.render()
    bench.evidence.root.unlink()
    aside.rename(bench.evidence.root)
    assert renderer.render() == 1
    assert set(kept(bench, audit_id)) == FILES


def test_a_fault_in_one_format_costs_that_format(bench: Bench, asked: Asked) -> None:
    """A report without the judge that CycloneDX quotes: its line in the log says where, the other five are there."""
    audit_id = concluded(bench, asked, a_report().model_copy(update={"judges": []}).model_dump_json().encode())
    with capture_logs() as logs:
        assert Renderer(bench.ledger, bench.evidence, KEY, limit=LIMIT).render() == 1
    assert [(line["event"], line["format"], line["error"]) for line in logs] == [
        ("fault", "cyclonedx", "StopIteration")
    ]
    assert set(kept(bench, audit_id)) == FILES - {"report.cdx.json"}


def test_an_audit_that_never_read_its_model_has_no_statements(bench: Bench, asked: Asked) -> None:
    """There is no subject: what needs none is made, without a line in the log."""
    [model] = a_report().models
    nothing = a_report().model_copy(update={"models": [model.model_copy(update={"digest": "", "files": {}})]})
    audit_id = concluded(bench, asked, nothing.model_dump_json().encode())
    with capture_logs() as logs:
        Renderer(bench.ledger, bench.evidence, KEY, limit=LIMIT).render()
    assert logs == []
    assert set(kept(bench, audit_id)) == FILES - SIGNED


def test_a_sweep_renders_a_batch_at_most(bench: Bench, asked: Asked) -> None:
    """Those that waited longest; the rest at the next."""
    for seed in range(BATCH + 1):
        bench.post(asked(seed=seed), key=f"key-0000-0000-{seed:04}")
        bench.conclude(REPORT)
    renderer = Renderer(bench.ledger, bench.evidence, None, limit=LIMIT)
    assert [renderer.render(), renderer.render(), renderer.render()] == [BATCH, 1, 0]


def test_equal_reports_are_rendered_to_equal_bytes() -> None:
    """Nothing in them knows a clock or a number by chance."""
    of = Original.read(REPORT)
    assert all(each.render(of) == each.render(Original.read(REPORT)) for each in RENDERED)
    assert sarif.render(of) != sarif.render(Original.read(REPORT.replace(b"concealed", b"inconclusive")))
