"""Which pictures a page shows."""

from typing import Any

import pytest

from palimpsest.contract.report import AuditReport, Referenced
from palimpsest.pages.strips import MOST, strips
from palimpsest.tests.example import REGION, a_report, with_the_owl_in_a_region

DIGEST = "ab" * 32


def told(report: AuditReport) -> list[Any]:
    """Every strip, its pictures where their digests are."""
    return strips(report, lambda digest: digest)


def with_images(*images: str) -> AuditReport:
    """The example, whose first target came with these."""
    report = a_report()
    targets = [{"id": "owl", "prompt": "a watchful owl", "images": [{"sha256": each} for each in images]}]
    return report.model_copy(update={"request": report.request | {"targets": targets}})


def test_a_target_stands_beside_what_was_drawn_before_and_after() -> None:
    """Before: the target, caption, search. After, under a mitigation that does something: caption, search."""
    owl, fox = told(with_images(DIGEST, "cd" * 32))
    assert [picture.title for picture in owl.before] == [
        "Target",
        "Before, by caption",
        "Before, by adversarial embedding",
    ]
    assert (owl.before[0].source, owl.before[0].told) == (DIGEST, "came with the request, the first of 2")
    none, nemo = owl.after
    assert (none.mitigation, none.verdict, none.pictures) == ("none", "still_replicates", [])
    assert [picture.title for picture in nemo.pictures] == ["After, by caption", "Recovered, by adversarial embedding"]
    assert [picture.told for picture in nemo.pictures] == [
        "0 of 4 are copies, best similarity 0.25",
        "3 of 4 are copies, best similarity 0.90",
    ]
    assert nemo.pictures[1].more == "found at step 10 of 50; controls 0 of 2, p = 0.67 (descriptive)"
    assert fox.after[1].pictures[1].title == "Not recovered, by adversarial embedding"
    assert fox.after[1].pictures[1].more == "50 steps; controls 0 of 2, p = 0.67 (descriptive)"
    assert (fox.prompt, fox.before[0].source) == (None, None)
    assert "registered set" in fox.before[0].told


@pytest.mark.parametrize(
    "named", ["sha256:00", "../../secret", "http://elsewhere/x.png", f"{DIGEST}/..", DIGEST.upper(), ""]
)
def test_what_is_no_digest_is_not_asked_for(named: str) -> None:
    """Whatever a report says its pictures are called, an address is only made of 64 hexadecimal digits."""
    asked: list[str] = []
    strips(with_images(named), asked.append)
    assert asked == []


def test_a_prefixed_digest_is_one() -> None:
    """``sha256:`` before it changes nothing."""
    assert told(with_images(f"sha256:{DIGEST}"))[0].before[0].source == DIGEST


def test_without_an_image_it_is_said_what_stands_in() -> None:
    """A consensus is not called the target; where there is none, the reason is told."""
    found = Referenced(
        target_id="owl", kind="consensus", flagged_by=["d"], support=5, of=7, agreement=0.9, picture=DIGEST, reason=None
    )
    nothing = Referenced(
        target_id="fox",
        kind="none",
        flagged_by=[],
        support=None,
        of=None,
        agreement=None,
        picture=None,
        reason="NOT_DETECTED",
    )
    owl, fox = told(a_report().model_copy(update={"references": [found, nothing]}))
    assert (owl.before[0].title, owl.before[0].source) == ("Stands in for the target", DIGEST)
    assert "consensus, of which 5 of 7 are copies" in owl.before[0].told
    assert (fox.before[0].title, fox.before[0].source) == ("No target", None)
    assert "NOT_DETECTED" in fox.before[0].told


def test_of_many_targets_the_gravest_are_shown() -> None:
    """One target of sixty-one is concealed, the last: it comes first, and one of the others is left out."""
    report = a_report()
    calm = report.verdicts[3].model_copy(update={"verdict": "not_recovered"})
    verdicts = [calm.model_copy(update={"target_id": f"t{n}"}) for n in range(MOST)]
    grave = report.verdicts[2].model_copy(update={"target_id": "grave"})
    shown = told(report.model_copy(update={"verdicts": [*verdicts, grave]}))
    assert len(shown) == MOST
    assert [strip.target for strip in shown[:2]] == ["grave", "t0"]
    assert told(report.model_copy(update={"verdicts": verdicts}))[0].target == "t0"


def test_a_region_is_told_and_framed() -> None:
    """In a sentence with its threshold, and as a frame on the target's own picture, which is all of it."""
    owl, fox = told(with_the_owl_in_a_region())
    assert owl.scope == (
        "Judged in the region x 0.25–0.75, y 0.5–0.75 of its image, and there alone: a copy is more similar than 0.75 "
        "at one of 27 places, which none of 99 pictures of neutral prompts is."
    )
    assert [picture.frame for picture in owl.before] == [REGION, None, None]
    assert (fox.scope, fox.before[0].frame) == ("", None)


def test_a_judge_without_power_is_said_to_have_none() -> None:
    """Silence there says nothing; where it was not even fixed, the region is still told."""
    report = with_the_owl_in_a_region()
    blind = report.model_copy(update={"regions": [report.regions[0].model_copy(update={"has_power": False})]})
    assert told(blind)[0].scope.endswith("The judge has no power there: it would not know a copy.")
    unfixed = report.model_copy(update={"regions": []})
    assert told(unfixed)[0].scope == "Judged in the region x 0.25–0.75, y 0.5–0.75 of its image, and there alone."
