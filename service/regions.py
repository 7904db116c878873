"""Whether targets can be judged in the regions they give: docs/regions.md says how, and why not otherwise."""

from collections.abc import Iterator, Sequence

from palimpsest.contract.catalogue import ModelCard
from palimpsest.contract.problems import Code, FieldProblem
from palimpsest.contract.request import MOST_REGIONS, Region, Target

CONTROL = "a control is judged in every region that a target has: give it none"
ONE_IMAGE = "a region is of one image: give the target exactly one"
TOGETHER = f"the targets of one audit may have {MOST_REGIONS} different regions: every control is searched for in each"


def problems(source: str, role: str, targets: Sequence[Target], card: ModelCard | None) -> Iterator[FieldProblem]:
    """What is wrong with regions of the field ``source``; ``role`` is targets or controls."""
    seen: set[Region] = set()
    for place, target in enumerate(targets):
        if target.region is None:
            continue
        found = complaint(role, target, target.region, card)
        seen.add(target.region)
        if found is None and len(seen) > MOST_REGIONS:
            found = Code.TOO_MANY_REGIONS, TOGETHER
        if found is not None:
            code, detail = found
            yield FieldProblem(field=f"{source}.{place}.region", code=code, detail=detail)


def complaint(role: str, target: Target, region: Region, card: ModelCard | None) -> tuple[Code, str] | None:
    """Why this target cannot be judged in its region; None where it can."""
    if role == "controls":
        return Code.REGION_UNSUPPORTED, CONTROL
    if len(target.images) != 1:
        return Code.REGION_UNSUPPORTED, ONE_IMAGE
    if not region.inside:
        return Code.REGION_OUTSIDE, "x + width and y + height may be 1 at most"
    if card is None or card.smallest_region is None:
        return None
    left, top, right, bottom = region.pixels(card.resolution, card.resolution)
    if min(right - left, bottom - top) >= card.smallest_region:
        return None
    return Code.REGION_TOO_SMALL, (
        f"it has {right - left} × {bottom - top} pixels at the model's resolution of {card.resolution}; "
        f"the descriptor needs {card.smallest_region} a side"
    )
