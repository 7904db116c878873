"""The worker with an engine that sleeps: ``celery -A api_tests.scaling.worker worker …``."""

import sys

from api_tests.scaling import stand_ins

for _name in ("worker.stations", "worker.workshop", "worker.cards"):
    sys.modules[_name] = stand_ins

from worker.app import app  # noqa: E402  the worker's own, on top of what stands in

__all__ = ["app"]
