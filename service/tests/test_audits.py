"""The use cases under contention."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from palimpsest.contract.request import AuditRequest
from service import audits
from service.dispatch import Doorbell
from service.gateway import Gateway
from service.tests.conftest import Bench


def test_one_key_sent_by_many_at_once_is_one_audit(bench: Bench, asked: Callable[..., Any]) -> None:
    """Eight threads, one audit; seven of them are told that it is a replay."""
    gateway = Gateway(bench.ledger, bench.evidence, Doorbell(bench.ledger, bench.dispatch, batch=1, seconds=1))
    request = AuditRequest.model_validate(asked())
    together = threading.Barrier(8)

    def submit() -> audits.Submitted:
        together.wait(30)
        return audits.submit(gateway, "local", request, "key-0000-0000-0001")

    with ThreadPoolExecutor(8) as pool:
        submitted = [future.result() for future in [pool.submit(submit) for _ in range(8)]]
    assert len({one.row.id for one in submitted}) == bench.count() == 1
    assert sorted(one.replayed for one in submitted) == [False] + [True] * 7
