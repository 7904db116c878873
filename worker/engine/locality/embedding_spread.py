"""Triggers lie all over embedding space: the first indication.

Kowalczuk et al., Finding DoRI (arXiv 2507.16880). Embeddings are flattened to L·D numbers.

    ‖y_i − y_j‖₂            among triggers of one image, of two images, among their starts, among different prompts
    ‖y − y⁽⁰⁾‖₂              how far a search moved
    cos(y_i − y_i⁽⁰⁾, y_j − y_j⁽⁰⁾)   whether searches for one image move in one direction

A start from N(0, I) is far from every other, and a search does not go far: "scattered" is inherited from the start in
part. So starts and displacements stand beside the triggers, starts of another kind (other prompts) can be asked for,
and the direction of the displacement, which owes nothing to the start, has a contrast of its own.
"""

import torch
from pydantic import BaseModel
from torch import Tensor

from palimpsest.contract.methods import LocalityParams
from palimpsest.contract.report import Rate
from worker.engine.locality.pairs import Contrast, Spread, among, contrast, distances, spread
from worker.engine.locality.triggers import Triggers
from worker.engine.rates import rate
from worker.engine.seeds import generator_for


class Projected(BaseModel):
    """A point of the plane of largest variance: a trigger with its start, or a prompt, which has none."""

    image: str | None
    at: tuple[float, float]
    start: tuple[float, float] | None


class EmbeddingSpread(BaseModel):
    """The numbers, and the picture's points.

    ``nearest_start`` counts triggers to which no start is nearer than their own; by chance, one in all of them.
    """

    start: str
    triggers_of_one_image: Spread
    triggers_of_two_images: Spread
    starts: Spread
    prompts: Spread
    displacement: Spread
    distance: Contrast
    direction: Contrast
    nearest_start: Rate
    plane_variance: float
    plane: list[Projected]


def analyse(found: Triggers, prompts_NLD: Tensor, params: LocalityParams, seed: int) -> EmbeddingSpread:
    """Of one kind of start; ``prompts_NLD`` are embeddings of different prompts."""
    y, y_0 = found.y.flatten(1).double(), found.y_0.flatten(1).double()
    d = distances(y)
    alike = among(torch.tensor([[a == b for b in found.images] for a in found.images]))
    from_starts = torch.cdist(y, y_0, compute_mode="donot_use_mm_for_euclid_dist")
    own = int((from_starts.diagonal() <= from_starts.amin(dim=1)).sum())
    moved = torch.nn.functional.normalize(y - y_0, dim=1)
    plane, variance = projected(found, prompts_NLD)

    def of(matrix: Tensor, effect: str) -> Contrast:
        generator = generator_for(seed, "locality", "spread", found.start, effect)
        return contrast(matrix, found.images, effect, permutations=params.permutations, generator=generator)  # type: ignore[arg-type]

    return EmbeddingSpread(
        start=found.start,
        triggers_of_one_image=spread(among(d)[alike]),
        triggers_of_two_images=spread(among(d)[~alike]),
        starts=spread(among(distances(y_0))),
        prompts=spread(among(distances(prompts_NLD))),
        displacement=spread((y - y_0).norm(dim=1)),
        distance=of(d, "ratio"),
        direction=of(moved @ moved.T, "difference"),
        nearest_start=rate(own, len(y)),
        plane_variance=round(variance, 5),
        plane=plane,
    )


def projected(found: Triggers, prompts_NLD: Tensor) -> tuple[list[Projected], float]:
    """Triggers, their starts and prompts on the two directions of largest variance, and the share those hold."""
    n = len(found.y)
    points, share = principal_plane(torch.cat([found.y, found.y_0, prompts_NLD]).flatten(1).double())
    at = [(round(x, 4), round(y, 4)) for x, y in points.tolist()]
    triggers = [Projected(image=i, at=a, start=s) for i, a, s in zip(found.images, at[:n], at[n : 2 * n], strict=True)]
    return triggers + [Projected(image=None, at=a, start=None) for a in at[2 * n :]], share


def principal_plane(x_ND: Tensor) -> tuple[Tensor, float]:
    """x − mean onto its first two right singular vectors (N×2), and their share of the variance.

    The sign of each direction is chosen so that its largest entry is positive: equal data are equal pictures.
    """
    centred = x_ND - x_ND.mean(dim=0)
    _, S, Vh = torch.linalg.svd(centred, full_matrices=False)
    first = Vh[:2]
    sign = first.gather(1, first.abs().argmax(dim=1, keepdim=True)).sign()
    total = float(S.pow(2).sum())
    return centred @ (first * sign).T, float(S[:2].pow(2).sum()) / total if total > 0 else 0.0
