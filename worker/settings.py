"""Every environment variable the worker reads, once, at start."""

import os
from pathlib import Path

from pydantic import Field

from ledger.places import Places

_DEMO = Path(__file__).parent / "demo"


class WorkerSettings(Places):
    """``PALIMPSEST_*``. Registrations say which models this worker offers; the card says which judge it trusts.

    Times are seconds. A unit fails between two steps at ``soft_seconds``, its lease is not renewed beyond
    ``hard_seconds``, and what reacts to neither is killed by Celery at ``palimpsest._wire.HARD_LIMIT_SECONDS``.
    """

    registrations: list[Path] = Field([_DEMO / "registration.json"], description="one JSON file per model")
    descriptor: Path = Field(_DEMO / "descriptor" / "card.json", description="the copy-detection descriptor's card")
    families: list[str] = Field([], description="of models to serve; by default those of the registered models")
    models: Path | None = Field(None, description="where models that were fetched are kept; by default under home")
    threads: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    cache_bytes: int = Field(8 * 2**30, gt=0, description="parameters of all loaded models together")
    memory_rows: int | None = Field(None, ge=1, description="rows that fit through the denoiser, where that is known")
    lease_seconds: float = Field(60.0, gt=0, description="a unit whose lease is not renewed this long is taken back")
    soft_seconds: float = Field(1200.0, gt=0, description="a unit that takes longer fails with UNIT_TIMED_OUT")
    hard_seconds: float = Field(1500.0, gt=0, description="no unit is held longer")
    evidence_seconds: float = Field(60.0, ge=0, description="for so long an evidence store that fails is asked again")
    checkpoint_seconds: float = Field(60.0, ge=0, description="between two states of a training that are kept")
    turn_seconds: float = Field(120.0, gt=0, description="after so long the next bell is waited for between two units")
    grace_seconds: float = Field(5.0, gt=0, description="between SIGTERM and the end of a child that does not react")
    presence_seconds: float = Field(10.0, gt=0, description="between two signs of life in the ledger")
    heartbeat_file: Path | None = Field(None, description="of this worker alone; by default under home")
    beat_seconds: float = Field(5.0, gt=0, description="between two heartbeats")
    silent_seconds: float = Field(60.0, gt=0, description="a worker whose last heartbeat is older is dead")
    stuck_seconds: float = Field(900.0, gt=0, description="so is one whose unit has not advanced for so long")

    @property
    def model_cache(self) -> Path:
        """Where fetched models are."""
        return (self.models or self.home / "models").absolute()

    @property
    def heartbeat(self) -> Path:
        """Where the heartbeat is."""
        return self.heartbeat_file or self.home.absolute() / "heartbeat"
