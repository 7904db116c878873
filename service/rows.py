"""Lists of targets as they come, CSV or JSON Lines, become rows; what is wrong is said by line, all of it at once.

CSV has a first line of names: the layout of the literature's lists (``;Caption;URL;type;mean_sscd;max_sscd;Index``),
all but the caption left out at will, separated by semicolons or commas. A line of JSON Lines is a row
``{caption, index, url}`` or a target as a request has it. Lines end with LF or CRLF and are counted from 1, also within
a quoted cell. Values are data: a formula is a text like any other, a URL is kept and never fetched.
"""

import codecs
import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from palimpsest.contract.problems import Code, FieldProblem
from palimpsest.contract.request import HOW_GIVEN, MOST_TARGETS
from palimpsest.contract.uploads import SetRow
from service.errors import refused
from service.malformed import NAME, sentence

Kind = Literal["csv", "jsonl"]

MOST_LINES = 10 * MOST_TARGETS
MOST_PROBLEMS = 1000
"""After so many nobody reads on."""

COLUMNS = ("", "id", "prompt", "caption", "index", "url", "type", "mean_sscd", "max_sscd")
"""What a column of a CSV may be called, in any case; the one without a name is a count and is left aside."""

NOT_UTF8 = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}
IN_IMAGE = ("value_error", "literal_error", "string_too_short")


@dataclass(frozen=True)
class Line:
    """A row, and the number of the line on which it begins."""

    number: int
    row: SetRow


class Enough(Exception):
    """So much is wrong that nobody reads on."""


class Complaints(list[FieldProblem]):
    """What is wrong, by line."""

    def add(self, line: int, detail: str, code: Code = Code.ROW_INVALID, *within: str) -> None:
        """One more. Raises Enough when there are too many."""
        self.append(FieldProblem(field=".".join(("line", str(line), *within)), code=code, detail=detail))
        if len(self) >= MOST_PROBLEMS:
            raise Enough


def parsed(content: bytes, kind: Kind) -> list[Line]:
    """Every row of a file. Raises a Refusal that names every line at fault."""
    wrong = Complaints()
    rows: list[Line] = []
    try:
        lines = texts(content, wrong)
        if not wrong:
            read = from_csv(lines, wrong) if kind == "csv" else from_jsonl(lines, wrong)
            rows = checked(read, wrong)
    except Enough:
        pass
    if not wrong and not rows:
        wrong.append(FieldProblem(field="", code=Code.NO_TARGETS, detail="there is not one row"))
    if wrong:
        raise refused(wrong)
    return rows


def texts(content: bytes, wrong: Complaints) -> list[str]:
    """The lines, without their ends and without a byte order mark; those that are not UTF-8 are complained of."""
    for mark, encoding in NOT_UTF8.items():
        if content.startswith(mark):
            wrong.add(1, f"the file is {encoding}; save it as UTF-8", Code.TEXT_NOT_UTF8)
            return []
    if content.count(b"\n") > MOST_LINES:
        wrong.add(MOST_LINES + 1, f"a file may have {MOST_LINES} lines", Code.TOO_MANY_TARGETS)
        return []
    found = []
    for number, line in enumerate(content.removeprefix(codecs.BOM_UTF8).split(b"\n"), start=1):
        try:
            found.append(line.decode())
        except UnicodeDecodeError as error:
            wrong.add(number, f"not UTF-8 from its byte {error.start + 1} on", Code.TEXT_NOT_UTF8)
        if b"\0" in line:
            wrong.add(number, "a line holds no NUL")
    return found


def from_csv(lines: list[str], wrong: Complaints) -> Iterator[Line]:
    """The rows of a CSV file."""
    table = csv.reader((f"{line}\n" for line in lines), delimiter=";" if ";" in lines[0] else ",", strict=True)
    names: list[str] | None = None
    while True:
        begins = table.line_num + 1
        try:
            cells = next(table)
        except StopIteration:
            return
        except csv.Error as error:
            wrong.add(begins, f"not CSV: {error}")
            if names is None:
                return
            continue
        if names is None:
            names = header(cells, wrong)
            if names is None:
                return
        elif cells and len(cells) != len(names):
            wrong.add(begins, f"{len(cells)} cells where the first line has {len(names)}")
        elif cells:
            values = {name: cell for name, cell in zip(names, cells, strict=True) if name and cell}
            yield from validated(begins, values, wrong)


def header(cells: list[str], wrong: Complaints) -> list[str] | None:
    """The columns' names; None where the first line does not have them."""
    names = [cell.strip().lower() for cell in cells]
    known = ", ".join(name for name in COLUMNS if name)
    if any(name not in COLUMNS for name in names) or len(set(names)) < len(names):
        wrong.add(1, f"the first line has the columns' names, each once; there are {known}")
    elif ("caption" in names) == ("prompt" in names):
        wrong.add(1, "the first line names one column caption, or prompt")
    return None if wrong else names


def from_jsonl(lines: list[str], wrong: Complaints) -> Iterator[Line]:
    """The rows of a JSON Lines file."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield from validated(number, line, wrong)


def validated(number: int, values: dict[str, str] | str, wrong: Complaints) -> Iterator[Line]:
    """The row that these values are, a CSV's cells or a text in JSON; none where they are no row."""
    try:
        if isinstance(values, str):
            row = SetRow.model_validate_json(values)
        else:
            row = SetRow.model_validate(values, strict=False)  # a cell is a text, also where it is a number
    except ValidationError as error:
        for finding in error.errors(include_url=False, include_input=False):
            complain(number, finding, wrong)  # type: ignore[arg-type]
        return
    if not row.images and not (row.text or "").strip():
        wrong.add(number, "give a prompt, an image or both", Code.TARGET_EMPTY)
        return
    yield Line(number, row)


def complain(number: int, finding: dict[str, Any], wrong: Complaints) -> None:
    """A finding of pydantic's about a line, in our words."""
    path = [part for place, part in enumerate(finding["loc"]) if (place, part in HOW_GIVEN) != (2, True)]
    in_image = len(path) == 3 and path[0] == "images" and finding["type"] in IN_IMAGE
    within = [str(part) if isinstance(part, int) or NAME.fullmatch(part) else "?" for part in path]
    detail = sentence({**finding, "loc": ("body", *path)}).replace(" at line 1 ", " at ")
    wrong.add(number, detail, Code.IMAGE_UNREADABLE if in_image else Code.ROW_INVALID, *within)


def checked(read: Iterable[Line], wrong: Complaints) -> list[Line]:
    """The rows, no more than a set may have, and no two of one name."""
    rows: list[Line] = []
    names: dict[str, int] = {}
    for line in read:
        if len(rows) == MOST_TARGETS:
            wrong.add(line.number, f"a set has at most {MOST_TARGETS} targets", Code.TOO_MANY_TARGETS)
            break
        rows.append(line)
        name = line.row.name(len(rows))
        first = names.setdefault(name, line.number)
        if first != line.number:
            wrong.add(line.number, f"its id, or index, is that of line {first}")
    return rows
