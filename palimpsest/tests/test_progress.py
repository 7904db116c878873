"""An audit's progress, on a terminal and elsewhere."""

import io

import pytest
from rich.console import Console

from palimpsest.contract.status import AuditStatus, StageProgress, State, Waiting
from palimpsest.progress import shown
from palimpsest.tests.example import a_status


def at(done: int, *, failed: int = 0, state: State = "running") -> AuditStatus:
    """The audit with its baseline done and ``done`` of four probes."""
    ended = (done + failed) / 4
    stages = [
        StageProgress(stage="baseline", done=2, failed=0, total=2, fraction=1.0),
        StageProgress(stage="probe", done=done, failed=failed, total=4, fraction=ended),
    ]
    return a_status(state, progress=ended, stages=stages)


def printed(*statuses: AuditStatus, terminal: bool) -> str:
    """All that was written."""
    console = Console(file=io.StringIO(), force_terminal=terminal, width=80, color_system=None)
    with shown(console) as on_status:
        for status in statuses:
            on_status(status)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_without_a_terminal_every_change_is_a_line() -> None:
    """State, share done and the stages under way; nothing twice."""
    lines = printed(at(0), at(1), at(1), at(2, failed=1), at(4, state="succeeded"), terminal=False).splitlines()
    assert [line.split("s", 1)[1].split() for line in lines] == [
        ["running", "0%"],
        ["running", "25%", "probe", "1/4"],
        ["running", "75%", "probe", "2/4", "(1", "failed)"],
        ["succeeded", "100%"],
    ]


@pytest.mark.parametrize(
    ("waiting", "said"),
    [
        (Waiting(reason="NO_WORKER", family=None, engine=None, position=None), "no worker is there"),
        (Waiting(reason="NO_WORKER_FOR_FAMILY", family="flux", engine=None, position=None), "no worker serves flux"),
        (
            Waiting(reason="ENGINE_GONE", family=None, engine="0123456789abcdef", position=None),
            "no worker has the engine that began it, 0123456789ab",
        ),
        (Waiting(reason="QUEUED", family=None, engine=None, position=3), "its turn, 3 before it"),
    ],
)
def test_what_an_audit_waits_for_is_said(waiting: Waiting, said: str) -> None:
    """Behind the share done, and in the bar's description; once it is worked on there is nothing to say."""
    waits, works = a_status("queued", progress=0.0, stages=[], waiting=waiting), at(0)
    lines = printed(waits, works, terminal=False).splitlines()
    assert [line.split("s", 1)[1].strip() for line in lines] == [f"queued    0%, waits: {said}", "running    0%"]
    assert f"audit queued, waits: {said}" in " ".join(printed(waits, terminal=True).split())


def test_on_a_terminal_every_stage_has_a_bar() -> None:
    """The audit's bar and one per stage, with units done and failed."""
    drawn = printed(at(1), at(2, failed=1), terminal=True).replace("━", "").replace("╸", "").replace("╺", "")
    lines = [" ".join(line.split()) for line in drawn.splitlines()]
    last = max(place for place, line in enumerate(lines) if "audit running" in line)
    assert "audit running 75%" in lines[last]
    assert lines[last + 1].startswith("baseline 100% 2/2")
    assert lines[last + 2].startswith("probe 75% 2/4 (1 failed)")
