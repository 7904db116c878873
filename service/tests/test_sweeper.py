"""What a sweep makes good, and what cannot stop it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from ledger import holdings, units, webhooks, workers
from palimpsest.renderings import dsse
from palimpsest.tests.example import a_report
from palimpsest.verification import attested
from service import children
from service.sweeper import chores, collection, run, run_together, sweep
from service.tests.conftest import Bench
from service.tests.receivers import receiving

Asked = Callable[..., dict[str, Any]]
ROOT = Path(__file__).parents[2]


def swept(bench: Bench) -> bool:
    """One sweep of everything."""
    every = chores(bench.ledger, bench.dispatch, bench.settings) | collection(bench.ledger, bench.settings)
    return sweep(every)


def test_a_sweep_publishes_what_the_gateway_could_not(bench: Bench, asked: Asked) -> None:
    """The broker comes back, the message goes out, the log has one line."""
    bench.dispatch.broken = True
    audit = bench.submitted(asked())
    bench.dispatch.broken = False
    time.sleep(2 * bench.settings.publish_seconds)
    with capture_logs() as logs:
        assert swept(bench)
    assert [message.audit_id for message in bench.dispatch.published] == [audit]
    assert [line["published"] for line in logs] == [1]


def test_a_sweep_that_did_nothing_says_nothing(bench: Bench) -> None:
    """No line."""
    with capture_logs() as logs:
        assert swept(bench)
    assert logs == []


def test_a_unit_nobody_claimed_is_announced_again(bench: Bench, asked: Asked) -> None:
    """The broker lost the first message; the second names the same unit, and not before its time."""
    bench.submitted(asked())
    swept(bench)
    assert len(bench.dispatch.published) == 1
    time.sleep(0.1)
    impatient = bench.settings.model_copy(update={"ring_again_seconds": 0.05})
    sweep(chores(bench.ledger, bench.dispatch, impatient))
    first, second = bench.dispatch.published
    assert first.unit_id == second.unit_id


def test_the_unit_of_a_lost_worker_is_queued_and_announced(bench: Bench, asked: Asked) -> None:
    """Its lease has run out: the same sweep takes it back and rings for the second attempt."""
    bench.submitted(asked())
    with bench.ledger.writing() as connection:
        message = bench.dispatch.published[0]
        units.claim(
            connection, "local", message.unit_id, owner="lost", engine="engine-1", lease_seconds=-1, hard_seconds=60
        )
    with capture_logs() as logs:
        swept(bench)
    assert [message.attempt for message in bench.dispatch.published] == [1, 2]
    assert (logs[0]["leases_expired"], logs[0]["published"]) == (1, 1)


def test_an_audit_past_its_deadline_is_wound_down(bench: Bench, asked: Asked) -> None:
    """It is cancelling, and its partial report is announced."""
    audit = bench.submitted(asked())
    with bench.ledger.writing() as connection:
        connection.exec_driver_sql("UPDATE audits SET deadline_at = 0")
    swept(bench)
    assert bench.client.get(f"/v1/audits/{audit}").json()["state"] == "cancelling"
    assert len(bench.dispatch.published) == 2


def test_a_queue_that_is_worked_on_is_not_announced_again(bench: Bench, asked: Asked) -> None:
    """Two audits wait longer than the sweeper's patience, but a worker holds a unit and will ask for the next."""
    for number in (1, 2):
        bench.submitted(asked(), key=f"key-0000-0000-000{number}")
    bench.claim(bench.ring()[0])
    time.sleep(0.1)
    impatient = bench.settings.model_copy(update={"ring_again_seconds": 0.05})
    sweep(chores(bench.ledger, bench.dispatch, impatient))
    assert len(bench.dispatch.published) == 2


