"""Replaying what an audit kept, as a command."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from palimpsest.contract.report import Replication
from worker import replay
from worker.engine import recovery
from worker.engine.images import decode
from worker.tests import tiny
from worker.tests.shop import TENANT, Shop

REQUEST: dict[str, Any] = {
    "target_set": "tiny:targets",
    "mitigations": [{"kind": "wanda", "timesteps": 1, "sparsity": 0.3}],
    "probes": [{"kind": "adversarial_embedding", "steps": 2, "batch_size": 1}],
}


@dataclass(frozen=True)
class Kept:
    """Files that an audit kept, and what its report says of them."""

    folder: Path
    demo: Path
    before: Replication
    after: Replication

    def options(self, *, on: str, under: bool, **changes: Path) -> list[str]:
        """The command's arguments for the recovery before or after the mitigation."""
        given = {
            "model": self.demo / "model",
            "embedding": self.folder / on,
            "reference": self.demo / "targets" / "kite.png",
            "descriptor": self.demo / "descriptor" / "card.json",
            "output": self.folder / f"{on}.png",
            **({"edit": self.folder / "edit"} if under else {}),
            **changes,
        }
        return [word for name, value in given.items() for word in (f"--{name}", str(value))]


@pytest.fixture(scope="module")
def kept(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """Of one target's search before and after a per-target mitigation, and the mitigation's edit."""
    folder = tmp_path_factory.mktemp("kept")
    shop = Shop.open(demo, folder / "home")
    audit_id = shop.submit(REQUEST)
    shop.work()
    [verdict] = [v for v in shop.report(audit_id).verdicts if v.target_id == "kite"]
    before, after = verdict.before.adversarial["adversarial_embedding"], verdict.adversarial["adversarial_embedding"]
    [made] = shop.results(audit_id, "mitigate:wanda")
    assert made.result is not None
    for name, digest in (("before", before.embedding), ("after", after.embedding), ("edit", made.result["edit"])):
        (folder / name).write_bytes(shop.workshop.evidence.get(TENANT, digest or ""))
    yield Kept(folder, demo, before, after)
    shop.close()


@pytest.mark.parametrize("on", ["before", "after"])
def test_one_generation_has_the_reports_similarity(kept: Kept, capsys: pytest.CaptureFixture[str], on: str) -> None:
    """The nearest picture is drawn, compared and written; its score is the report's highest."""
    assert replay.main(kept.options(on=on, under=on == "after")) == replay.SAME
    said = (kept.before if on == "before" else kept.after).max_score
    assert f"recorded {said:.5f}: the same" in capsys.readouterr().out
    assert decode((kept.folder / f"{on}.png").read_bytes()).shape == (3, tiny.SIDE, tiny.SIDE)


def test_all_evaluation_pictures_can_be_drawn(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    """Four of effort quick, side by side, each with its own recorded score."""
    assert replay.main([*kept.options(on="after", under=True), "--all"]) == replay.SAME
    told = capsys.readouterr().out
    assert all(f"recorded {score:.5f}: the same" in told for score in kept.after.scores)
    assert decode((kept.folder / "after.png").read_bytes()).shape == (3, tiny.SIDE, 4 * tiny.SIDE)


def test_another_picture_is_not_the_same(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    """Compared with another image, or with a score that was never measured, it ends with 1 and says so."""
    other = kept.options(on="before", under=False, reference=kept.demo / "targets" / "fox.png")
    assert replay.main(other) == replay.ANOTHER
    assert "NOT THE SAME" in capsys.readouterr().out
    y, said = recovery.loads((kept.folder / "before").read_bytes())
    better = said.model_copy(update={"scores": [score + 0.01 for score in said.scores]})
    (kept.folder / "better").write_bytes(recovery.dumps(y, better))
    assert replay.main(kept.options(on="better", under=False)) == replay.ANOTHER


def test_what_the_recovery_was_not_made_with_is_refused(
    kept: Kept, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No edit, an edit too many, another edit, another model, an embedding that says nothing, no file at all."""
    tiny.write_model(tmp_path / "model")
    (tmp_path / "plain").write_bytes(save({"y": torch.zeros(2, 3)}))
    refused = [
        (kept.options(on="after", under=False), "the edit of the recovery has digest"),
        (kept.options(on="before", under=True), "leave --edit out"),
        (kept.options(on="after", under=True, edit=kept.folder / "before"), "the edit of the recovery has digest"),
        (kept.options(on="before", under=False, model=tmp_path / "model"), "the model of the recovery has digest"),
        (kept.options(on="before", under=False, embedding=tmp_path / "plain"), "does not say what its pictures"),
        (kept.options(on="before", under=False, embedding=tmp_path / "nothing"), "No such file"),
    ]
    for options, reason in refused:
        assert replay.main(options) == replay.REFUSED
        assert reason in capsys.readouterr().err
