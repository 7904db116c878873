"""A method picks other weights for another trigger of the same image: the third indication, first half.

Kowalczuk et al., Finding DoRI (arXiv 2507.16880).

    IoU(A, B) = |A ∩ B| / |A ∪ B|          per layer, over what one method selects for two triggers

Triggers of one image stand against triggers of two, and against chance: the mean IoU of random sets of the same sizes.
Two empty sets agree by the paper's convention (IoU 1), which flatters a method that selects nothing: such pairs are
counted apart, ``agreement`` leaves them out, ``with_empty`` takes them in.
"""

import torch
from pydantic import BaseModel
from torch import Tensor

from palimpsest.contract.methods import LocalityParams
from worker.engine.locality.pairs import Contrast, among, contrast
from worker.engine.locality.sets import Chosen, agreements, count, expected_iou, nemo_sets, wanda_sets
from worker.engine.locality.triggers import Triggers
from worker.engine.mitigations.nemo import HoldOut
from worker.engine.rates import holm
from worker.engine.seeds import generator_for
from worker.engine.setting import Setting


class LayerAgreement(BaseModel):
    """One method's choices in one layer of ``units`` neurons or weights; ``selected`` is the mean size of a choice.

    ``empty_unions`` counts pairs of one image's triggers for neither of which anything is selected.
    """

    start: str
    method: str
    layer: str
    units: int
    selected: float
    agreement: Contrast
    p_adjusted: float | None
    chance: float | None
    empty_unions: int
    with_empty: float


def analyse(setting: Setting, found: Triggers, hold_out: HoldOut, params: LocalityParams) -> list[LayerAgreement]:
    """Every layer of both methods, p adjusted over a method's layers (Holm)."""
    by_method = {
        "nemo": nemo_sets(setting, found.y, hold_out, params.nemo),
        "wanda": wanda_sets(setting, found.y, params.wanda),
    }
    return [
        row
        for method, chosen in by_method.items()
        for row in adjusted([_layer(setting, found, method, layer, one, params) for layer, one in chosen.items()])
    ]


def _layer(
    setting: Setting, found: Triggers, method: str, layer: str, chosen: Chosen, params: LocalityParams
) -> LayerAgreement:
    matrix = agreements(chosen.sets)
    same = among(matrix)[among(alike(found.images))]
    sizes = [count(one) for one in chosen.sets]
    chance = at_chance(chosen.units, sizes, found.images)
    generator = generator_for(setting.seed, "locality", "agreement", found.start, method, layer)
    return LayerAgreement(
        start=found.start,
        method=method,
        layer=layer,
        units=chosen.units,
        selected=round(sum(sizes) / len(sizes), 3),
        agreement=contrast(matrix, found.images, "difference", permutations=params.permutations, generator=generator),
        p_adjusted=None,
        chance=None if chance is None else round(chance, 6),
        empty_unions=int(same.isnan().sum()),
        with_empty=round(float(same.nan_to_num(1.0).mean()), 6),
    )


def alike(images: list[str]) -> Tensor:
    """Whether two triggers belong to one image, N×N."""
    return torch.tensor([[a == b for b in images] for a in images])


def at_chance(units: int, sizes: list[int], images: list[str]) -> float | None:
    """The mean IoU of random sets over the pairs of one image that are not both empty; None without such a pair."""
    n = len(sizes)
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n) if images[i] == images[j] and sizes[i] + sizes[j]]
    values = [expected_iou(units, min(sizes[i], sizes[j]), max(sizes[i], sizes[j])) for i, j in pairs]
    return sum(values) / len(values) if values else None


def adjusted(rows: list[LayerAgreement]) -> list[LayerAgreement]:
    """Holm over the layers that could be tested."""
    tested = [row for row in rows if row.agreement.p is not None]
    p = dict(zip((row.layer for row in tested), holm([row.agreement.p or 0.0 for row in tested]), strict=True))
    return [row.model_copy(update={"p_adjusted": p.get(row.layer)}) for row in rows]
