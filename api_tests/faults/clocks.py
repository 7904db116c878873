"""Clocks that can be set, by Debian's libfaketime: what a process takes for the time is read from a file.

The monotonic clock is left alone, as it is when an administrator or ntpd sets the time.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from ledger.tests.servers import PostgreSQL, find


def library() -> Path:
    """libfaketime; installed when root asks. Raises ServerMissing."""
    beside = Path(find("faketime", package="faketime")).resolve().parent.parent
    [found] = beside.glob("lib/*/faketime/libfaketimeMT.so.1")
    return found


def environment(clock: Path) -> dict[str, str]:
    """What makes a process look at this file, once a second."""
    if not clock.exists():
        set_to(clock, 0)
    return {
        "LD_PRELOAD": str(library()),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_RESET": "1",
    }


def set_to(clock: Path, seconds: int) -> None:
    """The time is so many seconds from now."""
    fresh = clock.with_suffix(".new")
    fresh.write_text(f"{seconds:+d}\n")
    fresh.chmod(0o644)
    fresh.replace(clock)


@dataclass
class FakedPostgreSQL(PostgreSQL):
    """A PostgreSQL whose clock is the file ``clock`` in its folder."""

    @property
    def clock(self) -> Path:
        """Where its time is set."""
        return self.folder / "clock"

    def _command(self) -> list[str]:
        told = environment(self.clock)
        if os.geteuid() == 0:
            shutil.chown(self.clock, self.user)
        return ["env", *(f"{name}={value}" for name, value in told.items()), *super()._command()]
