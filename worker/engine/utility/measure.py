"""What one mitigation did to neutral prompts, in the measures of this folder, and whether that passes a bound.

Three sets of pictures, N prompts by S seeds: *before*, from the unmitigated model; *after*, from the mitigated one on
the same noise; *again*, from the unmitigated model on other noise. Distances of distributions are taken from *again* to
*after*, for sets on one noise are too near each other; their null is from *again* to *before*: no change of the model.

A model is ``degraded`` when it passes one of three bounds, fixed before any mitigation is measured: on the drift, the
fall of the aligned share, the rise of similarity between seeds. Distances have no bound: their scale is the
descriptor's.

Where every target has a mitigated model of its own, prompts are dealt out to these models in turn: the numbers are
about all of them together.

Shapes: N prompts, S seeds, D the descriptor's dimension.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from pydantic import BaseModel
from torch import Tensor

from palimpsest.contract.methods import UtilityParams
from worker.engine.conditioning import Conditioning
from worker.engine.edits import Edit
from worker.engine.errors import MethodFailed
from worker.engine.rates import interval
from worker.engine.setting import Setting
from worker.engine.utility import alignment, diversity, frechet, kernel
from worker.engine.utility.inception import DIMENSION, Inception

TOGETHER = 16


class Mean(BaseModel):
    """Over n prompts, with Student's 95 % interval; None with a single one."""

    value: float
    low: float | None
    high: float | None
    n: int


class Distance(BaseModel):
    """From the unmitigated model's pictures on other noise to those after; ``null`` to those before, on as many."""

    value: float
    null: float


class Utility(BaseModel):
    """``aligned`` is the share the unmitigated model assigns to its own prompt, ``similarity`` that between seeds."""

    prompts: int
    seeds: int
    drift: Mean
    aligned_before: Mean
    aligned_after: Mean
    aligned_chance: float
    similarity_before: Mean
    similarity_after: Mean
    frechet: Distance
    kernel: Distance
    fid: Distance | None
    kid: Distance | None
    bounds: dict[str, float]
    passed: list[str]
    degraded: bool


@dataclass
class Seen:
    """What is kept of the pictures: descriptors (N·S×D, in time N×S×D), assignments (N×S) and Inception's features."""

    f: list[Tensor] = field(default_factory=list)
    aligned: list[Tensor] = field(default_factory=list)
    inception: list[Tensor] = field(default_factory=list)


def measure(
    setting: Setting, edit: Edit | Conditioning | None, params: UtilityParams, inception: Inception | None = None
) -> Utility:
    """All measures; MethodFailed when FID is asked for and Inception's weights are not there."""
    if params.inception and inception is None:
        raise MethodFailed("FID is asked for and this worker has no Inception weights")
    judge = inception if params.inception else None
    prompts = neutral_prompts(setting, params)
    before, after, again = Seen(), Seen(), Seen()
    for i in range(0, len(prompts), TOGETHER):
        places = range(i, min(i + TOGETHER, len(prompts)))
        look(setting, None, prompts, places, params, "same", before, judge)
        look(setting, edit, prompts, places, params, "same", after, judge)
        look(setting, None, prompts, places, params, "other", again, judge)
    return concluded(before, after, again, params, chance=chance(setting, prompts, params))


def neutral_prompts(setting: Setting, params: UtilityParams) -> list[str]:
    """Evenly spaced among the neutral ones; by default as many as make the effort's number of pictures."""
    n = params.prompts or max(2, setting.effort.neutral_images // params.seeds)
    return setting.evenly(n)


def look(
    setting: Setting,
    edit: Edit | Conditioning | None,
    prompts: list[str],
    places: range,
    params: UtilityParams,
    purpose: str,
    seen: Seen,
    judge: Inception | None,
) -> None:
    """Draw some prompts' pictures on one model, and keep what is measured of them."""
    pictures = draw(setting, edit, prompts, places, params.seeds, purpose)
    seen.f.append(setting.descriptor.describe(pictures.flatten(0, 1)).unflatten(0, pictures.shape[:2]))
    if purpose == "same":
        for place, few in zip(places, pictures, strict=True):
            x_0 = setting.model.encode_images(few * 2 - 1)
            seen.aligned.append(alignment.aligned(setting, x_0, prompts[place], params.candidates, params.pairs))
    if judge is not None:
        seen.inception.append(judge.describe(pictures.flatten(0, 1)))


def draw(
    setting: Setting, edit: Edit | Conditioning | None, prompts: list[str], places: range, seeds: int, purpose: str
) -> Tensor:
    """Pictures n×S×3×H×W; the noise depends on the place, the seed and the purpose, never on the model."""
    keys: list[tuple[str | int, ...]] = [("utility", purpose, place, s) for place in places for s in range(seeds)]
    mine = [prompts[place] for place in places]
    group = None
    if isinstance(edit, Edit) and not edit.joint:
        group = torch.tensor([place % len(edit.groups) for place in places]).repeat_interleave(seeds)
    with setting.under(edit) as mitigated:
        return mitigated.pictures(keys, setting.model.encode_prompts(mine), captions=mine, group=group)


def chance(setting: Setting, prompts: list[str], params: UtilityParams) -> float:
    """The mean of 1/K over the prompts."""
    sizes = [len(alignment.candidates(setting, prompt, params.candidates)) for prompt in prompts]
    return round(sum(1 / K for K in sizes) / len(sizes), 6)


def concluded(before: Seen, after: Seen, again: Seen, params: UtilityParams, *, chance: float) -> Utility:
    """The numbers, and which bounds they pass."""
    f, g, h = (torch.cat(seen.f) for seen in (before, after, again))
    aligned = [torch.stack(seen.aligned).double().mean(dim=1) for seen in (before, after)]
    alike = [diversity.similarity_between_seeds(x) for x in (f, g)]
    drift = 1 - (f * g).sum(dim=2).mean(dim=1)
    change = {
        "drift": float(drift.mean()),
        "alignment": float((aligned[0] - aligned[1]).mean()),
        "diversity": float((alike[1] - alike[0]).mean()),
    }
    bounds = {"drift": params.drift_bound, "alignment": params.alignment_bound, "diversity": params.diversity_bound}
    passed = [name for name, bound in bounds.items() if change[name] > bound]
    i = [torch.cat(seen.inception) for seen in (before, after, again) if seen.inception]
    flat = [v.flatten(0, 1) for v in (f, g, h)]
    return Utility(
        prompts=len(f),
        seeds=f.shape[1],
        drift=mean(drift),
        aligned_before=mean(aligned[0]),
        aligned_after=mean(aligned[1]),
        aligned_chance=chance,
        similarity_before=mean(alike[0]),
        similarity_after=mean(alike[1]),
        frechet=_distance(frechet.distance, *flat),
        kernel=_distance(kernel.distance, *flat),
        fid=_distance(frechet.distance, *i) if i else None,
        kid=_distance(partial(kernel.distance, c=DIMENSION), *i) if i else None,
        bounds=bounds,
        passed=passed,
        degraded=bool(passed),
    )


def mean(values: Tensor) -> Mean:
    """Of one value a prompt."""
    listed = [float(v) for v in values]
    low, high = interval(listed) if len(listed) > 1 else (None, None)
    return Mean(
        value=round(sum(listed) / len(listed), 5),
        low=None if low is None else round(low, 5),
        high=None if high is None else round(high, 5),
        n=len(listed),
    )


def _distance(distance: Callable[[Tensor, Tensor], float], before: Tensor, after: Tensor, again: Tensor) -> Distance:
    return Distance(value=round(distance(again, after), 6), null=round(distance(again, before), 6))
