"""What the gateway counts, of its own requests and of the ledger's events."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from ledger import audits, intake, units
from ledger.database import Ledger
from ledger.gauges import Moment
from palimpsest.contract.problems import Code
from service.meters import LOOKBACK, OVERLAP, EventMeter, Meters, RequestMeter

DONE = Moment(1000.0, "local", "aud_1", 1, "unit.done", "probe", None, None, 3.0, 30.0, 70, 20)


@pytest.fixture
def registry() -> CollectorRegistry:
    """Where this test's meters count."""
    return CollectorRegistry()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger."""
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    ledger.upgrade()
    yield ledger
    ledger.close()


def submit(ledger: Ledger) -> str:
    """An audit, and with it a queued unit and a message."""
    with ledger.writing() as connection:
        submission = audits.Submission({}, "d" * 64, "toy", {}, "key", "f", reuse=False)
        return intake.submit(connection, "local", submission).audit_id


def fail(ledger: Ledger) -> None:
    """Take the queued unit and fail it for good."""
    with ledger.writing() as connection:
        unit = connection.exec_driver_sql("SELECT id FROM units WHERE state = 'queued'").scalar_one()
        ticket = units.claim(connection, "local", unit, owner="w", engine="e", lease_seconds=60, hard_seconds=60)
        assert ticket is not None
        units.fail(connection, ticket, code="OUT_OF_MEMORY", detail="", again=False)


def test_answers_are_counted_by_method_template_and_status(registry: CollectorRegistry) -> None:
    """A path that no route has is "none", a verb that nobody knows "OTHER": callers cannot make series."""
    meter = RequestMeter(registry)
    meter.answered(method="GET", route="/v1/audits/{audit_id}", status=200, code=None, seconds=0.02)
    meter.answered(method="BREW", route=None, status=404, code="ROUTE_NOT_FOUND", seconds=0.02)

    def count(**labels: str) -> float | None:
        return registry.get_sample_value("palimpsest_http_requests_total", labels)

    assert count(method="GET", route="/v1/audits/{audit_id}", status="200") == 1
    assert count(method="OTHER", route="none", status="404") == 1
    assert registry.get_sample_value("palimpsest_refusals_total", {"code": "ROUTE_NOT_FOUND"}) == 1
    bucket = {"method": "GET", "route": "/v1/audits/{audit_id}", "le": "0.025"}
    assert registry.get_sample_value("palimpsest_http_request_seconds_bucket", bucket) == 1


def test_an_event_is_counted_once_however_often_it_is_read(registry: CollectorRegistry) -> None:
    """Also one that was committed late, with a time before the last one's."""
    meter = EventMeter(registry)
    assert meter.after(900.0) == 900.0
    late = replace(DONE, seq=2, at=999.0)
    meter.count([DONE])
    meter.count([late, DONE])
    meter.count([late, DONE])
    assert registry.get_sample_value("palimpsest_units_ended_total", {"kind": "probe", "ended": "done"}) == 2


def test_a_done_unit_leaves_its_seconds_and_its_forwards(registry: CollectorRegistry) -> None:
    """30 s from lease to end, 3 s queued; 70 rows of which 20 with a gradient."""
    EventMeter(registry).count([DONE])
    value = registry.get_sample_value
    assert value("palimpsest_unit_seconds_sum", {"kind": "probe"}) == 30.0
    assert value("palimpsest_unit_wait_seconds_sum", {"kind": "probe"}) == 3.0
    assert value("palimpsest_sample_forwards_total", {"kind": "probe", "gradient": "without"}) == 50
    assert value("palimpsest_sample_forwards_total", {"kind": "probe", "gradient": "with"}) == 20


