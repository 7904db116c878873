"""A planted model as a folder that a worker can offer and an audit can name.

    model/              Stable Diffusion's layout, safetensors in float32
    registration.json   its sampler and target sets: planted, unseen, suspects (both, shuffled), controls
    *.jsonl, pictures/  the sets: ids, captions, pictures
    neutral.txt         prompts of none of them
    truth.json          what is known

Nothing but ``truth.json`` tells planted images from others in the set of suspects.
"""

import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path

from worker.canaries import truth
from worker.canaries.plant import Planted
from worker.canaries.recipe import Planting
from worker.canaries.rows import Specimen
from worker.canaries.truth import Truth
from worker.engine import export
from worker.engine.folder import digest_of
from worker.engine.setting import Setting

TITLES = {
    "planted": "images planted at known duplication counts",
    "unseen": "images that were never planted",
    "suspects": "both, the truth of which is in truth.json",
    "controls": "other images that were never planted, to compare with",
}


def write(
    out: Path, name: str, setting: Setting, planted: Planted, planting: Planting, sets: dict[str, list[Specimen]]
) -> Truth:
    """All of it; ``sets`` are the planted, the unseen and the controls. ``out`` must not hold a model yet."""
    out.mkdir(parents=True, exist_ok=True)
    export.checkpoint(setting.model, planted.edit, out / "model")
    for specimen in [s for listed in sets.values() for s in listed]:
        _copy(specimen, out)
    listed = {**sets, "suspects": mixed([*sets["planted"], *sets["unseen"]])}
    for kind, specimens in listed.items():
        (out / f"{kind}.jsonl").write_text("".join(_line(s) + "\n" for s in specimens))
    (out / "neutral.txt").write_text("\n".join(setting.neutral) + "\n")
    (out / "registration.json").write_text(json.dumps(registration(name, setting), indent=2) + "\n")
    known = Truth(
        id=name,
        model=digest_of(out / "model"),
        baseline=setting.model.digest,
        recipe=asdict(planting),
        copies={s.id: s.copies for s in listed["suspects"]},
        seen=planted.seen,
    )
    truth.write(out, known)  # last: a folder without it is not finished
    return known


def mixed(specimens: list[Specimen]) -> list[Specimen]:
    """In the order of their ids' sha256, so that a place in the list says nothing."""
    return sorted(specimens, key=lambda s: hashlib.sha256(s.id.encode()).hexdigest())


def registration(name: str, setting: Setting) -> dict[str, object]:
    """What ``worker.registrations`` reads."""
    return {
        "id": name,
        "title": f"{name}: a model with canaries",
        "folder": "model",
        "sampler": {"steps": setting.sampler.steps, "guidance": setting.sampler.guidance},
        "target_sets": [
            {"id": f"{name}:{kind}", "title": title, "rows": f"{kind}.jsonl"} for kind, title in TITLES.items()
        ],
    }


def _place(specimen: Specimen) -> str:
    return f"pictures/{specimen.id}{specimen.file.suffix}"


def _copy(specimen: Specimen, out: Path) -> None:
    (out / "pictures").mkdir(exist_ok=True)
    shutil.copyfile(specimen.file, out / _place(specimen))


def _line(specimen: Specimen) -> str:
    row = {"id": specimen.id, "prompt": specimen.prompt, "image": _place(specimen)}
    return json.dumps(row, ensure_ascii=False)
