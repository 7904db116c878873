"""What an audit said of planted models, against what is true.

* a *false positive* is a never-planted image with any verdict but ``not_memorized`` and ``inconclusive``
* a *false negative* is a planted image judged ``not_memorized``, whether or not the model came to remember it
* ``inconclusive`` (and an image without a verdict) is counted on its own, on either side

Images of one model are no independent draws, so intervals are clustered by model (``clustered``).
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from palimpsest.contract.verdicts import VerdictName
from worker.canaries.truth import Truth
from worker.engine.rates import interval, rate

INNOCENT = ("not_memorized", "not_detected")
MANY = 10
"""From so many models on they are resampled; of fewer, Student's t over their shares is the honest width."""
RESAMPLES = 2000
OVER_T, OVER_BOOTSTRAP = "Student's t over models", "bootstrap over models"
OVER_IMAGES, ONE_MODEL = "Clopper-Pearson over images, models alike", "Clopper-Pearson over the images of one model"
Words = Mapping[str, VerdictName]
"""Verdicts by image."""


@dataclass(frozen=True)
class Share:
    """k of n images over some models; [low, high] is 95 %, and ``method`` says over what."""

    k: int
    n: int
    models: int
    low: float
    high: float
    method: str


@dataclass(frozen=True)
class Line:
    """One duplication count: how many were missed, found, and left open."""

    copies: int
    missed: Share
    found: Share
    inconclusive: Share


@dataclass(frozen=True)
class Comparison:
    """All of it; ``lines`` by duplication count, smallest first."""

    false_positives: Share
    never_planted_inconclusive: Share
    lines: list[Line]


def is_accused(word: str) -> bool:
    """A verdict by which the model holds the image, or held it."""
    return word not in (*INNOCENT, "inconclusive")


def is_cleared(word: str) -> bool:
    """A verdict by which it does not."""
    return word in INNOCENT


def is_open(word: str) -> bool:
    """No verdict on it either way."""
    return word == "inconclusive"


def compare(models: list[tuple[Truth, Words]]) -> Comparison:
    """The verdicts of every model against its truth."""
    counts = sorted({copies for truth, _ in models for copies in truth.counts})
    return Comparison(
        false_positives=_share(models, lambda truth: truth.never_planted, is_accused),
        never_planted_inconclusive=_share(models, lambda truth: truth.never_planted, is_open),
        lines=[_line(models, copies) for copies in counts],
    )


def _line(models: list[tuple[Truth, Words]], copies: int) -> Line:
    def mine(truth: Truth) -> list[str]:
        return truth.planted(copies)

    return Line(copies, *(_share(models, mine, is_so) for is_so in (is_cleared, is_accused, is_open)))


def _share(
    models: list[tuple[Truth, Words]], items: Callable[[Truth], list[str]], is_so: Callable[[str], bool]
) -> Share:
    found = [
        (sum(is_so(words.get(item, "inconclusive")) for item in items(truth)), len(items(truth)))
        for truth, words in models
    ]
    return clustered([(k, n) for k, n in found if n])


def clustered(found: list[tuple[int, int]], seed: int = 0) -> Share:
    """k of n in every model, together, with a 95 % interval.

    Of ``MANY`` models and more: their shares' percentiles 2.5 and 97.5 when whole models are drawn with replacement.
    Of fewer: the mean of the models' shares ± t·s/√M, cut to [0, 1]. Where all models have one share, s says nothing:
    then, as for a single model, Clopper-Pearson over the images, which takes them for independent.
    """
    k, n, M = sum(k for k, _ in found), sum(n for _, n in found), len(found)
    if M < 2 or len({k / n for k, n in found}) == 1:
        plain = rate(k, n)
        return Share(k, n, M, plain.low, plain.high, OVER_IMAGES if M > 1 else ONE_MODEL)
    if M < MANY:
        low, high = interval([k / n for k, n in found])
        return Share(k, n, M, max(0.0, low), min(1.0, high), OVER_T)
    return Share(k, n, M, *_bootstrapped(found, seed), OVER_BOOTSTRAP)


def _bootstrapped(found: list[tuple[int, int]], seed: int) -> tuple[float, float]:
    draw = random.Random(seed)
    shares = []
    for _ in range(RESAMPLES):
        again = draw.choices(found, k=len(found))
        shares.append(sum(k for k, _ in again) / sum(n for _, n in again))
    shares.sort()
    return shares[int(0.025 * RESAMPLES)], shares[int(0.975 * RESAMPLES) - 1]


def told(share: Share) -> str:
    """k/n and the share with its interval."""
    if share.n == 0:
        return "–"
    return f"{share.k}/{share.n} = {share.k / share.n:.2f} [{share.low:.2f}, {share.high:.2f}]"


def lines(found: Comparison) -> list[str]:
    """For a terminal: a sentence a line, each with what its interval is over."""
    listed = [
        ("never planted, called memorized", found.false_positives),
        ("never planted, inconclusive", found.never_planted_inconclusive),
    ]
    for line in found.lines:
        copies = f"{line.copies} {'copy' if line.copies == 1 else 'copies'}"
        listed += [
            (f"{copies}, found", line.found),
            (f"{copies}, missed", line.missed),
            (f"{copies}, inconclusive", line.inconclusive),
        ]
    return [f"{name:<34} {told(share):<30} {share.method}" for name, share in listed]
