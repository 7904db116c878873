"""What an audit waits for, as somebody hears it who polls."""

import time
from collections.abc import Callable
from typing import Any

from ledger import workers
from service.tests.cards import model_card
from service.tests.conftest import Bench

Asked = Callable[..., dict[str, Any]]
FAMILY = model_card()["family"]


def worker(bench: Bench, *families: str, engine: str = "engine-1") -> None:
    """A worker says that it is there."""
    with bench.ledger.writing() as connection:
        workers.seen(connection, "local", owner="w", engine=engine, families=families)


def polled(bench: Bench, audit_id: str, wanted: Any) -> dict[str, Any]:
    """Poll as the client does, with the tag of the last answer, until it waits for this; the last answer's body."""
    tag, told = "", dict[str, Any]()
    ends = time.monotonic() + 10
    while time.monotonic() < ends:
        answer = bench.client.get(f"/v1/audits/{audit_id}", headers={"If-None-Match": tag})
        if answer.status_code == 200:
            tag, told = answer.headers["ETag"], answer.json()
        if told["waiting"] == wanted:
            return told
        time.sleep(0.05)
    raise AssertionError(told["waiting"])


def waits(reason: str, **more: Any) -> dict[str, Any]:
    """The answer's ``waiting``."""
    return {"reason": reason, "family": None, "engine": None, "position": None, **more}


def test_whoever_polls_hears_what_the_audit_waits_for(bench: Bench, asked: Asked) -> None:
    """No worker, none of its family, its turn; then somebody is at it. Each is told though the revision is the same."""
    audit_id = bench.submitted(asked())
    revision = polled(bench, audit_id, waits("NO_WORKER"))["revision"]
    worker(bench, "flux")
    assert polled(bench, audit_id, waits("NO_WORKER_FOR_FAMILY", family=FAMILY))["revision"] == revision
    worker(bench, "flux", FAMILY)
    assert polled(bench, audit_id, waits("QUEUED", position=0))["revision"] == revision
    ticket = bench.claim(bench.ring()[-1])
    assert polled(bench, audit_id, None)["state"] == "running"
    assert ticket.kind == "plan"


def test_lists_do_not_say_it(bench: Bench, asked: Asked) -> None:
    """Nor does the answer to a submission: it is one question more for every audit."""
    answer = bench.post(asked())
    assert answer.json()["waiting"] is None
    assert [row["waiting"] for row in bench.client.get("/v1/audits").json()["data"]] == [None]
