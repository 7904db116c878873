"""The worker as it is deployed: Celery's own processes and real signals. Each start loads torch, hence the seconds."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ledger import units, workers
from ledger.tests.servers import Redis, descendants
from worker.tests.shop import TENANT, Shop
from worker.tests.trained import TRAINED, newest_state

ROOT = Path(__file__).parents[2]
PATIENCE = 240.0
LONG: dict[str, Any] = {
    "target_set": "tiny:targets",
    "probes": [{"kind": "adversarial_embedding", "steps": 100, "batch_size": 8}],
}
"""Some seconds of work."""
RING = "import worker.app as w; from ledger.outbox import Message; w.publish(Message(0, 'local', 'a', 'u', 1, 'sd1'))"


@dataclass
class Deployment:
    """Workers on one ledger and one broker, and what the ledger says of them."""

    shop: Shop
    environment: dict[str, str]
    running: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def start(self, *options: str) -> "subprocess.Popen[bytes]":
        """One more worker; returns when it is there."""
        pool = ["-P", "prefork", "-c", "1", "--without-mingle", "--without-gossip", *options]
        before = set(self.present())
        log = self.shop.workshop.settings.home / f"worker-{len(self.running)}.log"
        with log.open("wb") as file:
            worker = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "worker.app", "worker", *pool],
                cwd=ROOT,
                env=self.environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.running.append(worker)
        self.until(lambda: bool(set(self.present()) - before), f"the worker to be there; its log is {log}")
        return worker

    def ring(self) -> None:
        """Somebody rings for the family."""
        subprocess.run([sys.executable, "-c", RING], cwd=ROOT, env=self.environment, check=True, timeout=PATIENCE)

    def present(self) -> list[str]:
        """Whom the ledger knows to be there."""
        with self.shop.workshop.ledger.reading() as connection:
            return [worker.owner for worker in workers.present(connection, TENANT, within_seconds=30)]

    def units(self) -> dict[str, tuple[str, int]]:
        """State and attempts by stage."""
        with self.shop.workshop.ledger.reading() as connection:
            rows = connection.exec_driver_sql("SELECT stage, state, attempt FROM units").all()
        return {row.stage: (row.state, row.attempt) for row in rows}

    def alive(self) -> int:
        """What a health check is told."""
        command = [sys.executable, "-m", "worker.alive"]
        return subprocess.run(command, cwd=ROOT, env=self.environment, check=False, timeout=PATIENCE).returncode

    def until(self, holds: Callable[[], bool], what: str, seconds: float = PATIENCE) -> float:
        """Wait for it; how long it took."""
        began = time.monotonic()
        while not holds():
            assert time.monotonic() < began + seconds, f"waited {seconds:.0f} s for {what}: {self.units()}"
            time.sleep(0.05)
        return time.monotonic() - began

    def sweep(self) -> None:
        """What the sweeper does about leases that ran out."""
        self.shop.workshop.ledger.write(units.expire_leases)

    def performed(self, worker: int) -> dict[str, dict[str, Any]]:
        """The canonical lines that a worker, by its place, has written, by stage."""
        log = self.shop.workshop.settings.home / f"worker-{worker}.log"
        lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
        return {line["stage"]: line for line in lines if line["event"] == "unit"}

    def close(self) -> None:
        """Nobody is left."""
        for worker in self.running:
            kill(worker)
        self.shop.close()


def kill(worker: "subprocess.Popen[bytes]") -> None:
    """The parent and its child, at once and without a word."""
    for pid in [worker.pid, *descendants(worker.pid)]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    worker.wait(PATIENCE)


Deploy = Callable[..., Deployment]


@pytest.fixture
def deploy(demo: Path, tmp_path: Path) -> Iterator[Deploy]:
    """Makes a deployment of the tiny model, on the embedded broker unless another is named."""
    made: list[Deployment] = []

    def make(**settings: Any) -> Deployment:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PALIMPSEST_")}
        plain = {
            "home": str(tmp_path / "home"),
            "registrations": json.dumps([str(demo / "registration.json")]),
            "descriptor": str(demo / "descriptor" / "card.json"),
            "threads": "1",
            **settings,
        }
        told = {f"PALIMPSEST_{name.upper()}": str(value) for name, value in plain.items()}
        made.append(Deployment(Shop.open(demo, tmp_path / "home"), {**kept, **told, "OMP_NUM_THREADS": "1"}))
        return made[-1]

    yield make
    for deployment in made:
        deployment.close()


def test_a_worker_that_is_told_to_stop_gives_its_unit_back(deploy: Deploy) -> None:
    """
    On Redis: SIGTERM to the parent alone, as from a container's init, in the middle of a search
    Within seconds the unit is queued as if it had not been begun, the worker leaves with 0 and is not there any more
    Another worker hears of it by itself and finishes the audit; SIGTERM to its whole group ends it with 0, too
    Meanwhile a health check passes, but not while the parent stands still
    """
    with Redis() as redis:
        deployment = deploy(broker_url=redis.url, silent_seconds=3, beat_seconds=0.5)
        audit_id = deployment.shop.submit(LONG)
        first = deployment.start()
        assert deployment.alive() == 0
        os.kill(first.pid, signal.SIGSTOP)
        deployment.until(lambda: deployment.alive() == 1, "a health check that fails")
        os.kill(first.pid, signal.SIGCONT)
        deployment.ring()
        deployment.until(lambda: deployment.units().get("baseline") == ("leased", 1), "a search to be under way")
        assert deployment.alive() == 0
        first.send_signal(signal.SIGTERM)
        assert deployment.until(lambda: deployment.units()["baseline"] == ("queued", 0), "the unit to come back") < 5
        assert first.wait(30) == 0
        assert deployment.present() == []
        second = deployment.start()
        deployment.until(lambda: deployment.shop.row(audit_id).state == "succeeded", "the audit to succeed")
        assert deployment.units() == {"plan": ("done", 1), "baseline": ("done", 1), "report": ("done", 1)}
        os.killpg(second.pid, signal.SIGTERM)
        assert second.wait(30) == 0


def test_a_child_that_does_not_react_is_ended(deploy: Deploy) -> None:
    """
    On the embedded broker, with a queue named on the command line: the family's bell is heard all the same
    The child stands still, so that neither it nor the thread that keeps its lease can give the unit back
    A second after SIGTERM it is killed, and its parent leaves once Celery has given the task up (10 s)
    """
    deployment = deploy(grace_seconds=1)
    deployment.shop.submit(LONG)
    worker = deployment.start("-Q", "palimpsest.units")
    deployment.ring()
    deployment.until(lambda: deployment.units().get("baseline") == ("leased", 1), "a search to be under way")
    [child] = descendants(worker.pid)
    os.kill(child, signal.SIGSTOP)
    os.killpg(worker.pid, signal.SIGTERM)
    assert worker.wait(60) == 0
    assert not Path(f"/proc/{child}").exists()
    assert deployment.units()["baseline"] == ("leased", 1)


def test_a_training_survives_its_worker(deploy: Deploy, demo: Path, tmp_path: Path) -> None:
    """
    kill -9 in the middle of a fine-tuning of 60 steps: once the lease has run out another worker takes those that are
    missing from the newest state, and no others; the report is that of a worker that was never disturbed
    """
    steps, stage = 60, "mitigate:adversarial_finetuning"
    request = {**TRAINED, "mitigations": [{**TRAINED["mitigations"][0], "epochs": steps}]}
    deployment = deploy(checkpoint_seconds=0, lease_seconds=4)
    audit_id = deployment.shop.submit(request)
    first = deployment.start()
    deployment.ring()
    deployment.until(lambda: (newest_state(deployment.shop) or {"step": 0})["step"] >= 5, "five steps")
    kill(first)
    state = newest_state(deployment.shop)
    assert state is not None
    assert 5 <= state["step"] < steps
    assert deployment.units()[stage] == ("leased", 1)

    def taken_back() -> bool:
        deployment.sweep()
        return deployment.units()[stage] == ("queued", 1)

    deployment.until(taken_back, "the lease to run out", 30)
    deployment.start()
    deployment.ring()
    deployment.until(lambda: deployment.shop.row(audit_id).state == "succeeded", "the audit to succeed")
    line = deployment.performed(1)[stage]
    assert (line["ended"], line["attempt"], line["steps"]) == ("done", 2, steps - state["step"])
    plain = Shop.open(demo, tmp_path / "plain")
    assert plain.audit(request).result_digest == deployment.shop.report(audit_id).result_digest
    plain.close()
