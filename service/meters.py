"""What ``GET /metrics`` says: requests as this process served them, and the ledger as it stands for everybody.

The ledger is asked when somebody asks here, at most every few seconds. What has ended there is counted by following its
events from the first question on: every gateway counts all of them, so that a sum over gateways is too much by their
number, and ``max`` is right (docs/decisions/0008-metrics-come-from-the-ledger.md).
"""

import math
import threading
import time
from collections.abc import Callable

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector

from ledger import gauges
from ledger.database import FAILED, Ledger
from ledger.gauges import Level, Moment
from palimpsest.contract.problems import Code
from service.observability import cause

log = structlog.get_logger()

REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
UNIT_SECONDS = (1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 1280.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OVERLAP = 30.0
"""Seconds before the last event that are read again: a transaction may commit after one that began later."""
LOOKBACK = 600.0
"""Seconds after which what nobody asked for is not counted any more."""


class RequestMeter:
    """Counts what this process answers. Labels are templates, never paths: their number is the number of routes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["method", "route", "status"]
        self._requests = Counter("palimpsest_http_requests", "Requests answered.", labels, registry=registry)
        self._refusals = Counter("palimpsest_refusals", "Problem documents, by code.", ["code"], registry=registry)
        self._seconds = Histogram(
            "palimpsest_http_request_seconds",
            "From the first byte read to the last byte sent.",
            ["method", "route"],
            buckets=REQUEST_SECONDS,
            registry=registry,
        )
        self._kinds: dict[tuple[str, str | None, int], tuple[Counter, Histogram]] = {}

    def answered(self, *, method: str, route: str | None, status: int, code: str | None, seconds: float) -> None:
        """Count one answer."""
        kind = self._kinds.get((method, route, status)) or self._kind(method, route, status)
        kind[0].inc()
        kind[1].observe(seconds)
        if code is not None:
            self._refusals.labels(code).inc()

    def _kind(self, method: str, route: str | None, status: int) -> tuple[Counter, Histogram]:
        """What counts answers of this kind: looked up once, for that costs more than counting."""
        labels = method if method in METHODS else "OTHER", route or "none"
        kind = self._requests.labels(*labels, str(status)), self._seconds.labels(*labels)
        if method in METHODS:  # others are whatever callers think of
            self._kinds[method, route, status] = kind
        return kind


class LevelMeter:
    """How the ledger stands. Without an answer from it there are no values, rather than old ones."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, told: str, *labels: str) -> Gauge:
            return Gauge(f"palimpsest_{name}", told, labels, registry=registry)

        self._up = gauge("ledger_up", "Whether the database answered when it was last asked.")
        self._units = gauge("units", "Units that have not ended.", "tenant", "family", "state")
        self._age = gauge("queue_oldest_seconds", "How long the oldest queued unit waits.", "tenant", "family")
        self._audits = gauge("audits", "Audits that have not ended.", "tenant", "state")
        self._workers = gauge("workers", "Workers seen in the last minute, by a family they serve.", "family")
        self._overdue = gauge("leases_overdue", "Leases that ran out and were not taken back yet.")
        self._messages = gauge("outbox_messages", "Messages that are not with the broker yet.")
        self._message_age = gauge("outbox_oldest_seconds", "How long the oldest of them waits.")

    def show(self, level: Level | None) -> None:
        """Show this, or that nothing is known."""
        for gauge in (self._units, self._age, self._audits, self._workers):
            gauge.clear()
        for gauge in (self._overdue, self._messages, self._message_age):
            gauge.set(math.nan)
        self._up.set(level is not None)
        if level is not None:
            self._show(level)

    def _show(self, level: Level) -> None:
        self._overdue.set(level.overdue)
        self._messages.set(level.messages)
        self._message_age.set(level.message_age)
        for load in level.loads:
            self._units.labels(load.tenant, load.family, load.state).set(load.units)
            if load.state == "queued":
                self._age.labels(load.tenant, load.family).set(load.age)
        for (tenant, state), count in level.audits.items():
            self._audits.labels(tenant, state).set(count)
        for family, count in level.workers.items():
            self._workers.labels(family).set(count)


class EventMeter:
    """Counts what has ended in the ledger, each event once."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, told: str, *labels: str) -> Counter:
            return Counter(f"palimpsest_{name}", told, labels, registry=registry)

        def histogram(name: str, told: str) -> Histogram:
            return Histogram(f"palimpsest_{name}", told, ["kind"], buckets=UNIT_SECONDS, registry=registry)

        self._ended = counter("units_ended", "Units that ended: done, failed or cancelled.", "kind", "ended")
        self._failed = counter("units_failed", "Units that failed for good.", "code")
        self._retried = counter("units_retried", "Units queued again after a failure.", "code")
        self._expired = counter("leases_expired", "Leases that ran out, their units queued again.")
        self._returned = counter("units_returned", "Units given back at a shutdown.")
        for code in Code:  # a series that begins with its first failure would not be seen to rise
            self._failed.labels(code)
            self._retried.labels(code)
        self._forwards = counter("sample_forwards", "Rows through the denoiser, in units done.", "kind", "gradient")
        self._audits = counter("audits_ended", "Audits that ended.", "state", "outcome")
        self._seconds = histogram("unit_seconds", "Seconds from lease to end of units done.")
        self._waited = histogram("unit_wait_seconds", "Seconds from queued to leased of units done.")
        self._seen: dict[tuple[str, str, int], float] = {}
        self._begun: float | None = None
        self._last = 0.0

    def after(self, now: float) -> float:
        """From when on events are wanted: a little before the last one, not too long ago, not before the first look."""
        if self._begun is None:
            self._begun = self._last = now
        return max(self._begun, self._last - OVERLAP, now - LOOKBACK)

    def count(self, moments: list[Moment]) -> None:
        """Count those that were not counted before."""
        for moment in moments:
            if moment.key not in self._seen:
                self._count(moment)
                self._seen[moment.key] = moment.at
                self._last = max(self._last, moment.at)
        self._seen = {key: at for key, at in self._seen.items() if at >= self._last - OVERLAP}

    def _count(self, moment: Moment) -> None:
        what, how = moment.type.split(".")
        kind, code = moment.kind or "unknown", moment.code or "unknown"
        if what == "audit":
            self._audits.labels(how, moment.outcome or "none").inc()
        elif how == "retried":
            self._retried.labels(code).inc()
        elif how == "lost":
            self._expired.inc()
        elif how == "returned":
            self._returned.inc()
        else:
            self._end(kind, how, code, moment)

    def _end(self, kind: str, how: str, code: str, moment: Moment) -> None:
        self._ended.labels(kind, how).inc()
        if how == "failed":
            self._failed.labels(code).inc()
        elif how == "done":
            self._measure(kind, moment)

    def _measure(self, kind: str, moment: Moment) -> None:
        if moment.seconds is not None:
            self._seconds.labels(kind).observe(moment.seconds)
        if moment.waited is not None:
            self._waited.labels(kind).observe(moment.waited)
        self._forwards.labels(kind, "without").inc((moment.forwards or 0) - (moment.gradients or 0))
        self._forwards.labels(kind, "with").inc(moment.gradients or 0)


class Meters:
    """Everything that is measured, under one registry of this application's own."""

    def __init__(self, ledger: Ledger, *, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = RequestMeter(self.registry)
        self._level = LevelMeter(self.registry)
        self._events = EventMeter(self.registry)
        self._ledger, self._seconds, self._clock = ledger, seconds, clock
        self._asked_at: float | None = None
        self._lock = threading.Lock()

    def written(self, encode: Callable[[CollectorRegistry], bytes]) -> bytes:
        """The exposition, with a ledger that was asked at most ``seconds`` ago."""
        with self._lock:
            if self._asked_at is None or self._clock() - self._asked_at >= self._seconds:
                self._ask()
                self._asked_at = self._clock()
            return encode(self.registry)

    def _ask(self) -> None:
        try:
            with self._ledger.reading() as connection:
                level = gauges.level(connection)
                moments = gauges.since(connection, self._events.after(level.at))
        except FAILED as error:
            log.warning("the ledger was not measured", cause=cause(error))
            self._level.show(None)
            return
        self._level.show(level)
        self._events.count(moments)
