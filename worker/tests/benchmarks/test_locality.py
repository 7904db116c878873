"""From the analysis to raw rows, and from rows to the page."""

import json
from pathlib import Path

import pytest

from palimpsest.contract.methods import LocalityParams
from worker.benchmarks import locality
from worker.benchmarks.locality_page import effect, nearer, p_of, short
from worker.benchmarks.locality_page import locality as page
from worker.engine.locality.activation_divergence import LayerDivergence
from worker.engine.locality.analysis import Locality, Searched
from worker.engine.locality.between_methods import BetweenMethods
from worker.engine.locality.embedding_spread import EmbeddingSpread, Projected
from worker.engine.locality.pairs import Contrast, Spread
from worker.engine.locality.weight_agreement import LayerAgreement
from worker.engine.rates import rate

PATH = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_v"


def a_contrast(value: float | None = 0.9, low: float | None = 0.8, high: float | None = 1.1) -> Contrast:
    """Three images, nine pairs of one and 27 of two."""
    same = None if value is None else 4.5
    return Contrast(
        same=same, different=5.0, effect="ratio", value=value, low=low, high=high, p=0.25, images=3,
        pairs_same=9, pairs_different=27,
    )  # fmt: skip


@pytest.fixture
def found() -> Locality:
    """One entry of every list."""
    about = Spread(n=9, mean=12.3, sd=0.4, percentiles=(11, 12, 12.5, 13, 14))
    plane = [
        Projected(image="fox", at=(1, 2), start=(0, 0)),
        Projected(image="kite", at=(3, 1), start=(2, 2)),
        Projected(image=None, at=(-1, -1), start=None),
    ]
    return Locality(
        searched=[Searched(start="gaussian", tried=9, found=6, images=3)],
        spread=[
            EmbeddingSpread(
                start="gaussian", triggers_of_one_image=about, triggers_of_two_images=about, starts=about,
                prompts=about, displacement=about, distance=a_contrast(), direction=a_contrast(0.1, 0.05, 0.15),
                nearest_start=rate(8, 9), plane_variance=0.31, plane=plane,
            )
        ],
        divergence=[
            LayerDivergence(
                start="gaussian", method="nemo", layer=PATH, reduction="statistic", contrast=a_contrast(),
                p_adjusted=0.5, captions=4.0, prompts=3.0,
            )
        ],
        agreement=[
            LayerAgreement(
                start="gaussian", method="nemo", layer=PATH, units=128, selected=3.4,
                agreement=a_contrast(None, None, None), p_adjusted=None, chance=None, empty_unions=9, with_empty=1.0,
            )
        ],
        between=[
            BetweenMethods(
                units="value neurons", layer=PATH.removesuffix(".attn2.to_v"), images=4, left_out=2, one_image=0.2,
                low=0.1, high=0.3, two_images=0.15, chance=0.05, rank_correlation=None, p=0.125,
            )
        ],
    )  # fmt: skip


def test_rows_are_the_analysis_again(found: Locality, tmp_path: Path) -> None:
    """Written as JSON lines under a meta row, and read back: nothing lost."""
    raw = tmp_path / "rows.jsonl"
    rows = [{"table": "meta"}, *locality.rows_of(found)]
    raw.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    assert locality.read(raw) == found


def test_the_page_says_what_the_rows_say(found: Locality) -> None:
    """Counts, effects with intervals, what is left out, and a sentence computed from the interval."""
    meta = {
        "table": "meta", "date": "2026-01-02", "command": "make locality", "commit": "c" * 40, "machine": "a machine",
        "versions": {"torch": "2"}, "model": "m" * 64, "descriptor": "d" * 64, "threshold": 0.8, "images": ["fox"],
        "seeds": {"seed": 3}, "parameters": LocalityParams().model_dump(mode="json"), "forwards": 1234,
        "forwards_with_gradient": 5678, "seconds": 9,
    }  # fmt: skip
    text = "\n".join(page([meta, *locality.rows_of(found)]))
    assert "| Gaussian | 9 | 6 (67%) | 3 |" in text
    assert "0.90 [0.80, 1.10]" in text
    assert "triggers of one image are no nearer to one another than those of two images. 8 of 9 lie" in text
    assert "| NeMo | d1.0 | Gaussian | statistic | 4.5 | 5 | 0.90 [0.80, 1.10] | 0.500 | 4 | 3 |" in text
    assert "in 1 of 1 rows at least as large as that of different memorized captions" in text
    assert "| NeMo | d1.0 | Gaussian | 3 of 128 | – | 5 | – | – | – | 9 | 1 |" in text
    assert "| value neurons | d1.0 | 4 | 0.2 [0.10, 0.30] | 0.15 | 0.05 | 0.125 | – | 2 |" in text
    assert "1,234 sample-forwards" in text


def test_nearer_is_said_only_where_the_interval_says_it() -> None:
    """Wholly under 1: nearer, by how much; reaching 1: no nearer; without an interval: not comparable."""
    assert nearer(a_contrast(0.8, 0.7, 0.9).model_dump()).startswith(
        "nearer to one another than those of two images, by 20%"
    )
    assert nearer(a_contrast(0.8, 0.6, 1.0).model_dump()).startswith("no nearer")
    assert nearer(a_contrast(0.8, None, None).model_dump()) == "not comparable"


def test_what_is_not_there_is_a_dash() -> None:
    """No effect, no p; an effect without an interval stands alone."""
    assert (effect(a_contrast(None, None, None).model_dump()), p_of(None)) == ("–", "–")
    assert effect(a_contrast(0.8, None, None).model_dump()) == "0.80"
    assert short("mid_block.attentions.0.transformer_blocks.0") == "m"
