"""What one worker process has at hand: the open ledger, the evidence, the models it offers and those it has loaded."""

import hashlib
import os
import platform
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import torch

from ledger.database import Ledger
from worker.cache import ModelCache
from worker.calibrations import Calibrations
from worker.engine.errors import MethodFailed, ModelChanged, OutOfMemory
from worker.engine.folder import Watch, digest_of_files, files_of
from worker.engine.model import DiffusionModel
from worker.engine.scorers.sscd import Descriptor, open_descriptor
from worker.engine.vetting import vet
from worker.evidence import PatientEvidence
from worker.offered import offered
from worker.registrations import Registration, served
from worker.settings import WorkerSettings

ROOT = Path(__file__).parent.parent
AROUND = [
    *("analyses", "calibrations", "conclusion", "detections", "job", "limitations", "locating", "plan", "references"),
    *("regional", "stations"),
]


@dataclass
class Workshop:
    """Made once per process, after the fork. ``owner`` is the name its leases carry.

    ``files`` has the sha256 of a model's files by their paths, under the model's digest, for every model that was read.
    """

    settings: WorkerSettings
    ledger: Ledger
    evidence: PatientEvidence
    registrations: dict[str, Registration]
    descriptor: Descriptor
    engine: str
    owner: str
    families: list[str]
    models: ModelCache
    watch: Watch | None = None
    calibrations: Calibrations = field(default_factory=Calibrations)
    files: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def open(cls, settings: WorkerSettings) -> "Workshop":
        """Everything but a model; those are loaded when first asked for."""
        torch.set_num_threads(settings.threads)
        torch.set_flush_denormal(True)
        ledger = Ledger(settings.ledger)
        if settings.embedded:
            ledger.upgrade()
        else:
            ledger.require_current()
        registrations = offered(settings)
        return cls(
            settings=settings,
            ledger=ledger,
            evidence=PatientEvidence(settings.evidence, settings.evidence_seconds),
            registrations={r.id: r for r in registrations},
            descriptor=open_descriptor(settings.descriptor),
            engine=engine_digest(),
            owner=f"{socket.gethostname()}:{os.getpid()}",
            families=served(settings.families, registrations),
            models=ModelCache(settings.cache_bytes),
        )

    def registration(self, model_id: str) -> Registration:
        """The registration of a model this worker offers."""
        if model_id not in self.registrations:
            raise MethodFailed(f"this worker does not offer the model {model_id}")
        return self.registrations[model_id]

    def model(self, model_id: str, digest: str | None = None) -> DiffusionModel:
        """The model, loaded if it is not at hand.

        Raises ModelRefused for a folder that must not be read, ModelChanged when its files are not those of ``digest``.
        """
        registration = self.registration(model_id)
        at_hand = None if digest is None else self.models.get(digest)
        if at_hand is not None:
            return at_hand
        vet(registration.folder)
        files = files_of(registration.folder, self.watch)
        found = digest_of_files(files)
        self.files[found] = files
        if registration.pinned not in (None, found):
            raise ModelChanged(f"the model {model_id} is not the one that was registered or fetched")
        if digest not in (None, found):
            raise ModelChanged(f"the model {model_id} has changed since this audit was planned")
        return self.models.get(found) or self._loaded(registration.folder, found)

    def _loaded(self, folder: Path, digest: str) -> DiffusionModel:
        model = self.models.load(folder, digest, self.watch)
        most = self.settings.memory_rows
        model.admit = None if most is None else at_most(most)
        return model

    @contextmanager
    def watched(self, watch: Watch) -> Iterator[None]:
        """Inside the block ``watch`` is told how the loading of models advances, and while evidence is waited for."""
        self.watch = self.evidence.watch = watch
        try:
            yield
        finally:
            self.watch = self.evidence.watch = None


def at_most(rows: int) -> Watch:
    """Refuses more rows than are known to fit into memory, before they are tried."""

    def admit(asked: int) -> None:
        if asked > rows:
            raise OutOfMemory(f"{asked} rows do not fit where {rows} do")

    return admit


def sources() -> list[Path]:
    """What computes and plans a report: the engine, the stations around it, and the contract's defaults."""
    worker = ROOT / "worker"
    return sorted(
        [
            *(worker / "engine").rglob("*.py"),
            *(worker / f"{name}.py" for name in AROUND),
            *(ROOT / "palimpsest" / "contract").rglob("*.py"),
        ]
    )


def engine_digest() -> str:
    """sha256 over the sources of what computes and plans a report, and the versions under it: what an audit pins."""
    lines = [f"{hashlib.sha256(f.read_bytes()).hexdigest()}  {f.relative_to(ROOT).as_posix()}" for f in sources()]
    lines += [f"{name}=={version(name)}" for name in ("torch", "diffusers", "transformers")]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def environment(engine: str) -> dict[str, str]:
    """Where a report was computed; ``peak_rss_bytes`` is the most memory that the process that wrote it ever had."""
    names = ("torch", "diffusers", "transformers", "numpy", "scipy")
    return {
        "engine": engine,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": str(torch.get_num_threads()),
        "peak_rss_bytes": str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024),
        **{name: version(name) for name in names},
    }
