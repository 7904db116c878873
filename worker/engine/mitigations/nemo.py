"""NeMo: deactivate the value neurons that a memorized prompt activates out of distribution.

Hintersdorf et al., Finding NeMo: Localizing Neurons Responsible For Memorization in Diffusion Models, NeurIPS 2024
(arXiv 2406.02366); code ml-research/localizing_memorization_in_diffusion_models, commit f952ede.

    a_n(y)  = mean over tokens of |w_n · y|                       neuron n: one output channel of a W_V (attn2.to_v)
    δ(x)    = ε_θ(x_T, t, y) − x_T, scaled to [0, 1] per channel  at the first timestep, without guidance
    s       = max over seeds of MS-SSIM(δ, δ with neurons off)    high: the noise still converges on one image
    τ_mem   = mean + 1 σ of MS-SSIM between seeds, on hold-out prompts

1. Keep the seeds whose δ resembles another seed's more than τ_mem; none: the prompt is not memorized.
2. Switch off S = {n : |a_n − μ_n|/σ_n > θ} and each layer's k most active neurons; lower θ and raise k until s ≤ τ_mem.
3. Give back first whole layers, then single neurons, whenever s stays below the threshold without them.

Deviations, stated in the report: the released "first step" is really the second timestep (its loop never calls the
scheduler), the method is run as the paper describes it; τ_mem is calibrated on this model; MS-SSIM's 11-pixel window
does not fit latents under 64×64, where a 3-pixel window and two scales are used.

Step 2 and 3 ask for one s at a time. They are written as a generator that asks and is answered, so that many
targets can be answered by one batch.

Shapes: N prompts, S seeds, L tokens, O neurons of a layer.
"""

from collections.abc import Generator
from dataclasses import dataclass

import torch
from torch import Tensor

from palimpsest.contract.methods import NemoParams
from worker.engine.diffusion import ddim_timesteps
from worker.engine.edits import JOINT, Edit, Masks, Mitigated
from worker.engine.errors import MethodFailed
from worker.engine.items import Item
from worker.engine.ms_ssim import RELEASED, ms_ssim, window_for
from worker.engine.seeds import noise
from worker.engine.setting import Setting

HOLD_OUT_PAIRS = 32
Search = Generator[Masks, float, Masks]


@dataclass(frozen=True)
class HoldOut:
    """μ and σ of every neuron's activation on neutral prompts, by layer, and τ_mem."""

    mu: Masks
    sigma: Masks
    tau_mem: float


def apply(setting: Setting, targets: list[Item], params: NemoParams) -> Mitigated:
    """One neuron set per target that has a prompt, or the union of them for all."""
    prompted = [target for target in targets if target.prompt is not None]
    if not prompted:
        raise MethodFailed("nemo looks at prompts and none of these targets has one")
    hold_out = measure_hold_out(setting, params)
    found = localize(setting, prompted, hold_out, params)
    groups = {target.id: found.get(target.id, {}) for target in targets}
    notes = [f"{t.id}: nemo finds no memorization and deactivates nothing" for t in prompted if t.id not in found]
    notes += [f"{t.id} has no prompt: nemo deactivates nothing for it" for t in targets if t.prompt is None]
    if window_for(setting.model.latent_shape[1]) is not RELEASED:
        notes.append("nemo: MS-SSIM with a 3-pixel window and two scales, recalibrated, because latents are small")
    notes.append(f"nemo: τ_mem = {hold_out.tau_mem:.3f} on this model's neutral prompts")
    size = sum(layer.out_features for layer in setting.model.value_layers().values())
    if params.scope == "joint":
        groups = {JOINT: union(list(groups.values()))}
    return Mitigated(Edit("neurons", groups, size), params.scope, notes)


def activations(setting: Setting, prompts: list[str]) -> Masks:
    """a_n(y) of every layer, N×O. Depends on the text alone: no pass through the denoiser is needed."""
    return activations_of(setting, setting.model.encode_prompts(prompts))


def activations_of(setting: Setting, y: Tensor) -> Masks:
    """a_n(y) of every layer, N×O, for any embeddings, a prompt's or a trigger's."""
    return {path: (y @ layer.weight.T).abs().mean(dim=1) for path, layer in setting.model.value_layers().items()}


def measure_hold_out(setting: Setting, params: NemoParams) -> HoldOut:
    """Statistics of the neutral prompts, and τ_mem from their between-seed similarity unless it is given."""
    a = activations(setting, setting.neutral)
    tau_mem = params.similarity
    if tau_mem is None:
        between = seed_similarities(setting, setting.neutral[:HOLD_OUT_PAIRS], min(params.seeds, 4))
        tau_mem = float(between.mean() + between.std())
    return HoldOut({p: v.mean(dim=0) for p, v in a.items()}, {p: v.std(dim=0) for p, v in a.items()}, tau_mem)


def seed_similarities(setting: Setting, prompts: list[str], seeds: int) -> Tensor:
    """MS-SSIM between δ of every two seeds of every prompt, flat."""
    delta = noise_differences(setting, setting.model.encode_prompts(prompts), seeds)
    i, j = torch.triu_indices(seeds, seeds, offset=1)
    return similarity(setting, delta[:, i].flatten(0, 1), delta[:, j].flatten(0, 1))