def test_every_way_to_end_has_its_counter(registry: CollectorRegistry) -> None:
    """Failed and retried by code, lost, given back, cancelled; audits by state and outcome."""
    ends = [
        ("unit.failed", "OUT_OF_MEMORY", None),
        ("unit.retried", "OUT_OF_MEMORY", None),
        ("unit.lost", None, None),
        ("unit.returned", None, None),
        ("unit.cancelled", None, None),
        ("audit.succeeded", None, "finding"),
    ]
    told = [replace(DONE, seq=n, type=type, code=code, outcome=out) for n, (type, code, out) in enumerate(ends)]
    EventMeter(registry).count(told)
    value = registry.get_sample_value
    assert value("palimpsest_units_ended_total", {"kind": "probe", "ended": "failed"}) == 1
    assert value("palimpsest_units_ended_total", {"kind": "probe", "ended": "cancelled"}) == 1
    assert value("palimpsest_units_failed_total", {"code": "OUT_OF_MEMORY"}) == 1
    assert value("palimpsest_units_retried_total", {"code": "OUT_OF_MEMORY"}) == 1
    assert value("palimpsest_leases_expired_total") == 1
    assert value("palimpsest_units_returned_total") == 1
    assert value("palimpsest_audits_ended_total", {"state": "succeeded", "outcome": "finding"}) == 1


def test_failures_begin_at_zero(registry: CollectorRegistry) -> None:
    """Prometheus does not see a series rise that begins with its first failure."""
    EventMeter(registry)
    for code in Code:
        assert registry.get_sample_value("palimpsest_units_failed_total", {"code": code}) == 0


def test_events_are_read_from_a_little_before_the_last_one(registry: CollectorRegistry) -> None:
    """But none from before the first look, and none that are too old."""
    meter = EventMeter(registry)
    assert meter.after(900.0) == 900.0
    meter.count([DONE])
    assert meter.after(1001.0) == 1000.0 - OVERLAP
    assert meter.after(1000.0 + 2 * LOOKBACK) == 1000.0 + LOOKBACK


def test_what_ended_before_the_first_look_is_not_counted(ledger: Ledger) -> None:
    """A gateway that starts on an old ledger begins at nought, and counts from there."""
    submit(ledger)
    fail(ledger)
    meters = Meters(ledger, seconds=0)
    meters.written(generate_latest)
    failed = "palimpsest_units_failed_total", {"code": "OUT_OF_MEMORY"}
    assert meters.registry.get_sample_value(*failed) == 0
    submit_again(ledger)
    fail(ledger)
    meters.written(generate_latest)
    assert meters.registry.get_sample_value(*failed) == 1


def submit_again(ledger: Ledger) -> None:
    """Another audit."""
    with ledger.writing() as connection:
        submission = audits.Submission({}, "d" * 64, "toy", {}, "key-2", "f", reuse=False)
        intake.submit(connection, "local", submission)


def test_the_ledger_is_asked_at_most_every_few_seconds(ledger: Ledger) -> None:
    """Several that ask at once cost one question."""
    now = [0.0]
    meters = Meters(ledger, seconds=5, clock=lambda: now[0])
    queued = "palimpsest_units", {"tenant": "local", "family": "unknown", "state": "queued"}
    meters.written(generate_latest)
    submit(ledger)
    for at, known in ((4.9, None), (5.1, 1)):
        now[0] = at
        meters.written(generate_latest)
        assert meters.registry.get_sample_value(*queued) == known


def test_without_the_ledger_there_are_no_old_values(ledger: Ledger) -> None:
    """A table that is gone stands for a database that is: what it said before is not repeated."""
    submit(ledger)
    meters = Meters(ledger, seconds=0)
    meters.written(generate_latest)
    value = meters.registry.get_sample_value
    assert (value("palimpsest_ledger_up"), value("palimpsest_outbox_messages")) == (1, 1)
    with ledger.writing() as connection:
        connection.exec_driver_sql("DROP TABLE outbox")
    written = meters.written(generate_latest)
    assert value("palimpsest_ledger_up") == 0
    assert math.isnan(value("palimpsest_outbox_messages") or 0)
    assert b"palimpsest_units{" not in written
