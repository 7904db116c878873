"""The same verdicts without a service: measured in this process, judged by the report's own rules.

An audit over HTTP sends the same measurements round as units; here one loop makes them.
"""

from collections.abc import Iterator
from dataclasses import replace

from palimpsest.contract.methods import ExternalParams, Params
from palimpsest.contract.report import StageCost, Verdict
from palimpsest.contract.request import both_probes
from worker.engine import audit
from worker.engine.cells import Cells
from worker.engine.findings import Findings
from worker.engine.items import Item
from worker.engine.judging import verdicts_of
from worker.engine.model import DiffusionModel
from worker.engine.records import MitigationRecord, ProbeRecord
from worker.engine.setting import Setting

BATCH = 32
NOTHING = StageCost(unet_sample_forwards=0, unet_sample_forwards_with_gradient=0, seconds=0.0)


def keep_nothing(*_: object) -> str:
    """Records are kept, not pictures."""
    return ""


def measured(
    setting: Setting, targets: list[Item], controls: list[Item], probes: list[Params], mitigation: str | None = None
) -> Iterator[ProbeRecord]:
    """Every probe on the setting's model, in batches; what they show does not depend on who shares one."""
    listed = [*targets, *controls]
    for start in range(0, len(listed), BATCH):
        part = listed[start : start + BATCH]
        mine, others = ([i for i in part if i.role == role] for role in ("target", "control"))
        yield audit.measure(setting, mine, others, probes, keep_nothing, mitigation)


def default_probes() -> list[Params]:
    """Those of a request that names none."""
    return list(both_probes())


def untouched() -> MitigationRecord:
    """Of an audit without a mitigation."""
    return MitigationRecord(
        mitigation="none", scope=None, what="nothing", size=0, off={}, drift={}, notes=[], cost=NOTHING
    )


def elsewhere(setting: Setting, baseline: DiffusionModel, name: str) -> MitigationRecord:
    """Of a model that was mitigated elsewhere: nothing is applied, its distance to its baseline is measured."""
    return audit.elsewhere(lambda: replace(setting, model=baseline), lambda: setting, ExternalParams(id=name))


def judged(
    probed: list[ProbeRecord],
    mitigated: MitigationRecord,
    targets: list[str],
    controls: list[str],
    probes: list[Params],
) -> list[Verdict]:
    """One verdict per target."""
    findings = Findings(
        audit_id="",
        state="succeeded",
        request={},
        resolved={},
        targets=targets,
        controls=controls,
        mitigations=[mitigated.mitigation],
        probes={params.name: params.kind for params in probes},  # type: ignore[attr-defined]
        probed=probed,
        mitigated=[mitigated],
        failures=[],
        models=[],
        judges=[],
        drift_bound=audit.DRIFT_BOUND,
        environment={},
        seeds={},
        limitations=[],
        other_costs={},
    )
    return verdicts_of(findings, Cells(findings), mitigated.mitigation)


def audited(setting: Setting, targets: list[Item], controls: list[Item], probes: list[Params]) -> list[Verdict]:
    """The setting's model as it is."""
    probed = list(measured(setting, targets, controls, probes))
    return judged(probed, untouched(), [t.id for t in targets], [c.id for c in controls], probes)
