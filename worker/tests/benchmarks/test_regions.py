"""From pictures to raw rows, and from rows to the page."""

from dataclasses import replace

import torch

from worker.benchmarks.regions import MIDDLE, measured, with_part
from worker.benchmarks.regions_page import regions as page
from worker.engine.items import Item
from worker.engine.setting import Setting

META = {
    "table": "meta", "command": "make regions", "commit": "c" * 40, "date": "2026-01-02", "machine": "1 core",
    "versions": {"torch": "2"}, "model": "m" * 64, "descriptor": "d" * 64, "threshold": 0.5, "seed": 1,
    "effort": {"images": 4, "hits": 2}, "only": None, "forwards": 1200, "seconds": 3, "negatives": 99,
}  # fmt: skip


def test_a_part_is_pasted_where_it_moved_to() -> None:
    """The middle 16 of 32 pixels, a quarter of 16 to the right and up; the rest is the other picture."""
    source, other = torch.ones(3, 32, 32), torch.zeros(3, 32, 32)
    picture = with_part(source, other, MIDDLE, (1, -1))
    assert picture[0].nonzero().amin(dim=0).tolist() == [4, 12]
    assert picture[0].nonzero().amax(dim=0).tolist() == [19, 27]
    assert int(picture[0].sum()) == 256
    assert int(other.sum()) == 0


def test_every_target_is_drawn_pasted_and_tried(setting: Setting, targets: list[Item], controls: list[Item]) -> None:
    """A row an item and one a partial copy; of six neutral prompts all are taken, so that the bound is not tried."""
    mild = replace(setting, descriptor=replace(setting.descriptor, threshold=0.0))
    with torch.no_grad():
        rows = list(measured(mild, {"targets": targets, "unseen": controls}, MIDDLE))
    assert [row["table"] for row in rows] == ["item"] * 5 + ["pasted"] * 3
    assert [row["moved"] for row in rows if row["table"] == "pasted"] == [[0, 0], [1, 1], [-1, 1]]
    drawn = [row for row in rows if row["table"] == "item"]
    assert all(row["region"] is (row["region_hits"] >= 1) for row in drawn)


def test_the_page_counts() -> None:
    """Two targets of which one replicates in its region and none as a whole; 3 of 200 pairs exceed, 2 the worst."""
    item = {"table": "item", "set": "targets", "threshold": 0.9, "has_power": True, "whole": False}
    pasted = {"table": "pasted", "moved": [1, 1], "region": 1, "second": 0, "whole": 0}
    rows = [
        item | {"region": True},
        item | {"region": False, "threshold": 0.8},
        pasted,
        {"table": "fresh", "item": "a", "exceeding": 2, "of": 100},
        {"table": "fresh", "item": "b", "exceeding": 1, "of": 100},
    ]
    text = page([META, *rows])
    [targets] = [line for line in text if line.startswith("| targets")]
    assert [cell.split()[0] for cell in targets.strip("| ").split("|")] == ["targets", "2/2", "1/2", "0/2", "0.900"]
    [moved] = [line for line in text if line.startswith("| moved")]
    assert [cell.split()[0] for cell in moved.strip("| ").split("|")] == ["moved", "1/1", "0/1", "0/1"]
    assert "2 targets, 3 of 200 pairs did (1.50 %; no interval, for the pairs share pictures)," in text
    assert "2 of 100 for the worst target." in text
