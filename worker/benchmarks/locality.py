"""Where the bundled model keeps its memories: ``make locality``.

The three indications of Kowalczuk et al., Finding DoRI (arXiv 2507.16880), on the first targets of the bundled model:
several triggers of each image from Gaussian starts and from other prompts' embeddings, on the unmitigated model.

Raw rows go to docs/results/raw/locality.jsonl. The three figures are drawn from them, as SVG and as PNG; the page is
rendered from them by ``worker.benchmarks.render``. ``--draw`` only draws again what the rows say.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from palimpsest.contract.methods import LocalityParams, NemoParams, WandaParams
from worker.benchmarks import bundled, demo_figures
from worker.benchmarks.running import use_cores
from worker.engine.figures.drawing import png, svg
from worker.engine.locality.activation_divergence import LayerDivergence
from worker.engine.locality.analysis import Locality, Searched, analyse
from worker.engine.locality.between_methods import BetweenMethods
from worker.engine.locality.embedding_spread import EmbeddingSpread
from worker.engine.locality.picture import figures
from worker.engine.locality.weight_agreement import LayerAgreement

OUT = Path("docs/results")
RAW = OUT / "raw" / "locality.jsonl"
SEED = 303
IMAGES = 12
PARAMS = LocalityParams(triggers=6, nemo=NemoParams(), wanda=WandaParams(sparsity=0.1))
"""At the published 1 % Wanda switches off two to five weights a row of this narrow model; so 10 %."""

TABLES: dict[str, type[BaseModel]] = {
    "searched": Searched,
    "spread": EmbeddingSpread,
    "divergence": LayerDivergence,
    "agreement": LayerAgreement,
    "between": BetweenMethods,
}


def rows_of(found: Locality) -> Iterator[dict[str, Any]]:
    """One raw row per entry of every list."""
    for table in TABLES:
        for entry in getattr(found, table):
            yield {"table": table, **entry.model_dump(mode="json")}


def read(path: Path = RAW) -> Locality:
    """The analysis as its raw rows have it."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    lists = {
        table: [kind.model_validate(row) for row in rows if row["table"] == table] for table, kind in TABLES.items()
    }
    return Locality.model_validate(lists)


def measure() -> None:
    """Search, analyse, write the rows."""
    use_cores()
    setting, started = bundled.setting(SEED), time.time()
    last = 0.0

    def tell(_: int) -> None:
        nonlocal last
        if time.time() - last > 60:
            last = time.time()
            done = setting.model.work
            told = f"{done.forwards_with_gradient:,} forwards with a gradient, {done.forwards:,} without"
            sys.stderr.write(f"[{last - started:6.0f} s] {told}\n")

    setting.model.on_forward = tell
    items = bundled.items("targets")[:IMAGES]
    found = analyse(setting, items, PARAMS)
    meta = {
        **demo_figures.meta(),
        "command": "make locality",
        "seeds": {"seed": SEED},
        "images": [item.id for item in items],
        "parameters": PARAMS.model_dump(mode="json"),
        "forwards": setting.model.work.forwards,
        "forwards_with_gradient": setting.model.work.forwards_with_gradient,
        "seconds": round(time.time() - started),
    }
    lines = [json.dumps(row, ensure_ascii=False) for row in [meta, *rows_of(found)]]
    RAW.parent.mkdir(parents=True, exist_ok=True)
    RAW.write_text("\n".join(lines) + "\n")


def draw() -> None:
    """The three figures, from the raw rows."""
    for name, drawing in figures(read()).items():
        (OUT / f"{name}.svg").write_text(svg(drawing))
        (OUT / f"{name}.png").write_bytes(png(drawing))


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draw", action="store_true", help="measure nothing, draw again what the raw rows say")
    if not parser.parse_args().draw:
        measure()
    draw()


if __name__ == "__main__":
    main()
