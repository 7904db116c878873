"""Every environment variable the worker reads, once, at start."""

import os
from pathlib import Path

from pydantic import Field

from ledger.places import Places

_DEMO = Path(__file__).parent / "demo"


class WorkerSettings(Places):
    """``PALIMPSEST_*``. Registrations say which models this worker offers; the card says which judge it trusts."""

    registrations: list[Path] = Field([_DEMO / "registration.json"], description="one JSON file per model")
    descriptor: Path = Field(_DEMO / "descriptor" / "card.json", description="the copy-detection descriptor's card")
    threads: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    lease_seconds: float = Field(60.0, gt=0, description="a unit whose lease is not renewed this long is taken back")
    hard_seconds: float = Field(1500.0, gt=0, description="no unit runs longer")
