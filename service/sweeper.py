"""``python -m service.sweeper``: takes back what was lost, ends what is overdue, publishes what is waiting, collects,
renders and signs reports, tells webhooks.

Any number of sweepers may run. Every chore is a short transaction of its own, every row is claimed, and a chore that
fails is logged and tried again at the next sweep: a database, a broker or an evidence store may come and go. What waits
for a store (collecting, rendering) or for somebody's webhook is swept in threads of its own: no lease may wait for it.
"""

import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog

from ledger import audits, outbox, units, workers
from ledger.collection import Collector
from ledger.database import FAILED, Ledger
from ledger.evidence import EvidenceStore
from ledger.retention import Retention
from service.deliverer import Deliverer
from service.dispatch import BrokerUnavailable, CeleryDispatch, Dispatch, empty_outbox
from service.observability import cause, configure
from service.opening import opened
from service.outbound import Outbound, Pinned
from service.renderer import Renderer
from service.settings import Settings
from service.signing import signing_key

log = structlog.get_logger()

LONGEST_PAUSE = 10.0
"""Seconds between sweeps while everything fails."""

FORGOTTEN = 86_400.0
"""Seconds after which nobody asks for a worker that has not been seen."""

Chore = Callable[[], int]


def chores(ledger: Ledger, dispatch: Dispatch, settings: Settings) -> dict[str, Chore]:
    """What a sweep does, in order; each says how many rows it touched."""

    def published() -> int:
        return empty_outbox(ledger, dispatch, batch=settings.publish_batch, seconds=settings.publish_seconds)

    def rung_again() -> int:
        seconds, batch = settings.ring_again_seconds, settings.ring_again_batch
        return ledger.write(lambda connection: outbox.ring_again(connection, seconds, batch))

    def workers_forgotten() -> int:
        return ledger.write(lambda connection: workers.forget(connection, unseen_seconds=FORGOTTEN))

    return {
        "leases_expired": lambda: ledger.write(units.expire_leases),
        "audits_expired": lambda: ledger.write(audits.expire_overdue),
        "rung_again": rung_again,
        "published": published,
        "workers_forgotten": workers_forgotten,
    }


def collection(ledger: Ledger, settings: Settings) -> dict[str, Chore]:
    """The chore that waits for the evidence store."""
    return {"evidence_collected": Collector(ledger, EvidenceStore(settings.evidence), Retention()).collect}


def rendering(ledger: Ledger, settings: Settings) -> dict[str, Chore]:
    """The chore that needs the signing key, and the evidence store too. Raises SigningKeyUnusable."""
    store, key = EvidenceStore(settings.evidence), signing_key(settings)
    return {"reports_rendered": Renderer(ledger, store, key, limit=settings.render_limit).render}


def telling(ledger: Ledger, settings: Settings) -> dict[str, Chore]:
    """The chores that wait for other people's servers."""
    deliverer = Deliverer(ledger, Outbound(Pinned(private=settings.outbound_private_hosts)))
    return {
        "endings_told": deliverer.fan_out,
        "webhooks_delivered": deliverer.deliver,
        "deliveries_forgotten": deliverer.forget,
    }


def sweep(every: dict[str, Chore]) -> bool:
    """Do every chore once; whether all succeeded. One line in the log for a sweep that did something."""
    done: dict[str, int] = {}
    failed = 0
    for name, chore in every.items():
        try:
            done[name] = chore()
        except (*FAILED, BrokerUnavailable, OSError) as error:
            log.error("chore failed", chore=name, cause=cause(error))
            failed += 1
    if any(done.values()):
        log.info("sweep", **done)
    return not failed


def run(every: dict[str, Chore], *, pause: float, stop: threading.Event) -> None:
    """Sweep until told to stop; pauses grow while chores fail."""
    waits = pause
    while not stop.is_set():
        waits = pause if sweep(every) else min(waits * 2, max(pause, LONGEST_PAUSE))
        stop.wait(waits)


def run_together(groups: list[dict[str, Chore]], *, pause: float, stop: threading.Event) -> None:
    """Sweep every group in a thread of its own; when one ends all do, and what ended it is raised."""
    with ThreadPoolExecutor(len(groups)) as threads:
        runs = [threads.submit(run, every, pause=pause, stop=stop) for every in groups]
        for ended in runs:
            ended.add_done_callback(lambda _: stop.set())
    for ended in runs:
        ended.result()


def main() -> None:
    """Entry point."""
    configure()
    settings = Settings()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    ledger = opened(settings)
    groups = [chores(ledger, CeleryDispatch(settings), settings)]
    groups += [collection(ledger, settings), rendering(ledger, settings), telling(ledger, settings)]
    run_together(groups, pause=settings.sweep_seconds, stop=stop)
    ledger.close()


if __name__ == "__main__":
    main()
