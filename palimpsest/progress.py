"""An audit's progress as it is polled: a live bar per stage on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from palimpsest.contract.status import AuditStatus, StageProgress, Waiting
from palimpsest.exchange import OnStatus


@contextmanager
def shown(console: Console) -> Iterator[OnStatus]:
    """A callback that shows every status it is given, until the context ends."""
    if not console.is_terminal:
        yield Lines(console).show
        return
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[units]}", markup=False),
        TimeElapsedColumn(),
        console=console,
    ) as progress:
        yield Bars(progress).show


class Bars:
    """One bar for the audit and one per stage, added as the stages become known."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._whole = progress.add_task("audit", total=1.0, units="")

    def show(self, status: AuditStatus) -> None:
        """Move the bars."""
        description = f"audit {status.state}{reason(status.waiting)}"
        self._progress.update(self._whole, description=description, completed=status.progress)
        for stage in status.stages:
            task = self._task(stage)
            if stage.fraction > 0 or stage.done + stage.failed > 0:
                self._progress.start_task(task)
            self._progress.update(task, completed=stage.fraction, units=units(stage))

    def _task(self, stage: StageProgress) -> TaskID:
        if stage.stage not in self._tasks:
            self._tasks[stage.stage] = self._progress.add_task(f"  {stage.stage}", start=False, total=1.0, units="")
        return self._tasks[stage.stage]


class Lines:
    """One line per change: seconds, state, share done, the stages under way, and what it waits for."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._last = ""

    def show(self, status: AuditStatus) -> None:
        """Print a line if it says anything new."""
        under_way = [f"{stage.stage} {units(stage)}" for stage in status.stages if 0 < stage.fraction < 1]
        line = f"{status.state}  {status.progress:4.0%}  {', '.join(under_way)}".rstrip() + reason(status.waiting)
        if line != self._last:
            seconds = time.monotonic() - self._began
            self._console.print(f"{seconds:6.0f} s  {line}", markup=False, soft_wrap=True)
            self._last = line


def reason(waiting: Waiting | None) -> str:
    """``, waits: no worker serves flux``; nothing while it is worked on."""
    if waiting is None:
        return ""
    sentences = {
        "NO_WORKER": "no worker is there",
        "NO_WORKER_FOR_FAMILY": f"no worker serves {waiting.family}",
        "ENGINE_GONE": f"no worker has the engine that began it, {(waiting.engine or '')[:12]}",
        "QUEUED": f"its turn, {waiting.position} before it",
    }
    return f", waits: {sentences[waiting.reason]}"


def units(stage: StageProgress) -> str:
    """``3/12 (1 failed)``"""
    return f"{stage.done}/{stage.total}" + (f" ({stage.failed} failed)" if stage.failed else "")
