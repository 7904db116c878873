"""Whether this worker lives, told by the age of two files, so that a health check needs neither broker nor ledger.

<file>         touched by the parent while its main loop turns
<file>.unit    there while a unit is at hand, touched as its work advances
"""

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Heartbeat:
    """The two files of one worker. Every worker that is looked at has files of its own."""

    file: Path

    @property
    def unit(self) -> Path:
        """The file of the unit at hand."""
        return self.file.with_name(self.file.name + ".unit")

    def beat(self) -> None:
        """The parent is there."""
        _touch(self.file)

    def advance(self) -> None:
        """The unit at hand advances."""
        _touch(self.unit)

    def rest(self) -> None:
        """No unit is at hand."""
        with suppress(OSError):
            self.unit.unlink(missing_ok=True)

    def failing(self, *, beat_seconds: float, unit_seconds: float) -> str | None:
        """Why the worker should be restarted; None while all is well.

        Not for a broker or a ledger that is away: no restart would bring them back.
        """
        beaten, advanced = _age(self.file), _age(self.unit)
        if beaten is None:
            return f"there is no heartbeat in {self.file}"
        if beaten > beat_seconds:
            return f"the last heartbeat is {beaten:.0f} s old"
        if advanced is not None and advanced > unit_seconds:
            return f"the unit at hand has not advanced for {advanced:.0f} s"
        return None


def _touch(file: Path) -> None:
    """A file that cannot be touched grows old, which says enough: no work should end over it."""
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def _age(file: Path) -> float | None:
    try:
        return time.time() - file.stat().st_mtime
    except (FileNotFoundError, NotADirectoryError):
        return None