def noise_differences(setting: Setting, y: Tensor, seeds: int, group: Tensor | None = None) -> Tensor:
    """δ, N×S×C×H×W in [0, 1]; the same S initial noises for every prompt. ``group`` N: whose neurons are off."""
    model = setting.model
    x_T = noise(model.latent_shape, [("nemo", s) for s in range(seeds)], setting.seed).repeat(len(y), 1, 1, 1)
    t = torch.full((len(x_T),), ddim_timesteps(setting.sampler.steps)[0])
    per_row = None if group is None else group.repeat_interleave(seeds)
    with torch.no_grad():
        delta = model.eps(x_T, t, y.repeat_interleave(seeds, dim=0), per_row) - x_T
    low, high = delta.amin(dim=(2, 3), keepdim=True), delta.amax(dim=(2, 3), keepdim=True)
    return ((delta - low) / (high - low)).unflatten(0, (len(y), seeds))


def similarity(setting: Setting, delta: Tensor, other: Tensor) -> Tensor:
    """MS-SSIM per pair, with the window that fits this model's latents."""
    return ms_ssim(delta, other, window_for(setting.model.latent_shape[1]))


def localize(setting: Setting, targets: list[Item], hold_out: HoldOut, params: NemoParams) -> dict[str, Masks]:
    """The neurons of every target that has a memorized seed."""
    y = setting.model.encode_prompts([target.prompt or "" for target in targets])
    return {targets[i].id: masks for i, masks in neurons_of(setting, y, hold_out, params).items()}


def neurons_of(setting: Setting, y: Tensor, hold_out: HoldOut, params: NemoParams) -> dict[int, Masks]:
    """The neurons of every embedding in y (N×L×D) that has a memorized seed, all searches advancing together."""
    a = activations_of(setting, y)
    unblocked = noise_differences(setting, y, params.seeds)
    searches: dict[int, Search] = {}
    kept: dict[int, Tensor] = {}
    for i in range(len(y)):
        memorized = memorized_seeds(setting, unblocked[i], hold_out.tau_mem)
        if bool(memorized.any()):
            kept[i] = memorized
            searches[i] = select({path: rows[i] for path, rows in a.items()}, hold_out, params)
    found: dict[int, Masks] = {}
    asked = {i: next(search) for i, search in searches.items()}
    while asked:
        answers = blocked_similarity(setting, asked, y, unblocked, kept)
        for i, s in answers.items():
            try:
                asked[i] = searches[i].send(s)
            except StopIteration as finished:
                found[i] = finished.value
                del asked[i]
    return found


def memorized_seeds(setting: Setting, delta: Tensor, tau_mem: float) -> Tensor:
    """Which seeds' δ resemble some other seed's more than τ_mem."""
    S = len(delta)
    i, j = torch.triu_indices(S, S, offset=1)
    between = torch.zeros(S, S)
    between[i, j] = similarity(setting, delta[i], delta[j])
    return (between + between.T).amax(dim=1) > tau_mem


def blocked_similarity(
    setting: Setting, asked: dict[int, Masks], y: Tensor, unblocked: Tensor, kept: dict[int, Tensor]
) -> dict[int, float]:
    """s for every asked neuron set, in one batch: every row meets its own target's neurons."""
    edit = Edit("neurons", {str(i): masks for i, masks in asked.items()}, 0)
    rows, seeds = list(asked), unblocked.shape[1]
    with setting.model.edited(edit):
        blocked = noise_differences(setting, y[rows], seeds, torch.arange(len(rows)))
    return {i: float(similarity(setting, unblocked[i][kept[i]], blocked[n][kept[i]]).max()) for n, i in enumerate(rows)}


def select(a: Masks, hold_out: HoldOut, params: NemoParams) -> Search:
    """Initial selection, then refinement. Yields neuron sets, is sent their s, returns the set that remains."""
    chosen, tau = yield from initial(a, hold_out, params)
    return (yield from refined(chosen, tau)) if params.refine else chosen


def initial(a: Masks, hold_out: HoldOut, params: NemoParams) -> Generator[Masks, float, tuple[Masks, float]]:
    """Lower θ and raise k until the blocked noise no longer converges; else refine against the last s."""
    theta, k = params.theta, 0
    while True:
        chosen = {path: candidates(a[path], hold_out.mu[path], hold_out.sigma[path], theta, k) for path in a}
        s = yield chosen
        if s <= hold_out.tau_mem:
            return chosen, hold_out.tau_mem
        theta, k = theta - params.theta_step, k + 1
        if theta <= params.theta_min or k >= max(len(row) for row in a.values()):
            return chosen, s


def candidates(a_O: Tensor, mu_O: Tensor, sigma_O: Tensor, theta: float, k: int) -> Tensor:
    """|a − μ|/σ > θ, or among the k largest a; k is capped by the layer's width."""
    chosen = (a_O - mu_O).abs() / sigma_O > theta
    chosen[a_O.topk(min(k, len(a_O))).indices] = True
    return chosen


def refined(chosen: Masks, tau: float) -> Search:
    """Give back layers, last to first, then neurons, whenever s < τ without them."""
    chosen = {path: mask.clone() for path, mask in chosen.items() if bool(mask.any())}
    for path in reversed(list(chosen)):
        without = {p: m for p, m in chosen.items() if p != path}
        if (yield without) < tau:
            chosen = without
    for path in reversed(list(chosen)):
        for n in chosen[path].nonzero().flatten().tolist():
            chosen[path][n] = False
            if (yield chosen) >= tau:
                chosen[path][n] = True
    return chosen


def union(sets: list[Masks]) -> Masks:
    """The neurons that are in any of the sets."""
    together: Masks = {}
    for masks in sets:
        for path, mask in masks.items():
            together[path] = together[path] | mask if path in together else mask.clone()
    return together
