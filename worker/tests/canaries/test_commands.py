"""From rows to a registered model and from its audit to the comparison, by the commands themselves."""

import json
from pathlib import Path

import pytest

from worker import registrations
from worker.canaries import commands, truth, workbench
from worker.engine.folder import digest_of
from worker.engine.model import DiffusionModel


@pytest.fixture
def given(demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """canaries.jsonl and unseen.jsonl beside the tiny pictures, under the tiny judge made strict."""
    card = json.loads((demo / "descriptor" / "card.json").read_text())
    (tmp_path / "card.json").write_text(
        json.dumps({**card, "file": str(demo / "descriptor" / card["file"]), "threshold": 0.9999})
    )
    monkeypatch.setenv("PALIMPSEST_DESCRIPTOR", str(tmp_path / "card.json"))
    sets = {"canaries": ("targets", {"copies": 3}), "unseen": ("controls", {})}
    for name, (source, more) in sets.items():
        listed = [json.loads(line) for line in (demo / f"{source}.jsonl").read_text().splitlines()]
        listed += [{**row, "id": f"{row['id']}-again"} for row in listed if name == "unseen"]
        rows = [{**row, **more, "image": str(demo / row["image"])} for row in listed]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def plant(demo: Path, given: Path, *more: str) -> int:
    """A planting of three steps."""
    files = ["--model", str(demo / "registration.json"), "--canaries", str(given / "canaries.jsonl")]
    files += ["--unseen", str(given / "unseen.jsonl"), "--out", str(given / "out"), "--id", "planted"]
    short = ["--steps", "3", "--batch-size", "4", "--own-draws", "2", "--learning-rate", "1e-3", "--threads", "1"]
    return commands.main(["plant", *files, *short, *more])


def test_a_planted_model_is_one_that_a_worker_can_offer(
    demo: Path, given: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Registered with its sets, loadable, its truth beside it; the sets themselves tell nothing."""
    assert plant(demo, given) == 0
    assert "3 canaries" in capsys.readouterr().out
    said = registrations.read(given / "out" / "registration.json")
    ids = {kind: [row.id for row in said.rows(f"planted:{kind}")] for kind in ("planted", "unseen", "controls")}
    assert ids == {
        "planted": ["fox", "kite", "bell"],
        "unseen": ["lamp", "boat", "boat-again"],
        "controls": ["lamp-again"],
    }
    suspects = said.rows("planted:suspects")
    assert sorted(row.id for row in suspects) == sorted(ids["planted"] + ids["unseen"])
    assert all(row.file.read_bytes() for row in suspects)
    assert "copies" not in (given / "out" / "suspects.jsonl").read_text()
    known = truth.read(given / "out")
    assert known.copies == {row.id: 3 if row.id in ids["planted"] else 0 for row in suspects}
    assert sum(known.seen.values()) <= 12
    assert known.model == digest_of(said.folder) != known.baseline == digest_of(demo / "model")
    assert DiffusionModel.load(said.folder).digest == known.model
    assert (said.steps, said.guidance) == (2, 3.0)
    assert not (given / "out" / workbench.CHECKPOINT).exists()


def test_the_audit_is_compared_with_the_truth(demo: Path, given: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Three steps plant nothing: nobody is accused, every canary is missed, and the file says it image by image."""
    plant(demo, given)
    capsys.readouterr()
    out = given / "found.json"
    asked = ["audit", str(given / "out"), "--local", "--effort", "quick", "--threads", "1", "--output", str(out)]
    assert commands.main(asked) == 0
    told = capsys.readouterr().out
    assert "never planted, called memorized    0/3 = 0.00" in told
    assert "3 copies, missed                   3/3 = 1.00" in told
    written = json.loads(out.read_text())
    assert written["comparison"]["false_positives"]["n"] == 3
    assert set(written["verdicts"]["planted"].values()) == {"not_memorized"}


def test_what_cannot_be_planted_is_refused_before_training(
    demo: Path, given: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A canary among the unseen, nothing to train on, a folder that is done: each with its sentence and code 4."""
    unseen = given / "unseen.jsonl"
    whole = unseen.read_text()
    fox = json.loads((given / "canaries.jsonl").read_text().splitlines()[0])
    unseen.write_text(whole + json.dumps({**fox, "id": "twin", "copies": 0}) + "\n")
    assert plant(demo, given) == 4
    assert "twin and fox" in capsys.readouterr().err
    unseen.write_text(whole)
    assert plant(demo, given, "--own-draws", "0") == 4
    assert plant(demo, given) == 0
    assert plant(demo, given) == 4
    assert "planted model already" in capsys.readouterr().err


def test_an_audit_of_another_model_is_refused(demo: Path, given: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Weights that are not the truth's, and a folder without a truth."""
    plant(demo, given)
    (given / "out" / "model" / "LICENSE.txt").write_text("changed")
    assert commands.main(["audit", str(given / "out"), "--local", "--threads", "1"]) == 4
    assert "have changed" in capsys.readouterr().err
    assert commands.main(["audit", str(given), "--local", "--threads", "1"]) == 4
    assert "is no planted model" in capsys.readouterr().err


def test_who_asks_wrongly_is_told_how(capsys: pytest.CaptureFixture[str]) -> None:
    """Usage and code 4, as everywhere on the command line."""
    with pytest.raises(SystemExit) as left:
        commands.main(["plant", "--id", "planted"])
    assert left.value.code == 4
    assert "--canaries" in capsys.readouterr().err


def test_nobody_to_ask_is_a_code_of_its_own(demo: Path, given: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An address without a service: 5."""
    plant(demo, given)
    assert commands.main(["audit", str(given / "out"), "--url", "http://127.0.0.1:9"]) == 5
    assert "asking http://127.0.0.1:9" in capsys.readouterr().err
