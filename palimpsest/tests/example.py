"""A small but complete audit, built by hand: two targets, two controls, no mitigation and NeMo.

NeMo silences both captions; the search brings the first image back. Intervals are Clopper-Pearson at 95 %:
of two, none gives 1 − 0.025^½ = 0.842 as its upper bound, one gives 0.013 to 0.987, both give 0.158 as lower bound.
"""

from datetime import UTC, datetime
from typing import Any

from palimpsest.contract.methods import NemoParams, NoMitigationParams
from palimpsest.contract.problems import Code, FieldProblem, Problem
from palimpsest.contract.report import (
    Analysed,
    AuditReport,
    Before,
    ControlEvidence,
    Cost,
    Detected,
    Drift,
    JudgeIdentity,
    LocalJudge,
    MitigationSummary,
    ModelIdentity,
    Rate,
    RecoveryPoint,
    Rectangle,
    Replication,
    ReplicationRates,
    Scope,
    SecondJudge,
    StageCost,
    Summary,
    SwitchedOff,
    Verdict,
)
from palimpsest.contract.request import AuditRequest, Target
from palimpsest.contract.status import AuditStatus, Links, StageProgress, State

AUDIT = "aud_01"
SEARCH = "adversarial_embedding"
FILES = {"model_index.json": "05" * 32, "unet/diffusion_pytorch_model.safetensors": "06" * 32}
NONE_OF_TWO = Rate(value=0.0, low=0.0, high=0.842, k=0, n=2)
ONE_OF_TWO = Rate(value=0.5, low=0.013, high=0.987, k=1, n=2)
BOTH = Rate(value=1.0, low=0.158, high=1.0, k=2, n=2)


def a_request() -> AuditRequest:
    """What was asked."""
    return AuditRequest(
        model="bundled",
        targets=[Target(id="owl", prompt="a watchful owl"), Target(id="fox", prompt="a quick fox")],
        control_set="bundled:controls",
        mitigations=[NoMitigationParams(), NemoParams()],
        labels={"release": "1"},
    )


def replication(*, hits: int, start: str | None = None) -> Replication:
    """Four images of which ``hits`` replicate, from a caption or, with ``start``, from a search of 50 steps."""
    scores = [0.9] * hits + [0.25] * (4 - hits)
    return Replication(
        replicates=hits >= 2,
        hits=hits,
        any_hit=hits > 0,
        mean_score=sum(scores) / 4,
        max_score=max(scores),
        scores=scores,
        second_judge=SecondJudge(hits=hits, smallest=0.125 if hits else 0.5, disagrees=False),
        start=start,
        steps=50 if start else None,
        first_step=10 if start and hits else None,
        loss=[0.5, 0.125] if start else [],
        images=["sha256:00"],
        embedding="sha256:01" if start else None,
        text=None,
    )


def verdict(target: str, *, back: bool) -> Verdict:
    """A target under NeMo: concealed if the search brings it ``back``."""
    return Verdict(
        target_id=target,
        mitigation="nemo",
        verdict="concealed" if back else "not_recovered",
        reference="image",
        before=Before(prompt=replication(hits=4), adversarial={SEARCH: replication(hits=4, start="prompt")}),
        prompt=replication(hits=0),
        adversarial={SEARCH: replication(hits=3 if back else 0, start="prompt")},
        controls={SEARCH: ControlEvidence(rate=NONE_OF_TWO, p_value=1 / 3, p_adjusted=2 / 3, descriptive=True)},
        reasons=["recovered by [adversarial_embedding]"] if back else [],
    )


def unmitigated(target: str) -> Verdict:
    """The same target on the model as it is."""
    seen = verdict(target, back=True)
    after: dict[str, Any] = {
        "verdict": "still_replicates",
        "mitigation": "none",
        "prompt": seen.before.prompt,
        "reasons": [],
    }
    return seen.model_copy(update=after)


def row(mitigation: str, counts: dict[str, int], *, prompt: Rate, search: Rate) -> MitigationSummary:
    """One mitigation in the comparison."""
    nemo = mitigation == "nemo"
    return MitigationSummary(
        mitigation=mitigation,
        scope="per_target" if nemo else None,
        counts=counts,
        replication_rate=ReplicationRates(
            before=BOTH, prompt=prompt, adversarial={SEARCH: search}, control={SEARCH: NONE_OF_TWO}
        ),
        recovery_curve={SEARCH: [RecoveryPoint(step=10, targets=search, controls=NONE_OF_TWO)]},
        switched_off=SwitchedOff(what="neurons", count=3.5, of=1000, share=0.0035) if nemo else None,
        drift=Drift(value=0.05, n=16, bound=0.15, degraded=False) if nemo else None,
        judges_disagree=0,
    )