def test_evidence_whose_time_is_over_is_collected(bench: Bench, asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight days after the audit's end its image and the request's are retired, then removed; three rows stay."""
    monkeypatch.setenv("PALIMPSEST_RETENTION_GRACE_SECONDS", "0.01")
    bench.submitted(asked())
    image = bench.evidence.put("local", b"image", name="image", kind="image", media_type="image/png")
    bench.conclude(b"{}")
    long_ago = time.time() - 8 * 86_400
    with bench.ledger.writing() as connection:
        holdings.hold(connection, "local", bench.dispatch.published[0].audit_id, "unit_1", [image])
        connection.exec_driver_sql(f"UPDATE audits SET finished_at = {long_ago}")
        connection.exec_driver_sql(f"UPDATE evidence SET created_at = {long_ago}")
    time.sleep(0.05)
    with capture_logs() as logs:
        swept(bench)
        time.sleep(0.05)
        swept(bench)
    assert bench.evidence.put_at("local", image.digest) is None
    assert sum(line.get("evidence_collected", 0) for line in logs) == 4
    assert bench.count("evidence") == 3


def test_a_worker_unseen_for_days_is_forgotten(bench: Bench) -> None:
    """One that is there stays."""
    with bench.ledger.writing() as connection:
        for owner in ("gone", "there"):
            workers.seen(connection, "local", owner=owner, engine="engine-1", families=["sd1"])
        connection.exec_driver_sql("UPDATE workers SET seen_at = 0 WHERE owner = 'gone'")
    swept(bench)
    assert bench.count("workers") == 1


def test_an_evidence_store_that_is_gone_stops_no_other_chore() -> None:
    """Its error is one of the operating system; the chore after it is done all the same."""
    done: list[str] = []

    def broken() -> int:
        raise OSError("the object store does not answer")

    def other() -> int:
        done.append("other")
        return 1

    with capture_logs() as logs:
        assert not sweep({"broken": broken, "other": other})
    assert done == ["other"]
    assert [line["chore"] for line in logs if line["log_level"] == "error"] == ["broken"]


def test_one_failing_chore_does_not_stop_the_others(bench: Bench, asked: Asked) -> None:
    """A ledger without its outbox still expires what is overdue; the failures are logged without a statement."""
    audit = bench.submitted(asked())
    with bench.ledger.writing() as connection:
        connection.exec_driver_sql("UPDATE audits SET deadline_at = 0")
    bench.dispatch.broken = True
    with capture_logs() as logs:
        assert not swept(bench)
    assert [line["chore"] for line in logs if line["log_level"] == "error"] == ["published"]
    assert bench.client.get(f"/v1/audits/{audit}").json()["state"] == "cancelling"
    with bench.ledger.writing() as connection:
        connection.exec_driver_sql("DROP TABLE outbox")
    with capture_logs() as logs:
        assert not swept(bench)
    assert {line["cause"] for line in logs} == {"OperationalError: no such table: outbox"}


def test_sweeping_goes_on_through_failures_and_ends_when_told() -> None:
    """A chore that fails twice is done the third time."""
    stop = threading.Event()
    calls: list[float] = []

    def chore() -> int:
        calls.append(time.monotonic())
        if len(calls) < 3:
            raise OperationalError("SELECT", {}, Exception("gone"))
        stop.set()
        return 1

    with capture_logs():
        run({"chore": chore}, pause=0.01, stop=stop)
    assert len(calls) == 3


def test_a_slow_store_holds_up_no_lease() -> None:
    """While one collection hangs, the other chores are swept three times; then all end together."""
    stop, hanging = threading.Event(), threading.Event()
    swept: list[int] = []

    def collected() -> int:
        hanging.set()
        assert stop.wait(60)
        return 0

    def expired() -> int:
        assert hanging.wait(60)
        swept.append(len(swept))
        if len(swept) == 3:
            stop.set()
        return 0

    run_together([{"leases_expired": expired}, {"evidence_collected": collected}], pause=0.01, stop=stop)
    assert swept == [0, 1, 2]


def test_what_ends_one_group_ends_the_process() -> None:
    """An error that no chore may have is raised, and the other group has stopped: a supervisor starts all anew."""
    stop = threading.Event()

    def impossible() -> int:
        raise AssertionError("impossible")

    with pytest.raises(AssertionError, match="impossible"):
        run_together([{"fine": lambda: 0}, {"impossible": impossible}], pause=0.01, stop=stop)
    assert stop.is_set()


def test_the_process_signs_with_the_key_under_its_home(bench: Bench, asked: Asked, tmp_path: Path) -> None:
    """An embedded sweeper makes its key and signs what is due; its public half in the home verifies what is served."""
    address = f"/v1/audits/{bench.submitted(asked())}/report?format=dsse"
    bench.conclude(a_report().model_dump_json().encode())
    environment = {**os.environ, "PALIMPSEST_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    log = tmp_path / "sweeper.log"
    sweeper = children.start("sweeper", [sys.executable, "-m", "service.sweeper"], environment=environment, log=log)
    try:
        ends = time.monotonic() + 120
        while time.monotonic() < ends and bench.client.get(address).status_code == 409:
            time.sleep(0.05)
    finally:
        children.stop([sweeper])
    key = dsse.public_key((tmp_path / "signing-key.pub").read_bytes())
    assert attested(bench.client.get(address).content, [key]).sentence.endswith("finding")
    assert '"reports_rendered": 1' in log.read_text()


def test_the_process_tells_webhooks(bench: Bench, asked: Asked, tmp_path: Path) -> None:
    """To a host of one's own network that its environment names."""
    with receiving() as receiver:
        with bench.ledger.writing() as connection:
            every = ["audit.succeeded"]
            webhooks.create(connection, "local", url=receiver.url, events=every, secret="whsec_" + "A" * 44)
        bench.submitted(asked())
        bench.conclude(b"{}")
        named = {"PALIMPSEST_OUTBOUND_PRIVATE_HOSTS": '["127.0.0.1"]'}
        environment = {**os.environ, "PALIMPSEST_HOME": str(tmp_path), "PYTHONPATH": str(ROOT), **named}
        log = tmp_path / "sweeper.log"
        sweeper = children.start("sweeper", [sys.executable, "-m", "service.sweeper"], environment=environment, log=log)
        try:
            ends = time.monotonic() + 120
            while time.monotonic() < ends and not receiver.heard:
                time.sleep(0.05)
        finally:
            children.stop([sweeper])
    assert b'"type":"audit.succeeded"' in receiver.heard[0].body, sweeper.tail()


def test_a_key_that_cannot_be_used_ends_the_process_at_its_start(tmp_path: Path) -> None:
    """With the file's name and without a traceback through its content: reports are not left unsigned unseen."""
    (tmp_path / "key.pem").write_text("secret text")
    told = {
        "PALIMPSEST_HOME": str(tmp_path),
        "PALIMPSEST_SIGNING_KEY": str(tmp_path / "key.pem"),
        "PYTHONPATH": str(ROOT),
    }
    ran = subprocess.run(
        [sys.executable, "-m", "service.sweeper"],
        env={**os.environ, **told},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode != 0
    assert "key.pem is no private key in PEM without a password" in ran.stderr
    assert "secret text" not in ran.stderr


def test_the_process_publishes_and_ends_cleanly(bench: Bench, asked: Asked, tmp_path: Path) -> None:
    """`python -m service.sweeper` puts the message into the broker's folder and exits with 0 on SIGTERM."""
    bench.dispatch.broken = True
    bench.submitted(asked())
    environment = {**os.environ, "PALIMPSEST_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    log = tmp_path / "sweeper.log"
    sweeper = children.start("sweeper", [sys.executable, "-m", "service.sweeper"], environment=environment, log=log)
    try:
        queue = bench.settings.broker_folder / "queue"
        ends = time.monotonic() + 120
        while time.monotonic() < ends and not (queue.exists() and any(queue.iterdir())):
            time.sleep(0.05)
        assert any(queue.iterdir()), sweeper.tail()
        sweeper.signal(signal.SIGTERM)
        assert sweeper.process.wait(20) == 0, sweeper.tail()
        assert '"published": 1' in log.read_text()
    finally:
        children.stop([sweeper])
