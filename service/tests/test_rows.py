"""Lists of targets: what the parser makes of anything at all, and of what is right in every way there is."""

import csv
import io
import json
from typing import Any, get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from palimpsest.contract.problems import Code
from palimpsest.contract.uploads import SetRow
from service import rows
from service.errors import MOST_FIELDS, Refusal
from service.rows import Kind
from service.target_sets import written
from service.tests.hostile_lists import EVERY, HEAD, ROW

KINDS = get_args(Kind)
CODES = {"ROW_INVALID", "TEXT_NOT_UTF8", "TARGET_EMPTY", "TOO_MANY_TARGETS", "NO_TARGETS", "IMAGE_UNREADABLE"}
SEEDS = [case.content[:4000] for kinds in EVERY.values() for cases in kinds.values() for case in cases.values()]
PIECES = [
    '"',
    ";",
    ",",
    "\n",
    "\r",
    "\r\n",
    "\0",
    "\ufeff",
    "Caption",
    "Index",
    "id",
    "=1",
    "{",
    "}",
    "[",
    "]",
    ":",
    "null",
]

anything = st.one_of(
    st.binary(max_size=400),
    st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.lists(st.sampled_from(PIECES), max_size=60).map("".join).map(str.encode),
    st.lists(st.sampled_from(PIECES), max_size=60).map("".join).map(lambda text: (HEAD + text).encode()),
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A case of the tables with some bytes changed, left out or put in."""
    content = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(content)))
        content[place : place + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(content)


def judged(content: bytes, kind: Kind) -> list[rows.Line]:
    """The rows; none where the list is refused, which is then said as it has to be."""
    try:
        return rows.parsed(content, kind)
    except Refusal as error:
        refusal = error
    assert 1 <= len(refusal.errors) <= MOST_FIELDS
    assert {str(error.code) for error in refusal.errors} <= CODES
    assert all(error.field == "" or error.field.startswith("line.") for error in refusal.errors)
    assert refusal.code == refusal.errors[0].code
    assert json.dumps([error.model_dump(mode="json") for error in refusal.errors]).encode()
    return []


@pytest.mark.parametrize("kind", KINDS)
@given(content=st.one_of(anything, damaged()))
@example(content=b"\xff" * 100)
@example(content=b'"' * 1001)
@settings(max_examples=250)
def test_anything_is_rows_or_a_refusal_with_its_codes(kind: Kind, content: bytes) -> None:
    """Whatever comes: nothing else is raised, and rows that are taken are kept in one form that reads as the same."""
    found = judged(content, kind)
    if not any(line.row.images for line in found):
        read = [SetRow.model_validate_json(row) for row in b"".join(written(found, [])).splitlines()]
        assert [(row.text, row.index, row.url) for row in read] == [
            (line.row.text, line.row.index, line.row.url) for line in found
        ]


words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30).filter(str.strip)
literature = st.fixed_dictionaries(
    {"caption": words},
    optional={"url": words, "index": st.integers(0, 2**63 - 1), "type": st.sampled_from(["VM", "TM"])},
)
lists = st.lists(literature, min_size=1, max_size=12, unique_by=lambda row: row.get("index", object()))


def as_csv(listed: list[dict[str, Any]], delimiter: str, end: str) -> bytes:
    """A file as the csv module writes it."""
    file = io.StringIO(newline="")
    table = csv.DictWriter(file, ["", "caption", "url", "index", "type"], delimiter=delimiter, lineterminator=end)
    table.writeheader()
    table.writerows({"": n, **row} for n, row in enumerate(listed))
    return file.getvalue().encode()


@given(listed=lists, delimiter=st.sampled_from(";,"), end=st.sampled_from(["\n", "\r\n"]), mark=st.booleans())
@settings(max_examples=150)
def test_what_csv_writes_is_read_as_it_was(listed: list[dict[str, Any]], delimiter: str, end: str, mark: bool) -> None:
    """Every value, formulas and quotes and all, from either kind of file: the same rows."""
    texts = as_csv(listed, delimiter, end)
    lines = "".join(json.dumps(row) + "\n" for row in listed).encode()
    for content, kind in ((texts, "csv"), (lines, "jsonl")):
        found = rows.parsed((b"\xef\xbb\xbf" if mark else b"") + content, kind)  # type: ignore[arg-type]
        assert [line.row.model_dump(exclude_defaults=True) for line in found] == listed


@pytest.mark.parametrize("names", [";Caption;URL;type;mean_sscd;max_sscd;Index", ";Caption;URL;Index"])
def test_five_hundred_rows_as_the_literature_has_them(names: str) -> None:
    """A list of the length and the layout of NeMo's, quoted captions and unknown similarities included."""
    columns = names.split(";")
    file = io.StringIO(newline="")
    table = csv.DictWriter(file, columns, delimiter=";", extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    for n in range(500):
        score = "" if n % 40 == 0 else repr(0.2 + n / 1000)
        caption = f'"Watch: the ""{n}"" video; one, two"' if n % 9 == 0 else f"Caption {n} | アヤワスカ"
        others = {"URL": f"https://example.org/{n}.jpg?a;b", "type": "VM", "mean_sscd": score, "max_sscd": score}
        table.writerow({"": n, "Caption": caption, "Index": 10**9 + n, **others})
    found = rows.parsed(file.getvalue().encode(), "csv")
    assert (len(found), found[-1].number) == (500, 501)
    assert [line.row.index for line in found] == [10**9 + n for n in range(500)]
    assert found[9].row.caption == '"Watch: the ""9"" video; one, two"'


def test_a_row_is_named_by_its_id_its_index_or_its_place() -> None:
    """In this order; the place is counted over all rows."""
    content = "id,caption,index\ncat,a,1\n,b,2\n,c,\n"
    found = rows.parsed(content.encode(), "csv")
    assert [line.row.target(n).id for n, line in enumerate(found, start=1)] == ["cat", "2", "target-3"]


def test_lines_at_fault_are_named_in_their_order() -> None:
    """All of them, by the line on which they begin, whatever is wrong with each."""
    content = HEAD + ROW + "1;b\n" + '2;"c\nd";;;;;x\n' + "3;;;;;;\n" + ROW
    with pytest.raises(Refusal) as refused:
        rows.parsed(content.encode(), "csv")
    assert [(error.field, error.code) for error in refused.value.errors] == [
        ("line.3", Code.ROW_INVALID),
        ("line.4.index", Code.ROW_INVALID),
        ("line.6", Code.TARGET_EMPTY),
        ("line.7", Code.ROW_INVALID),
    ]
    assert "that of line 2" in refused.value.errors[-1].detail
