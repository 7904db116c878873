"""Loaded models by digest: as many as the memory bound allows, the one that was used longest ago leaves first."""

import gc
from pathlib import Path

from worker.engine.folder import Watch, bytes_of
from worker.engine.model import DiffusionModel


class ModelCache:
    """``most_bytes`` bounds what the parameters of all models take together; room is made before a model is loaded.

    The model in use stays, even if it alone is larger than the bound.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._models: dict[str, DiffusionModel] = {}

    @property
    def digests(self) -> list[str]:
        """Of the models at hand, the one used last at the end."""
        return list(self._models)

    def get(self, digest: str) -> DiffusionModel | None:
        """The model of this digest, if it is at hand."""
        model = self._models.pop(digest, None)
        if model is not None:
            self._models[digest] = model
        return model

    def load(self, folder: Path, digest: str, watch: Watch | None = None) -> DiffusionModel:
        """The model in this folder, whose digest is known. Raises ModelRefused, and what ``watch`` raises."""
        self._make_room(bytes_of(folder))
        self._models[digest] = DiffusionModel.load(folder, digest, watch)
        return self._models[digest]

    def clear(self) -> None:
        """Let go of every model."""
        self._models.clear()
        gc.collect()

    def _make_room(self, wanted: int) -> None:
        while self._models and wanted + sum(model.bytes for model in self._models.values()) > self.most_bytes:
            del self._models[self.digests[0]]
            gc.collect()  # a pipeline's parts refer to one another
