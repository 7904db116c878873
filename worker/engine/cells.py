"""Who showed what: every answer by model, role and item."""

from palimpsest.contract.report import Replication
from palimpsest.contract.request import Region
from worker.engine.findings import BYPASSED, Findings, in_front
from worker.engine.records import ItemRecord
from worker.engine.verdicts import CONTROL_BOUND


class Cells:
    """Who showed what: items by mitigation (None: before), role and id."""

    def __init__(self, findings: Findings) -> None:
        self.items: dict[tuple[str | None, str], list[ItemRecord]] = {}
        blind = blind_controls(findings)
        for record in findings.probed:
            for item in record.items:
                if item.role == "control" and (item.item_id, item.region) in blind:
                    continue
                self.items.setdefault((record.mitigation, item.role), []).append(item)
        for mitigation in in_front(findings):
            self._bypass(mitigation)
        self.targets = {
            (mitigation, item.item_id): item
            for (mitigation, role), items in self.items.items()
            if role == "target"
            for item in items
        }
        self.missing: dict[tuple[str | None, str], str] = {
            (failure.mitigation, item_id): failure.code for failure in findings.failures for item_id in failure.item_ids
        }

    def _bypass(self, mitigation: str) -> None:
        """Whoever does not run what stands in front of the model meets the unmitigated one, with the same noise."""
        for role in ("target", "control"):
            before = {(item.item_id, item.region): item.probes for item in self.items.get((None, role), [])}
            self.items[mitigation, role] = [
                item.model_copy(update={"probes": item.probes | past(before.get((item.item_id, item.region), {}))})
                for item in self.items.get((mitigation, role), [])
            ]

    def target(self, mitigation: str | None, target_id: str) -> ItemRecord | None:
        """One target on one model; None when its unit is missing."""
        return self.targets.get((mitigation, target_id))

    def answers(self, mitigation: str | None, role: str, probe: str, group: str | None = None) -> list[Replication]:
        """What one probe saw of one role on one model, in one group or all: one answer an item.

        A control that stood beside several targets, or was judged in several regions, counts once, by the answer that
        speaks most against it.
        """
        return self._strongest(self.items.get((mitigation, role), []), probe, group)

    def controls(
        self, mitigation: str | None, probe: str, region: Region | None, group: str | None = None
    ) -> list[Replication]:
        """What one probe saw of the controls that were judged as a target is: in its region, or as whole images."""
        beside = [item for item in self.items.get((mitigation, "control"), []) if item.region == region]
        return self._strongest(beside, probe, group)

    def _strongest(self, items: list[ItemRecord], probe: str, group: str | None) -> list[Replication]:
        strongest: dict[str, Replication] = {}
        for item in items:
            answer = item.probes.get(probe)
            if answer is not None and group in (None, item.group):
                rivals = [strongest.get(item.item_id, answer), answer]
                strongest[item.item_id] = max(rivals, key=lambda rival: (rival.replicates, rival.mean_score))
        return list(strongest.values())

    def controls_replicate(
        self, mitigation: str | None, probe: str, region: Region | None, group: str | None
    ) -> bool | None:
        """Whether controls at the same budget replicate beyond the bound; None where none met this model."""
        seen = self.controls(mitigation, probe, region, group)
        return sum(answer.replicates for answer in seen) / len(seen) > CONTROL_BOUND if seen else None


def blind_controls(findings: Findings) -> set[tuple[str, Region | None]]:
    """Controls with the regions in which their judge has no power: their silence would flatter the comparison."""
    judges = [judge for judge in findings.regions if judge.role == "control" and not judge.has_power]
    return {(judge.item_id, Region(**judge.region.model_dump())) for judge in judges}


def past(before: dict[str, Replication | None]) -> dict[str, Replication | None]:
    """The unmitigated model's answers, as those of probes that bypass what stands in front of it."""
    return {f"{probe}{BYPASSED}": answer for probe, answer in before.items()}
