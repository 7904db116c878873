"""What is answered: one verdict per target and mitigation, with all that it rests on."""

from typing import Any

from pydantic import ConfigDict, Field

from palimpsest.contract.model import Told
from palimpsest.contract.verdicts import Outcome, VerdictName

SCHEMA_VERSION = "1.4"


class Rate(Told):
    """A share with its 95 % Clopper-Pearson interval; ``value`` is null when n = 0."""

    value: float | None
    low: float
    high: float
    k: int
    n: int


class SecondJudge(Told):
    """What the untrained judge says of the same images (Carlini's tiled L2; smaller is closer)."""

    hits: int
    smallest: float
    disagrees: bool


class Replication(Told):
    """How one item answered one probe on one model.

    ``scores`` holds the descriptor similarity of every evaluation image; ``hits`` of them exceed the threshold and
    the item replicates when ``hits`` ≥ the report's k. ``steps`` is the search steps spent, ``first_step`` the
    look at which replication first appeared, ``loss`` the search's loss at its start and end, ``text`` the words that
    were typed where a probe looks for words.
    """

    replicates: bool
    hits: int
    any_hit: bool
    mean_score: float
    max_score: float
    scores: list[float]
    second_judge: SecondJudge
    start: str | None
    steps: int | None
    first_step: int | None
    loss: list[float]
    images: list[str]
    embedding: str | None
    text: str | None


class Rectangle(Told):
    """A region of a reference image, in shares of its width and height."""

    x: float
    y: float
    width: float
    height: float


class Scope(Told):
    """What of the reference a verdict is about: ``whole``, or ``region``, and then nothing outside of ``region``."""

    kind: str
    region: Rectangle | None

    @property
    def words(self) -> str:
        """``region x 0.25–0.75, y 0–0.5``, in shares of the image; empty for a whole one."""
        at = self.region
        if at is None:
            return ""
        return f"region x {at.x:g}–{at.x + at.width:g}, y {at.y:g}–{at.y + at.height:g}"


WHOLE = Scope(kind="whole", region=None)


class LocalJudge(Told):
    """How one item was judged in a region (docs/regions.md).

    ``pixels`` are left, top, right and bottom in a picture of the model's resolution; a picture's similarity is the
    largest over ``looks`` places. ``threshold`` was fixed for that maximum: none of ``negatives`` pictures of neutral
    prompts exceeds it (``nearest_negative`` is the largest of theirs), and one more does with a probability of
    ``false_positive_bound`` at most. ``reconstruction`` is the similarity of the autoencoder's copy of the reference;
    where that is no copy, the judge has no power, and silence says nothing.
    """

    item_id: str
    role: str
    region: Rectangle
    pixels: list[int]
    looks: int
    threshold: float
    tiled_l2_threshold: float
    negatives: int
    nearest_negative: float
    false_positive_bound: float
    reconstruction: float
    has_power: bool


class Before(Told):
    """The unmitigated model."""

    prompt: Replication | None
    adversarial: dict[str, Replication]


class ControlEvidence(Told):
    """The controls at the same budget, for one mitigation and probe."""

    rate: Rate
    p_value: float | None
    p_adjusted: float | None
    descriptive: bool


class Verdict(Told):
    """One target under one mitigation; ``reasons`` says why it is inconclusive or what limits it.

    ``reference`` is what pictures were compared with: ``image``, what was given; ``consensus``, what the unmitigated
    model draws of the prompt, so that no training image is claimed; ``none``, where there was nothing to compare with.

    ``scope`` is what of the reference it is about; a report written before 1.4 judged whole images only.

    ``adversarial`` is by probe id. Under a mitigation at the input, the plain id is the probe with the mitigation in
    its loop, and ``<id>:bypassed`` the probe of whoever does not run it.
    """

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    target_id: str
    mitigation: str
    verdict: VerdictName
    reference: str
    scope: Scope = WHOLE
    before: Before
    prompt: Replication | None
    adversarial: dict[str, Replication]
    controls: dict[str, ControlEvidence]
    reasons: list[str]

    @property
    def about(self) -> str:
        """The target's id, and the region that alone is spoken of where there is one."""
        return f"{self.target_id} ({self.scope.words})" if self.scope.region else self.target_id


class Detected(Told):
    """What one detector says of one item's prompt on the unmitigated model, whatever the verdict.

    ``threshold`` was calibrated on neutral prompts of the same model; ``flagged`` is score > threshold, or equally
    ``p_value`` ≤ the detector's false-positive rate. They are null where the detector came to nothing: ``reason`` is
    the code of what stopped it.
    """

    item_id: str
    role: str
    detector: str
    score: float | None
    threshold: float | None
    p_value: float | None
    flagged: bool | None
    reason: str | None


