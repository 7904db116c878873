"""What one worker process has at hand: the open ledger, the evidence, the models it offers and the loaded one."""

import hashlib
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from ledger.database import Ledger
from ledger.evidence import EvidenceStore
from worker.engine.errors import MethodFailed, ModelChanged
from worker.engine.model import DiffusionModel, digest_of
from worker.engine.scorers.sscd import Descriptor, open_descriptor
from worker.registrations import Registration, read
from worker.settings import WorkerSettings


@dataclass
class Workshop:
    """Made once per process, after the fork."""

    settings: WorkerSettings
    ledger: Ledger
    evidence: EvidenceStore
    registrations: dict[str, Registration]
    descriptor: Descriptor
    engine: str
    loaded: DiffusionModel | None = None

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
        return cls(
            settings=settings,
            ledger=ledger,
            evidence=EvidenceStore(settings.evidence),
            registrations={r.id: r for r in map(read, settings.registrations)},
            descriptor=open_descriptor(settings.descriptor),
            engine=engine_digest(),
        )

    def registration(self, model_id: str) -> Registration:
        """The registration of a model this worker offers."""
        if model_id not in self.registrations:
            raise MethodFailed(f"this worker does not offer the model {model_id}")
        return self.registrations[model_id]

    def model(self, model_id: str, digest: str | None = None) -> DiffusionModel:
        """The loaded model; raises ModelChanged when its files are not those the audit was planned for."""
        folder = self.registration(model_id).folder
        if self.loaded is None or self.loaded.digest != (digest or digest_of(folder)):
            self.loaded = DiffusionModel.load(folder)
        if digest is not None and self.loaded.digest != digest:
            raise ModelChanged(f"the model {model_id} has changed since this audit was planned")
        return self.loaded


def engine_digest() -> str:
    """sha256 over the engine's and the contract's sources and the versions of what computes: what an audit pins."""
    root = Path(__file__).parent
    files = sorted([*(root / "engine").rglob("*.py"), *(root.parent / "palimpsest" / "contract").glob("*.py")])
    lines = [f"{hashlib.sha256(f.read_bytes()).hexdigest()}  {f.relative_to(root.parent).as_posix()}" for f in files]
    lines += [f"{name}=={version(name)}" for name in ("torch", "diffusers", "transformers")]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def environment(engine: str) -> dict[str, str]:
    """Where a report was computed."""
    names = ("torch", "diffusers", "transformers", "numpy", "scipy")
    return {
        "engine": engine,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": str(torch.get_num_threads()),
        **{name: version(name) for name in names},
    }
