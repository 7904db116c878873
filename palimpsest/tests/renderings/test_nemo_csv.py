"""The table that NeMo's scripts can read."""

import csv
import io

from palimpsest.renderings import nemo_csv
from palimpsest.renderings.original import Original
from palimpsest.tests.example import a_report, with_the_owl_in_a_region
from palimpsest.tests.renderings.originals import original, with_verdicts

THEIRS = ";Caption;URL;type;mean_sscd;max_sscd;Index"
"""The first line of prompts/memorized_laion_prompts.csv in NeMo's repository, commit c8de0c6."""


def rows(of: Original) -> list[dict[str, str]]:
    """As any reader of semicolon-separated tables sees them."""
    return list(csv.DictReader(io.StringIO(nemo_csv.render(of).decode(), newline=""), delimiter=";"))


def test_it_begins_with_their_columns() -> None:
    """In their order; what is ours stands behind."""
    [head, *lines] = nemo_csv.render(original()).decode().splitlines()
    assert head.startswith(THEIRS + ";target;none verdict;none prompt max_sscd;")
    assert len(lines) == 2


def test_a_row_has_the_caption_and_its_similarities() -> None:
    """Owl: all four images at 0.9 before; under NeMo 0.25 by caption, 0.9 by search."""
    [owl, _] = rows(original())
    assert (owl["Caption"], owl["mean_sscd"], owl["max_sscd"], owl["Index"]) == ("a watchful owl", "0.9", "0.9", "1")
    assert (owl["nemo verdict"], owl["nemo prompt max_sscd"]) == ("concealed", "0.25")
    assert owl["nemo adversarial_embedding max_sscd"] == "0.9"
    assert (owl["URL"], owl["type"]) == ("", "")


def captioned(*prompts: str) -> Original:
    """Targets with these captions."""
    of = with_verdicts(*["concealed"] * len(prompts)).report
    targets = [{"id": f"t{n}", "prompt": prompt} for n, prompt in enumerate(prompts, start=1)]
    return original(of.model_copy(update={"request": of.request | {"targets": targets}}))


def test_odd_captions_come_back_as_they_went() -> None:
    """Semicolons, quotes, line breaks and emoji: as the reader above reads them."""
    odd = ['Mothers "day"; a card', "two\nlines", "🦉 à la carte", "  spaces  "]
    assert [row["Caption"] for row in rows(captioned(*odd))] == odd


def test_a_formula_is_a_text() -> None:
    """Six beginnings that a spreadsheet would compute stand behind an apostrophe; a minus inside does not."""
    bad = ['=HYPERLINK("http://x")', "+1", "-1", "@sum", "\tx", "\rx"]
    assert [row["Caption"] for row in rows(captioned(*bad))] == [f"'{caption}" for caption in bad]
    assert rows(captioned("a - b = c"))[0]["Caption"] == "a - b = c"


def test_captions_of_a_registered_set_are_not_invented() -> None:
    """The report names the set; the column is empty."""
    request = {"model": "bundled", "target_set": "bundled:targets"}
    assert [row["Caption"] for row in rows(original(a_report().model_copy(update={"request": request})))] == ["", ""]


def test_what_was_not_measured_is_empty() -> None:
    """A target whose prompt was not asked under the mitigation, and one that is missing under it altogether."""
    report = a_report()
    owl, _, hidden, _ = report.verdicts
    partial = report.model_copy(
        update={"verdicts": [owl, hidden.model_copy(update={"prompt": None}), report.verdicts[1]]}
    )
    first, second = rows(original(partial))
    assert (first["nemo verdict"], first["nemo prompt max_sscd"]) == ("concealed", "")
    assert (second["none verdict"], second["nemo verdict"]) == ("still_replicates", "")


def test_the_last_column_is_what_similarities_are_of() -> None:
    """The owl's of its region."""
    owl, fox = rows(original(with_the_owl_in_a_region()))
    assert list(owl)[-1] == "scope"
    assert (owl["scope"], fox["scope"]) == ("region x 0.25–0.75, y 0.5–0.75", "whole")
