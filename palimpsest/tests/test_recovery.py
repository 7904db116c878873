"""Which files replay a recovery."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from palimpsest.contract.report import AuditReport
from palimpsest.recovery import choose, fetch, references, said_in
from palimpsest.tests.example import AUDIT, SEARCH, a_report, with_the_owl_in_a_region

SAID = {"model": "sha256:03", "edit": "e" * 64}


def embedding(**changes: Any) -> bytes:
    """A file without a number in it that says what its pictures were drawn from."""
    said = json.dumps({**SAID, **changes})
    head = json.dumps({"__metadata__": {"recovery": said}}).encode()
    return len(head).to_bytes(8, "little") + head


def listed(report: AuditReport) -> AuditReport:
    """The same report of a request that brought images of its own."""
    targets = [{"id": "owl", "images": [{"sha256": "a"}, {"sha256": "b"}]}, {"id": None, "images": [{"sha256": "c"}]}]
    return report.model_copy(update={"request": {**report.request, "targets": targets}})


@dataclass
class Kept:
    """An audit's report and files, and which were asked for."""

    told: AuditReport
    files: dict[str, bytes]
    asked: list[str] = field(default_factory=list)

    def report(self, audit_id: str, /) -> AuditReport:
        """The only one."""
        assert audit_id == AUDIT
        return self.told

    def evidence(self, audit_id: str, digest: str, /) -> bytes:
        """A file by its name."""
        self.asked.append(digest)
        return self.files[digest]


def test_a_concealed_recovery_is_meant_first() -> None:
    """NeMo hid the owl and the search brought it back with 0.9; the model as it is shows it too, and is not meant."""
    report = a_report()
    chosen = choose(report, "owl", None, None)
    assert (chosen.mitigation, chosen.probe, chosen.seen.hits) == ("nemo", SEARCH, 3)
    assert choose(report, "owl", "none", None).mitigation == "none"
    assert choose(report, "fox", None, None).mitigation == "none"


@pytest.mark.parametrize(
    ("target", "mitigation", "probe", "said"),
    [
        ("cat", None, None, "no target cat"),
        ("owl", "wanda", None, "kept of owl under wanda"),
        ("owl", "nemo", "prompt", "kept of owl under nemo by prompt"),
    ],
)
def test_what_is_not_there_is_said(target: str, mitigation: str | None, probe: str | None, said: str) -> None:
    """In a sentence that names what was asked."""
    with pytest.raises(LookupError, match=said):
        choose(a_report(), target, mitigation, probe)


def test_an_embedding_speaks_for_itself() -> None:
    """Its metadata comes back; a file that has none, or is none, cannot be replayed."""
    assert said_in(embedding()) == SAID
    empty = b"\x02\x00\x00\x00\x00\x00\x00\x00{}"
    for content in (empty, b"", b"not a file of this kind"):
        with pytest.raises(LookupError, match="does not say what its pictures were drawn from"):
            said_in(content)


def test_a_targets_own_images_are_its_references() -> None:
    """By its id or by its place; of a registered set none came with the request."""
    report = listed(a_report())
    assert [references(report, target) for target in ("owl", "target-2", "cat")] == [["a", "b"], ["c"], []]
    sets = report.model_copy(update={"request": {"target_set": "bundled:targets"}})
    assert references(sets, "owl") == []


def test_everything_that_replays_it_is_fetched() -> None:
    """The embedding, the edit it names and both images; the command names them, and the model by its id."""
    files = {"sha256:01": embedding(), "e" * 64: b"edit", "a": b"first", "b": b"second"}
    kept = Kept(listed(a_report()), files)
    fetched = fetch(kept, AUDIT, "owl", None, None)
    assert kept.asked == ["sha256:01", "e" * 64, "a", "b"]
    names = ["embedding.safetensors", "edit", "reference-1", "reference-2"]
    assert fetched.files == dict(zip(names, files.values(), strict=True))
    assert "owl came back under nemo by adversarial_embedding: 3 of 4 pictures are copies" in fetched.sentence
    assert fetched.command(Path("to here")) == (
        "python -m worker.replay --model FOLDER_OF_bundled --embedding 'to here/embedding.safetensors' "
        "--edit 'to here/edit' --reference 'to here/reference-1' 'to here/reference-2' "
        "--output 'to here/replay.png'"
    )


def test_on_the_model_as_it_is_there_is_no_edit() -> None:
    """Only the embedding is fetched, and the picture is left to be filled in."""
    kept = Kept(a_report(), {"sha256:01": embedding(edit=None, model="another")})
    fetched = fetch(kept, AUDIT, "fox", "nemo", None)
    assert list(fetched.files) == ["embedding.safetensors"]
    assert "fox did not come back under nemo" in fetched.sentence
    assert fetched.command(Path("r")) == (
        "python -m worker.replay --model FOLDER_OF_the_model --embedding r/embedding.safetensors "
        "--reference PICTURE_OF_THE_TARGET --output r/replay.png"
    )


def test_a_recovery_of_a_region_is_told_as_one() -> None:
    """The owl's logo came back; nothing is said of the owl."""
    told = with_the_owl_in_a_region()
    fetched = fetch(Kept(told, {"sha256:01": embedding(), "e" * 64: b"edit"}), AUDIT, "owl", "nemo", None)
    assert fetched.sentence.startswith(
        "owl came back in the region x 0.25–0.75, y 0.5–0.75, of which alone is spoken, under nemo"
    )