def heard(item_id: str, *, score: float, p_value: float, flagged: bool) -> Detected:
    """What Wen's magnitude says of a target's caption: 199 neutral scores, the largest of 1 % is 2.5."""
    return Detected(
        item_id=item_id,
        role="target",
        detector="magnitude",
        score=score,
        threshold=2.5,
        p_value=p_value,
        flagged=flagged,
        reason=None,
    )


def a_report(state: str = "succeeded") -> AuditReport:
    """What was answered."""
    asked = a_request().model_dump(mode="json", exclude_none=True)
    stages = {
        "baseline": StageCost(unet_sample_forwards=1000, unet_sample_forwards_with_gradient=0, seconds=12.5),
        "probe": StageCost(unet_sample_forwards=2000, unet_sample_forwards_with_gradient=800, seconds=60.25),
    }
    total = StageCost(unet_sample_forwards=3000, unet_sample_forwards_with_gradient=800, seconds=72.75)
    return AuditReport(
        schema_version="1.3",
        audit_id=AUDIT,
        result_digest="sha256:02",
        request=asked,
        resolved=asked | {"mitigations": [each | {"id": each["kind"]} for each in asked["mitigations"]]},
        models=[
            ModelIdentity(id="bundled", role="audited", family="stable-diffusion", digest="sha256:03", files=FILES)
        ],
        judges=[
            JudgeIdentity(
                kind="sscd", digest="sha256:04", preprocessing="64 px", threshold=0.5, false_positive_bound=0.001
            )
        ],
        verdicts=[
            unmitigated("owl"),
            unmitigated("fox"),
            verdict("owl", back=True),
            verdict("fox", back=False),
        ],
        detections=[
            heard("owl", score=3.5, p_value=0.005, flagged=True),
            heard("fox", score=1.25, p_value=0.4, flagged=False),
        ],
        references=[],
        analyses={
            "utility": [Analysed(mitigation="nemo", targets=[], result=None, reason="METHOD_FAILED")],
            "locality": [Analysed(mitigation=None, targets=["owl", "fox"], result=None, reason="METHOD_FAILED")],
        },
        summary=Summary(
            outcome="finding",
            targets=2,
            controls=2,
            mitigations=[
                row("none", {"still_replicates": 2}, prompt=BOTH, search=BOTH),
                row("nemo", {"concealed": 1, "not_recovered": 1}, prompt=NONE_OF_TWO, search=ONE_OF_TWO),
            ],
            policy=None,
        ),
        cost=Cost(stages=stages, total=total),
        environment={"python": "3.11"},
        seeds={"seed": 0},
        limitations=["one start per target"],
        state=state,
    )


REGION = Rectangle(x=0.25, y=0.5, width=0.5, height=0.25)


def with_the_owl_in_a_region() -> AuditReport:
    """The same, but that the owl is judged in a region of its image, at a threshold of its own."""
    report = a_report()
    scope = Scope(kind="region", region=REGION)
    verdicts = [v.model_copy(update={"scope": scope}) if v.target_id == "owl" else v for v in report.verdicts]
    judge = LocalJudge(
        item_id="owl",
        role="target",
        region=REGION,
        pixels=[16, 32, 48, 48],
        looks=27,
        threshold=0.75,
        tiled_l2_threshold=0.1,
        negatives=99,
        nearest_negative=0.75,
        false_positive_bound=0.01,
        reconstruction=0.95,
        has_power=True,
    )
    return report.model_copy(update={"verdicts": verdicts, "regions": [judge]})


def a_status(state: State = "running", *, progress: float = 0.5, **changes: Any) -> AuditStatus:
    """Where the audit stands."""
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    fields: dict[str, Any] = {
        "id": AUDIT,
        "state": state,
        "revision": 1,
        "model": "bundled",
        "labels": {},
        "created_at": moment,
        "started_at": moment,
        "finished_at": None,
        "progress": progress,
        "stages": [StageProgress(stage="probe", done=1, failed=0, total=2, fraction=progress)],
        "waiting": None,
        "outcome": None,
        "error": None,
        "detail": None,
        "links": Links(self=f"/v1/audits/{AUDIT}", report=f"/v1/audits/{AUDIT}/report", cancel="/"),
    }
    return AuditStatus(**fields | changes)


def a_problem(status: int = 422, code: Code = Code.NO_TARGETS) -> Problem:
    """A refusal."""
    return Problem(
        type=f"urn:palimpsest:problem:{code}",
        title="There are no targets",
        status=status,
        detail="targets: an empty list",
        instance="urn:palimpsest:request:1",
        code=code,
        errors=[FieldProblem(field="targets", code=code, detail="an empty list")],
    )
