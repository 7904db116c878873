"""A mitigated model taken away: audited by itself it shows what the audit showed of it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger import exports
from palimpsest.contract.report import AuditReport
from worker import export
from worker.engine.model import DiffusionModel
from worker.tests import tiny
from worker.tests.shop import TENANT, Shop
from worker.tests.trained import TRAINED

ASKED: dict[str, Any] = {
    "target_set": "tiny:targets",
    "control_set": "tiny:controls",
    "probes": [{"kind": "prompt"}, {"kind": "adversarial_embedding", "steps": 2, "batch_size": 1}],
}
MITIGATIONS: list[dict[str, Any]] = [
    TRAINED["mitigations"][0],
    {"kind": "wanda", "timesteps": 1, "sparsity": 0.3, "scope": "joint"},
    {"kind": "nemo", "seeds": 2, "similarity": 1e-6, "scope": "joint"},
]


@pytest.fixture(scope="module")
def audited(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shop, str]]:
    """One audit of three joint mitigations: trained, weights off, neurons off."""
    shop = Shop.open(demo, tmp_path_factory.mktemp("audited"))
    audit_id = shop.submit({**ASKED, "mitigations": MITIGATIONS})
    shop.work()
    yield shop, audit_id
    shop.close()


def taken(audited: tuple[Shop, str], kind: str, folder: Path) -> Path:
    """The delta as the gateway finds it, in a file."""
    shop, audit_id = audited
    with shop.workshop.ledger.reading() as connection:
        found = exports.of_mitigation(connection, TENANT, audit_id, f"mitigate:{kind}")
    assert found is not None
    assert found.digest is not None
    content = shop.workshop.evidence.get(TENANT, found.digest)
    assert len(content) == found.size
    file = folder / f"{kind}.safetensors"
    file.write_bytes(content)
    return file


def offered(demo: Path, model: Path, folder: Path) -> Path:
    """The tiny model's surroundings around another model."""
    shutil.copytree(demo, folder)
    registration = json.loads((folder / "registration.json").read_text())
    (folder / "registration.json").write_text(json.dumps({**registration, "folder": str(model)}))
    return folder


def seen(report: AuditReport, mitigation: str | None) -> list[Any]:
    """The scores of every target before or after, by the prompt and by the search, with its losses."""
    found: list[Any] = []
    for verdict in report.verdicts:
        if mitigation in (None, verdict.mitigation):
            side = verdict.before if mitigation is None else verdict
            assert side.prompt is not None
            search = side.adversarial["adversarial_embedding"]
            found.append((verdict.target_id, side.prompt.scores, search.scores, search.loss))
    return found


@pytest.mark.parametrize("kind", ["adversarial_finetuning", "wanda", "nemo"])
def test_the_audit_of_an_export_finds_the_audits_numbers(
    audited: tuple[Shop, str], demo: Path, tmp_path: Path, kind: str
) -> None:
    """
    The delta, added to the model's own folder by the command, is a model like any other
    An audit of it without a mitigation has before it what the first audit had after its own: score by score, exactly
    """
    shop, audit_id = audited
    model = tmp_path / "mitigated"
    delta = taken(audited, kind, tmp_path)
    assert export.main(["--delta", str(delta), "--model", str(demo / "model"), "--output", str(model)]) == 0
    again = Shop.open(offered(demo, model, tmp_path / "offered"), tmp_path / "again")
    report = again.audit(ASKED)
    again.close()
    first = shop.report(audit_id)
    assert seen(report, None) == seen(first, kind)
    assert len(seen(report, None)) == len(tiny.TARGETS)
    assert seen(first, None) != seen(first, kind)


def test_the_probes_go_by_what_can_be_taken_away(audited: tuple[Shop, str]) -> None:
    """Of a training there is one blob, of masks the delta beside them."""
    shop, audit_id = audited
    joined = "SELECT stage, name FROM evidence JOIN units ON units.id = unit_id WHERE evidence.kind = 'artifact'"
    with shop.workshop.ledger.reading() as connection:
        rows = connection.exec_driver_sql(f"{joined} AND units.audit_id = ?", (audit_id,)).all()
    assert sorted((row.stage, row.name) for row in rows) == [
        ("mitigate:adversarial_finetuning", "delta.safetensors"),
        ("mitigate:nemo", "delta.safetensors"),
        ("mitigate:nemo", "edit.safetensors"),
        ("mitigate:wanda", "delta.safetensors"),
        ("mitigate:wanda", "edit.safetensors"),
    ]


def test_a_delta_of_another_model_is_refused(
    audited: tuple[Shop, str], demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its digest is another, though every weight has the shape; nothing is written, and the exit code is 1."""
    other = tmp_path / "other"
    shutil.copytree(demo / "model", other)
    (other / "LICENSE.txt").write_text("not the one")
    delta = taken(audited, "wanda", tmp_path)
    words = ["--delta", str(delta), "--model", str(other), "--output", str(tmp_path / "out")]
    assert export.main(words) == 1
    assert DiffusionModel.load(other).digest[:12] in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("wrong", ["no delta", "no file", "a full folder", "no model"])
def test_wrong_files_are_refused(
    audited: tuple[Shop, str], demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: str
) -> None:
    """A sentence on stderr and exit code 1; what was there stays as it was."""
    delta, model, output = taken(audited, "wanda", tmp_path), demo / "model", tmp_path / "out"
    if wrong == "no delta":
        delta.write_bytes(b"{}")
    elif wrong == "no file":
        delta.unlink()
    elif wrong == "no model":
        model = tmp_path
    else:
        output.mkdir()
        (output / "mine").touch()
    assert export.main(["--delta", str(delta), "--model", str(model), "--output", str(output)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not output.exists() or [path.name for path in output.iterdir()] == ["mine"]
