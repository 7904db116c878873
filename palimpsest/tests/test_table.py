"""A report as a reader sees it."""

import io

from rich.console import Console, RenderableType

from palimpsest import table
from palimpsest.contract.catalogue import Inapplicable, MethodCard, MethodList, ModelCard, ModelList, TargetSet
from palimpsest.contract.report import AuditReport
from palimpsest.contract.status import AuditList
from palimpsest.tests.example import NONE_OF_TWO, SEARCH, a_report, a_status, row, with_the_owl_in_a_region


def printed(*tables: RenderableType, width: int = 80) -> list[str]:
    """The lines of a terminal of that width, each space single."""
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(*tables)
    assert isinstance(console.file, io.StringIO)
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def test_a_verdict_is_a_line_of_eighty_columns() -> None:
    """Who, under what, which verdict, and the hits and best similarity that it rests on."""
    lines = printed(table.verdicts(a_report()))
    assert "owl none still_replicates 4/4 0.90 4/4 0.90 3/4 0.90 0/2 p 0.67" in lines
    assert "owl nemo concealed 4/4 0.90 0/4 0.25 3/4 0.90 0/2 p 0.67" in lines
    assert "fox nemo not_recovered 4/4 0.90 0/4 0.25 0/4 0.25 0/2 p 0.67" in lines


def test_the_comparison_is_two_lines_a_mitigation() -> None:
    """Rates with counts above, intervals below; what was switched off, and the drift beside its bound."""
    lines = printed(table.comparison(a_report()))
    place = lines.index("nemo 1.00 (2/2) 0.00 (0/2) 0.50 (1/2) 0.00 (0/2) 0.35 % 0.050")
    below = "per_target 0.16–1.00 0.00–0.84 0.01–0.99 0.00–0.84 3.5 neurons ≤ 0.15"
    assert lines[place + 1] == below
    assert "none 1.00 (2/2) 1.00 (2/2) 1.00 (2/2) 0.00 (0/2) – –" in lines


def test_what_was_not_measured_is_a_dash() -> None:
    """A rate over nothing has no value."""
    nothing = NONE_OF_TWO.model_copy(update={"value": None, "n": 0})
    assert [
        str(cell) for cell in (table.rate(None), table.rate(nothing), table.replication(None), table.control(None))
    ] == [
        "–",
        "–",
        "–",
        "–",
    ]


def test_a_degraded_model_is_beyond_its_bound() -> None:
    """The sign between drift and bound turns."""
    summary = row("nemo", {}, prompt=NONE_OF_TWO, search=NONE_OF_TWO)
    assert summary.drift is not None
    degraded = summary.model_copy(update={"drift": summary.drift.model_copy(update={"value": 0.2, "degraded": True})})
    assert str(table.drift(degraded)) == "0.200\n> 0.15"


def test_several_searches_have_columns_by_their_ids() -> None:
    """With one search the column is +search, with two it is their names."""
    assert table.search_headings([SEARCH]) == ["+search", "controls\n+search"]
    assert table.search_headings(["near", "far"]) == ["+near", "controls\n+near", "+far", "controls\n+far"]


def crowd(report: AuditReport) -> AuditReport:
    """Sixty rows of the mildest verdict before one of the gravest."""
    mild, grave = report.verdicts[3], report.verdicts[0]
    return report.model_copy(update={"verdicts": [mild] * table.MOST_ROWS + [grave]})


def test_of_too_many_rows_the_gravest_are_shown() -> None:
    """Sixty rows, the gravest first, and a word about the others."""
    lines = printed(table.verdicts(crowd(a_report())), width=120)
    rows = [line for line in lines if line.startswith(("owl ", "fox "))]
    assert len(rows) == table.MOST_ROWS
    assert rows[0].startswith("owl none still_replicates ")
    assert "the gravest 60 of 61 rows, the report has all" in " ".join(lines)


def test_the_service_cannot_colour_the_terminal() -> None:
    """Brackets in an id or a reason are printed, not obeyed."""
    listed = AuditList(data=[a_status(model="[red]bundled[/red]")], next_cursor=None)
    assert "[red]bundled[/red]" in printed(table.audits(listed), width=120)[-1]


def test_models_and_methods_are_listed() -> None:
    """What a deployment offers, and what it cannot do and why."""
    model = ModelCard(
        id="bundled",
        title="Bundled",
        family="stable-diffusion",
        digest="sha256:0123456789abcdef",
        parameters=1,
        resolution=64,
        tokenizer_length=77,
        layers=[],
        inapplicable=[Inapplicable(kind="wanda", reason="no feed-forward")],
        target_sets=[TargetSet(id="bundled:targets", title="Targets", size=8)],
        descriptor="sha256:00",
        threshold=0.5,
    )
    method = MethodCard(
        kind="wanda",
        role="mitigation",
        title="Wanda",
        citation="arXiv 2406.18566",
        threat_model=None,
        parameters={},
        defaults={"kind": "wanda", "id": None, "sparsity": 0.01},
        page="docs/methods/wanda.md",
    )
    assert "bundled stable-diffusion 64 bundled:targets (8) wanda: no feed-forward sha256:0123456789ab" in printed(
        table.models(ModelList(data=[model])), width=120
    )
    assert "wanda mitigation sparsity 0.01 arXiv 2406.18566" in printed(
        table.methods(MethodList(engine="sha256:00", data=[method]))
    )


def test_a_region_stands_below_its_target() -> None:
    """The owl's; the fox is a whole image and has none."""
    told = printed(table.verdicts(with_the_owl_in_a_region()), width=200)
    assert told.count("region x 0.25–0.75, y 0.5–0.75") == 2