class Referenced(Told):
    """What stands in for the image of a target that came without one (docs/detection.md).

    ``kind`` is ``consensus`` where a detector of ``flagged_by`` flags the prompt and the unmitigated model's drawings
    of it agree: ``picture`` is the digest of the drawing of which ``support`` of the ``of`` others are copies, and
    ``agreement`` its mean similarity to them. Otherwise ``kind`` is ``none`` and ``reason`` one of ``NOT_DETECTED``,
    ``NO_CONSENSUS``, or the code of what stopped it. Numbers are null where nothing was drawn.
    """

    target_id: str
    kind: str
    flagged_by: list[str]
    support: int | None
    of: int | None
    agreement: float | None
    picture: str | None
    reason: str | None


class Analysed(Told):
    """What an analysis says of one mitigation, or of a per-target mitigation's models for ``targets``.

    ``mitigation`` is null where the analysis is of the unmitigated model, and ``targets`` are then those it looked at;
    else ``targets`` is empty where one model serves all. ``result`` is null where the analysis came to nothing:
    ``reason`` is the code of what stopped it. Its fields are on the analysis's page.
    """

    mitigation: str | None
    targets: list[str]
    result: dict[str, Any] | None
    reason: str | None


class ReplicationRates(Told):
    """Rates over targets (n counts targets, never images); ``control`` is over controls at the same budget."""

    before: Rate
    prompt: Rate
    adversarial: dict[str, Rate]
    control: dict[str, Rate]


class SwitchedOff(Told):
    """How much of the model a mitigation took away; for per-target mitigations the mean over targets."""

    what: str
    count: float
    of: int
    share: float


class Drift(Told):
    """1 − mean descriptor similarity to the unmitigated model's images at equal seeds, on neutral prompts."""

    value: float
    n: int
    bound: float
    degraded: bool


class RecoveryPoint(Told):
    """Share of items recovered by search step ``step``."""

    step: int
    targets: Rate
    controls: Rate


class MitigationSummary(Told):
    """One row of the comparison."""

    mitigation: str
    scope: str | None
    counts: dict[str, int]
    replication_rate: ReplicationRates
    recovery_curve: dict[str, list[RecoveryPoint]]
    switched_off: SwitchedOff | None
    drift: Drift | None
    judges_disagree: int


class PolicyResult(Told):
    """Pass or fail, by the request's policy; inconclusive cells are insufficient evidence, never a pass."""

    result: str
    failing: list[str]


class Summary(Told):
    """The whole audit in a few numbers."""

    outcome: Outcome
    targets: int
    controls: int
    mitigations: list[MitigationSummary]
    policy: PolicyResult | None


class StageCost(Told):
    """UNet sample-forwards without and with a gradient to the embedding, and wall seconds."""

    unet_sample_forwards: int
    unet_sample_forwards_with_gradient: int
    seconds: float


class Cost(Told):
    """By stage and in all."""

    stages: dict[str, StageCost]
    total: StageCost


class ModelIdentity(Told):
    """A model by what it is, not by what it is called.

    ``files`` has the sha256 of every file that makes the model what it is, by its path in the model's folder;
    ``digest`` is the sha256 over the lines ``<sha256>  <path>`` of these, as the model's folder has them in order,
    joined by line feeds. A report written before 1.2 names none.
    """

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    id: str
    role: str
    family: str
    digest: str
    files: dict[str, str] = Field(default_factory=dict)


class JudgeIdentity(Told):
    """A judge of copies: its weights, its preprocessing and its threshold."""

    kind: str
    digest: str
    preprocessing: str
    threshold: float
    false_positive_bound: float


class AuditReport(Told):
    """The answer. ``result_digest`` is over everything but ids, times, seconds, host and attempts.

    A report written before 1.2 has neither ``detections`` nor ``analyses``, one before 1.3 no ``references``, one
    before 1.4 no ``regions``; each is read as one without any.
    """

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    schema_version: str
    audit_id: str
    result_digest: str
    request: dict[str, Any]
    resolved: dict[str, Any]
    models: list[ModelIdentity]
    judges: list[JudgeIdentity]
    verdicts: list[Verdict]
    detections: list[Detected] = Field(
        default_factory=list, description="by detector, of every target and control that has a prompt"
    )
    references: list[Referenced] = Field(default_factory=list, description="of every target that came without an image")
    regions: list[LocalJudge] = Field(
        default_factory=list, description="of every target with a region, and of every control in each of them"
    )
    analyses: dict[str, list[Analysed]] = Field(
        default_factory=dict,
        description="by the id of the analysis, of every mitigation that changes something or of the unmitigated model",
    )
    summary: Summary
    cost: Cost
    environment: dict[str, str]
    seeds: dict[str, int]
    limitations: list[str]
    state: str = Field(description="the audit's terminal state; a cancelled audit has a partial report")
