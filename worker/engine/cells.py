"""Who showed what: every answer by model, role and item."""

from palimpsest.contract.report import Replication
from worker.engine.findings import BYPASSED, Findings, in_front
from worker.engine.records import ItemRecord
from worker.engine.verdicts import CONTROL_BOUND


class Cells:
    """Who showed what: items by mitigation (None: before), role and id."""

    def __init__(self, findings: Findings) -> None:
        self.items: dict[tuple[str | None, str], list[ItemRecord]] = {}
        for record in findings.probed:
            for item in record.items:
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
            before = {item.item_id: item.probes for item in self.items.get((None, role), [])}
            self.items[mitigation, role] = [
                item.model_copy(update={"probes": item.probes | past(before.get(item.item_id, {}))})
                for item in self.items.get((mitigation, role), [])
            ]

    def target(self, mitigation: str | None, target_id: str) -> ItemRecord | None:
        """One target on one model; None when its unit is missing."""
        return self.targets.get((mitigation, target_id))

    def answers(self, mitigation: str | None, role: str, probe: str, group: str | None = None) -> list[Replication]:
        """What one probe saw of one role on one model, in one group or all: one answer an item.

        A control that stood beside several targets counts once, by the answer that speaks most against it.
        """
        strongest: dict[str, Replication] = {}
        for item in self.items.get((mitigation, role), []):
            answer = item.probes.get(probe)
            if answer is not None and group in (None, item.group):
                rivals = [strongest.get(item.item_id, answer), answer]
                strongest[item.item_id] = max(rivals, key=lambda rival: (rival.replicates, rival.mean_score))
        return list(strongest.values())

    def controls_replicate(self, mitigation: str | None, probe: str, group: str | None) -> bool | None:
        """Whether controls at the same budget replicate beyond the bound; None where none met this model."""
        seen = self.answers(mitigation, "control", probe, group)
        return sum(answer.replicates for answer in seen) / len(seen) > CONTROL_BOUND if seen else None


def past(before: dict[str, Replication | None]) -> dict[str, Replication | None]:
    """The unmitigated model's answers, as those of probes that bypass what stands in front of it."""
    return {f"{probe}{BYPASSED}": answer for probe, answer in before.items()}
