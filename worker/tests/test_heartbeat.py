"""Ages of files, and the command that a health check runs."""

import os
import subprocess
import sys
import time
from pathlib import Path

from worker.heartbeat import Heartbeat

ROOT = Path(__file__).parents[2]


def aged(file: Path, seconds: float) -> None:
    """As if it had been touched so long ago."""
    os.utime(file, (time.time() - seconds,) * 2)


def failing(heartbeat: Heartbeat) -> str | None:
    """With 10 s for the parent and 100 s for the unit."""
    return heartbeat.failing(beat_seconds=10, unit_seconds=100)


def test_a_worker_lives_while_its_heart_beats(tmp_path: Path) -> None:
    """No file, a fresh one, one of 11 s."""
    heartbeat = Heartbeat(tmp_path / "run" / "heartbeat")
    assert failing(heartbeat) == f"there is no heartbeat in {heartbeat.file}"
    heartbeat.beat()
    assert failing(heartbeat) is None
    aged(heartbeat.file, 11)
    assert failing(heartbeat) == "the last heartbeat is 11 s old"
    heartbeat.beat()
    assert failing(heartbeat) is None


def test_a_unit_that_stands_still_fails_the_worker(tmp_path: Path) -> None:
    """99 s without an advance are no reason, 101 s are; without a unit there is none either."""
    heartbeat = Heartbeat(tmp_path / "heartbeat")
    heartbeat.beat()
    heartbeat.rest()
    heartbeat.advance()
    aged(heartbeat.unit, 99)
    assert failing(heartbeat) is None
    aged(heartbeat.unit, 101)
    assert failing(heartbeat) == "the unit at hand has not advanced for 101 s"
    heartbeat.rest()
    assert failing(heartbeat) is None


def test_a_heart_that_cannot_be_heard_stops_no_work(tmp_path: Path) -> None:
    """A file stands where the folder should be: nothing is raised, and the health check fails."""
    (tmp_path / "run").write_text("in the way")
    heartbeat = Heartbeat(tmp_path / "run" / "heartbeat")
    heartbeat.beat()
    heartbeat.advance()
    heartbeat.rest()
    assert failing(heartbeat) == f"there is no heartbeat in {heartbeat.file}"


def test_a_health_check_is_told_by_the_exit_code(tmp_path: Path) -> None:
    """1 and the reason before there is a heartbeat, 0 and silence afterwards; neither broker nor ledger is asked."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PALIMPSEST_")}
    told = {"PALIMPSEST_HEARTBEAT_FILE": str(tmp_path / "beat"), "PALIMPSEST_LEDGER_URL": "postgresql://nowhere/none"}

    def asked() -> tuple[int, str]:
        ran = subprocess.run(
            [sys.executable, "-m", "worker.alive"],
            cwd=ROOT,
            env={**kept, **told},
            capture_output=True,
            text=True,
            check=False,
        )
        return ran.returncode, ran.stderr

    assert asked() == (1, f"there is no heartbeat in {tmp_path / 'beat'}\n")
    Heartbeat(tmp_path / "beat").beat()
    assert asked() == (0, "")


def test_a_health_check_is_quick(tmp_path: Path) -> None:
    """It runs every few seconds beside the worker: no numerical stack, no broker, no database driver is loaded."""
    program = "import worker.alive, sys; print(*{name.split('.')[0] for name in sys.modules})"
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not set(ran.stdout.split()) & {"torch", "numpy", "diffusers", "celery", "sqlalchemy", "structlog"}
