"""Whether an audit can be done here: the request against the published catalogue, then its images.

Everything is looked at and everything wrong is said at once, but pictures are only decoded for a request that is
otherwise fine. A prompt longer than the tokenizer takes is admitted: the engine truncates it and the report says so.
"""

from collections.abc import Iterator, Sequence

from palimpsest.contract.catalogue import ModelCard, TargetSet
from palimpsest.contract.methods import (
    DetectorParams,
    ExternalParams,
    LocalityParams,
    Params,
    UtilityParams,
    rank,
)
from palimpsest.contract.problems import Code, FieldProblem
from palimpsest.contract.request import AuditRequest, Target
from service import images, regions
from service.errors import refused
from service.offer import Offer

ROLES = {
    "mitigations": "mitigation",
    "probes": "probe",
    "scorers": "scorer",
    "detectors": "detector",
    "analyses": "analysis",
}

WITHOUT_IMAGE = {
    "targets": "give at least one image, or a detector in detectors, which says whether there is anything to look for",
    "controls": "give at least one image: nothing stands in for a control's",
}

NO_SUCH_SET = "the model has no such set, see GET /v1/models, and none was sent, see GET /v1/target-sets"


def admit(
    request: AuditRequest,
    offer: Offer,
    *,
    pixels: int = images.MOST_TOGETHER,
    sources: tuple[str, str] = ("targets", "controls"),
    missing: Sequence[FieldProblem] = (),
) -> ModelCard:
    """The model to be audited; raises a Refusal that names every field at fault. ``pixels`` are decoded at most.

    ``sources`` are the fields that targets and controls came by, ``missing`` what is wrong with pictures that were to
    be there already.
    """
    card, baseline = offer.model(request.model), offer.model(request.baseline_model)
    problems = list(_about_the_model(request, offer, card, baseline))
    problems += _about_the_methods(request, offer, baseline or card)
    given = {"targets": request.targets, "controls": request.controls}
    for source, (listed, targets) in zip(sources, given.items(), strict=True):
        judged = listed == "targets" and bool(request.detectors)
        problems += regions.problems(source, listed, targets or [], card)
        problems += _about_the_targets(source, targets, None if judged else WITHOUT_IMAGE[listed])
    problems += missing
    problems = problems or images.unreadable(request, pixels)
    if problems or card is None:
        raise refused(problems)
    return card


def sets(request: AuditRequest, offer: Offer) -> dict[str, TargetSet]:
    """The target sets that can be asked for, by id: the model's, then those of its baseline."""
    cards = [offer.model(request.baseline_model), offer.model(request.model)]
    return {known.id: known for card in cards if card is not None for known in card.target_sets}


def _about_the_model(
    request: AuditRequest, offer: Offer, card: ModelCard | None, baseline: ModelCard | None
) -> Iterator[FieldProblem]:
    for field, named, found in (("model", request.model, card), ("baseline_model", request.baseline_model, baseline)):
        if named is not None and found is None:
            yield _problem(field, Code.UNKNOWN_MODEL, "no such model; GET /v1/models lists them")
    if request.baseline_model is not None:
        unfit = _unfit(request, card, baseline)
        if unfit is not None:
            yield _problem("baseline_model", Code.BASELINE_MODEL_UNSUPPORTED, unfit)
    known = sets(request, offer) if card else None
    for field, named in (("target_set", request.target_set), ("control_set", request.control_set)):
        if known is not None and named is not None and named not in known:
            yield _problem(field, Code.UNKNOWN_TARGET_SET, NO_SUCH_SET)


def _unfit(request: AuditRequest, card: ModelCard | None, baseline: ModelCard | None) -> str | None:
    """Why the model cannot be audited beside this baseline; None where it can, or where one of them is unknown."""
    if not any(isinstance(params, ExternalParams) for params in request.mitigations):
        return "no mitigation external asks what was made of it"
    if card is None or baseline is None:
        return None
    if baseline.digest == card.digest:
        return "it is the very model under audit"
    kinds = [(c.family, c.resolution, c.tokenizer_length) for c in (card, baseline)]
    names = ("family", "resolution", "tokenizer_length")
    differ = [f"{n} {one} and {other}" for n, one, other in zip(names, *kinds, strict=True) if one != other]
    return f"the model cannot have been made from it: {', '.join(differ)}" if differ else None


def _about_the_methods(request: AuditRequest, offer: Offer, card: ModelCard | None) -> Iterator[FieldProblem]:
    reasons = {method.kind: method.reason for method in card.inapplicable} if card else {}
    for field, role in ROLES.items():
        asked: list[Params] = getattr(request, field)
        for place, method in enumerate(asked):
            kind = str(method.kind)  # type: ignore[attr-defined]
            where = f"{field}.{place}.kind"
            if kind not in offer.kinds(role):
                yield _problem(where, Code.UNKNOWN_METHOD, "no worker offers it; GET /v1/methods lists those there are")
            elif kind == "external" and request.baseline_model is None:
                detail = "it needs baseline_model, the model that this one came from"
                yield _problem(where, Code.METHOD_NOT_APPLICABLE, detail)
            elif isinstance(method, UtilityParams) and method.inception:
                detail = "no worker has Inception's weights; distances in the descriptor's space need none"
                yield _problem(f"{field}.{place}.inception", Code.METHOD_NOT_APPLICABLE, detail)
            elif kind in reasons:
                yield _problem(where, Code.METHOD_NOT_APPLICABLE, reasons[kind])
            elif isinstance(method, DetectorParams) and card is not None and card.neutral_prompts is not None:
                yield from _about_a_calibration(f"{field}.{place}", method, card.neutral_prompts)
            elif isinstance(method, LocalityParams) and _pictured(request, offer) < 2:
                detail = "it compares triggers of different images: give two targets with an image, or more"
                yield _problem(where, Code.METHOD_NOT_APPLICABLE, detail)


def _about_a_calibration(where: str, detector: DetectorParams, neutral: int) -> Iterator[FieldProblem]:
    """Too few neutral prompts for its false-positive rate: asked for, or to be had."""
    n = min(detector.neutral_prompts, neutral)
    if rank(detector.false_positive_rate, n) == 0:
        field = "neutral_prompts" if n < neutral else "false_positive_rate"
        detail = f"{n} neutral prompts cannot calibrate it: they promise 1/{n + 1} at best, and the model has {neutral}"
        yield _problem(f"{where}.{field}", Code.METHOD_NOT_APPLICABLE, detail)


def _pictured(request: AuditRequest, offer: Offer) -> int:
    """How many targets have an image; a set that is not known is another problem's."""
    if request.targets is not None:
        return sum(bool(target.images) for target in request.targets)
    known = sets(request, offer).get(request.target_set or "")
    return 2 if known is None else known.size


def _about_the_targets(source: str, targets: list[Target] | None, imageless: str | None) -> list[FieldProblem]:
    """``imageless`` is what is wrong with a target without an image; None where detectors judge its prompt."""
    problems = []
    for place, target in enumerate(targets or []):
        where = f"{source}.{place}"
        if not target.images and not (target.prompt or "").strip():
            problems.append(_problem(where, Code.TARGET_EMPTY, "give an image, a prompt, or best both"))
        elif not target.images and imageless is not None:
            problems.append(_problem(f"{where}.images", Code.TARGET_WITHOUT_IMAGE, imageless))
    return problems


def _problem(field: str, code: Code, detail: str) -> FieldProblem:
    return FieldProblem(field=field, code=code, detail=detail)
