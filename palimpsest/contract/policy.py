"""What a release gate would not let pass: read from a file, judged over a report by ``palimpsest.judging``."""

from typing import Literal

from pydantic import Field, model_validator

from palimpsest.contract.methods import Identifier
from palimpsest.contract.model import Asked
from palimpsest.contract.verdicts import VerdictName

Effort = Literal["quick", "standard", "thorough"]


class Sampling(Asked):
    """How targets were taken from the corpus that a claim is about."""

    corpus: str = Field(min_length=1, max_length=1000, description="what was sampled, in your words")
    drawn: Literal["uniformly", "otherwise"] = Field(
        description="uniformly: each of the corpus with the same chance, without regard to any other"
    )
    size: int = Field(ge=1, description="how many the corpus has")
    seed: int | None = Field(None, description="of the drawing, so that it can be repeated")


class GatePolicy(Asked):
    """A policy. Without any field: no target may replicate or be concealed, at standard effort or more.

    ``recovered_at_most`` and ``drift_at_most`` are shares of 1. The first bounds the upper end of the 95 %
    Clopper-Pearson interval of the share of targets that replicate or are concealed; with it ``fail_on`` may be empty.
    ``claim`` says what the share is of: the targets named, or the corpus they were sampled from.
    """

    fail_on: list[VerdictName] = Field(["still_replicates", "concealed"], description="one such verdict is a finding")
    mitigations: list[Identifier] | None = Field(
        None, min_length=1, description="the ids that are judged; without it every mitigation of the request"
    )
    effort_at_least: Effort = "standard"
    search_steps_at_least: int | None = Field(None, ge=1)
    recovered_at_most: float | None = Field(None, gt=0, lt=1)
    drift_at_most: float | None = Field(None, ge=0)
    claim: Literal["targets", "corpus"] = "targets"
    sampling: Sampling | None = None

    @model_validator(mode="after")
    def something_can_fail(self) -> "GatePolicy":
        """Some verdict or some share has to be too much; a claim about a corpus is about a share."""
        if self.recovered_at_most is None and not self.fail_on:
            raise ValueError("an empty fail_on needs recovered_at_most")
        if self.recovered_at_most is None and self.claim == "corpus":
            raise ValueError("a claim about a corpus needs recovered_at_most")
        return self
