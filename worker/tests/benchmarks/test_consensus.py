"""From drawings to raw rows, and from rows to the page."""

from palimpsest.contract.methods import SharpnessParams
from worker.benchmarks.consensus import calibrated, measured
from worker.benchmarks.consensus_page import consensus as page
from worker.engine.items import Item
from worker.engine.setting import Setting

META = {
    "table": "meta", "command": "make consensus", "commit": "c" * 40, "date": "2026-01-02", "machine": "1 core",
    "versions": {"torch": "2"}, "model": "m" * 64, "descriptor": "d" * 64, "threshold": 0.5, "seed": 1,
    "effort": {"images": 8, "hits": 4}, "only": None, "forwards": 1200, "seconds": 3, "detectors": ["a", "b"],
}  # fmt: skip


def test_a_row_says_what_an_audit_would_do(generous: Setting, targets: list[Item]) -> None:
    """Everything is a copy: every caption has a consensus, which is the truth, whether flagged or not."""
    params = SharpnessParams(images=1, false_positive_rate=0.4)
    rows = list(measured(generous, "targets", targets, [params], calibrated(generous, [params])))
    assert [(row["item"], row["found"], row["support"], row["of"], row["is_truth"]) for row in rows] == [
        (item.id, True, 1, 1, True) for item in targets
    ]
    assert all(row["flagged_by"] in ([], ["sharpness"]) for row in rows)


def row(name: str, flagged_by: list[str], *, found: bool, is_truth: bool) -> dict[str, object]:
    """One item."""
    return {"table": "item", "set": name, "flagged_by": flagged_by, "found": found, "is_truth": is_truth}


def test_the_page_counts_what_would_be_audited() -> None:
    """Of four targets three are flagged, three agree, two are both, one of these is the image; no control agrees."""
    rows = [
        row("targets", ["a"], found=True, is_truth=True),
        row("targets", ["a", "b"], found=True, is_truth=False),
        row("targets", ["b"], found=False, is_truth=False),
        row("targets", [], found=True, is_truth=True),
        row("controls", [], found=False, is_truth=False),
    ]
    text = page([META, *rows])
    [targets] = [line for line in text if line.startswith("| targets")]
    assert [cell.split()[0] for cell in targets.strip("| ").split("|")] == ["targets", "3/4", "3/4", "2/4", "1/2"]
    [controls] = [line for line in text if line.startswith("| controls")]
    assert [cell.split()[0] for cell in controls.strip("| ").split("|")] == ["controls", "0/1", "0/1", "0/1", "–"]
    [by_b] = [line for line in text if line.startswith("| b ")]
    assert [cell.split()[0] for cell in by_b.strip("| ").split("|")] == ["b", "2/4", "0/1"]
