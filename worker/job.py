"""One unit with its audit at hand: what was asked, what was planned, what other units came to, and the pictures."""

import hashlib
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ledger import audits
from ledger.audits import AuditRow, UnitResult
from ledger.evidence import Kept
from ledger.stages import StagePlan
from ledger.units import Conclusion, Ticket
from palimpsest.contract.methods import Params
from palimpsest.contract.request import AuditRequest
from worker.engine import images
from worker.engine.errors import MethodFailed, SetChanged
from worker.engine.items import Item
from worker.engine.records import ReferenceRecord, RegionRecord
from worker.engine.regions import Local
from worker.engine.setting import EFFORTS, Sampler, Setting
from worker.lease import Lease
from worker.plan import REFERENCE, REGIONS, ItemSpec, Plan, keeper, origin
from worker.workshop import Workshop

M = TypeVar("M", bound=Params)


@dataclass(frozen=True)
class Outcome:
    """What a unit brings: its result, its evidence, and what it planned or concluded."""

    result: dict[str, Any]
    kept: list[Kept] = field(default_factory=list)
    planned: list[StagePlan] | None = None
    conclusion: Conclusion | None = None


@dataclass(frozen=True)
class Job:
    """One unit with its audit at hand."""

    workshop: Workshop
    ticket: Ticket
    lease: Lease
    row: AuditRow
    request: AuditRequest

    @property
    def plan(self) -> Plan:
        """What the planning unit resolved."""
        [planned] = self.results("plan")
        if planned.result is None:
            raise MethodFailed("the audit was not planned")
        return Plan.model_validate(planned.result)

    def results(self, stage: str | None = None) -> list[UnitResult]:
        """What other units came to."""
        with self.workshop.ledger.reading() as connection:
            return audits.results(connection, self.ticket.tenant, self.ticket.audit_id, stage=stage)

    def setting(self, plan: Plan, *, elsewhere: bool = False) -> Setting:
        """The engine's surroundings, on the very model the audit was planned for.

        Beside a baseline, the model under audit is worked on where it stands for what was done ``elsewhere``.
        """
        registration, model_id, digest = origin(self.workshop, self.request), self.request.model, plan.model_digest
        if plan.baseline is not None and not elsewhere:
            model_id, digest = plan.baseline.id, plan.baseline.digest
        model = self.workshop.model(model_id, digest)
        model.on_forward = self.lease.tick
        return Setting(
            model=model,
            descriptor=self.workshop.descriptor,
            sampler=Sampler(registration.steps, registration.guidance),
            effort=EFFORTS[self.request.effort],
            seed=self.request.seed,
            neutral=registration.neutral,
        )

    def items(self, specs: list[ItemSpec], side: int) -> list[Item]:
        """The pictures and captions these specs name; left out are those for whose image nothing stands in."""
        stand_ins = {} if all(spec.sha256 for spec in specs) else self.stand_ins()
        named = [(spec, spec.sha256 or stand_ins.get(spec.id, [])) for spec in specs]
        judges = self.judges() if any(spec.region for spec in specs) else {}
        return [self._item(spec, pictures, side, local(spec, judges)) for spec, pictures in named if pictures]

    def pictures(self, specs: list[ItemSpec], side: int) -> list[Item]:
        """The same, before it is fixed how they are judged in their regions."""
        return [self._item(spec, spec.sha256, side, None) for spec in specs]

    def judges(self) -> dict[Hashable, Local]:
        """How items are judged in regions, by role, id and region."""
        fixed = [RegionRecord.model_validate(unit.result) for unit in self.results(REGIONS) if unit.result]
        return {
            (judge.role, judge.item_id, record.region): Local(record.region, judge.threshold, judge.tiled_l2_threshold)
            for record in fixed
            for judge in record.items
        }

    def stand_ins(self) -> dict[str, list[str]]:
        """By target, the digest of the consensus picture that stands in for its image."""
        settled = [ReferenceRecord.model_validate(unit.result) for unit in self.results(REFERENCE) if unit.result]
        return {said.target_id: [said.picture] for record in settled for said in record.items if said.picture}

    def _item(self, spec: ItemSpec, pictures: list[str], side: int, local: Local | None) -> Item:
        first, *others = [images.read(self._content(spec, sha256), side) for sha256 in pictures]
        return Item(spec.id, spec.role, spec.prompt, first, tuple(others), local)

    def _content(self, spec: ItemSpec, sha256: str) -> bytes:
        if spec.set_id is None:
            return self.workshop.evidence.get(self.ticket.tenant, sha256)
        content = keeper(self.workshop, self.request, spec.set_id).row(spec.set_id, spec.id).file.read_bytes()
        if hashlib.sha256(content).hexdigest() != sha256:
            raise SetChanged(f"the picture {spec.id} of {spec.set_id} has changed since this audit was planned")
        return content

    def method(self, listed: list[M], name: str) -> M:
        """A method of the request by its id."""
        return next(params for params in listed if params.name == name)


def local(spec: ItemSpec, judges: dict[Hashable, Local]) -> Local | None:
    """The judge of an item's region; None for a whole image. Raises MethodFailed where it was not fixed."""
    if spec.region is None:
        return None
    if (spec.role, spec.id, spec.region) not in judges:
        raise MethodFailed(f"how {spec.id} is judged in its region was not fixed")
    return judges[spec.role, spec.id, spec.region]


def request_of(stored: dict[str, Any]) -> AuditRequest:
    """The request as the ledger keeps it, with its images named by digest, as the contract's own type.

    ``sets`` says which uploaded sets the targets came from, for the reader of the report; they are all in the lists.
    """
    listed = {
        name: [{**target, "images": []} for target in stored[name]]
        for name in ("targets", "controls")
        if stored.get(name) is not None
    }
    asked = {name: value for name, value in stored.items() if name != "sets"}
    return AuditRequest.model_validate({**asked, **listed})
