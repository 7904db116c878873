"""Process groups that leave nobody behind."""

import os
import time
from pathlib import Path

import pytest

from service import children

STUBBORN = "trap '' TERM; (trap '' TERM; sleep 300) & echo $! > {pids}; echo $$ >> {pids}; wait"


def is_running(pid: int) -> bool:
    """Whether the process exists and is more than a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def shell(script: str, log: Path) -> children.Child:
    """A child that runs a shell script."""
    return children.start("shell", ["/bin/sh", "-c", script], environment=os.environ, log=log)


def written(file: Path, lines: int) -> list[int]:
    """The process ids in a file, once they are there."""
    ends = time.monotonic() + 20
    while time.monotonic() < ends:
        if file.exists() and len(file.read_text().splitlines()) == lines:
            return [int(line) for line in file.read_text().split()]
        time.sleep(0.02)
    raise AssertionError(f"{file} was not written")


@pytest.mark.parametrize("script", ["sleep 300 & echo $! > {pids}; echo $$ >> {pids}; wait", STUBBORN])
def test_a_child_goes_with_all_it_started(tmp_path: Path, script: str) -> None:
    """Grandchildren too, and those that ignore SIGTERM after the grace period."""
    pids = tmp_path / "pids"
    child = shell(script.format(pids=pids), tmp_path / "log")
    family = written(pids, 2)
    assert all(map(is_running, family))
    children.stop([child], grace=0.5)
    assert not any(map(is_running, family))


def test_an_orphan_is_found_behind_a_parent_that_ended(tmp_path: Path) -> None:
    """The child exited by itself and left a grandchild in its group."""
    pids = tmp_path / "pids"
    child = shell(f"sleep 300 & echo $! > {pids}; exit 3", tmp_path / "log")
    (orphan,) = written(pids, 1)
    child.process.wait(20)
    assert (child.exit_code, is_running(orphan)) == (3, True)
    children.stop([child])
    assert not is_running(orphan)


def test_the_end_of_a_log_can_be_told(tmp_path: Path) -> None:
    """Its last twenty lines, both streams."""
    child = shell("seq 1 30; echo wrong >&2", tmp_path / "logs" / "log")
    child.process.wait(20)
    assert child.tail().splitlines()[0] == "12"
    assert child.tail().splitlines()[-1] == "wrong"


def test_death_by_signal_is_told_as_a_shell_tells_it(tmp_path: Path) -> None:
    """128 and the signal's number."""
    child = shell("kill -9 $$", tmp_path / "log")
    child.process.wait(20)
    assert child.exit_code == 137
