"""``python -m worker.alive``: exits with 0 while the worker on this machine lives, with 1 and the reason otherwise."""

import sys

from worker.heartbeat import Heartbeat
from worker.settings import WorkerSettings


def main() -> int:
    """Entry point; the exit code."""
    settings = WorkerSettings()
    heartbeat = Heartbeat(settings.heartbeat)
    reason = heartbeat.failing(beat_seconds=settings.silent_seconds, unit_seconds=settings.stuck_seconds)
    if reason is not None:
        sys.stderr.write(reason + "\n")
    return 0 if reason is None else 1


if __name__ == "__main__":
    sys.exit(main())
