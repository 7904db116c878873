"""Lists of targets as they should not be, and some that only look like it: each with its refusals, by line and code."""

import json
from dataclasses import dataclass
from typing import Any

from palimpsest.contract.request import MOST_TARGETS
from service.rows import Kind

HEAD = ";Caption;URL;type;mean_sscd;max_sscd;Index\n"
"""The first line of the literature's lists."""
ROW = "0;a cat on a mat;https://example.org/cat.jpg;VM;0.83;0.84;1030727993\n"
FORMULAS = (
    "=1+1",
    "=cmd|' /C calc'!A0",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    '=HYPERLINK("http://10.0.0.1","x")',
    "%0A=1",
    "|x",
)
ROWS, UTF8, EMPTY, MANY, NONE, BROKEN_IMAGE = (
    "ROW_INVALID",
    "TEXT_NOT_UTF8",
    "TARGET_EMPTY",
    "TOO_MANY_TARGETS",
    "NO_TARGETS",
    "IMAGE_UNREADABLE",
)


@dataclass(frozen=True)
class Case:
    """``wrong`` has (path, code) of every refusal, in order; none where the list is taken, with ``prompts``."""

    content: bytes
    wrong: tuple[tuple[str, str], ...] = ()
    prompts: tuple[str | None, ...] = ()


def bad(content: str | bytes, *wrong: tuple[str, str]) -> Case:
    """A list that is refused."""
    return Case(content if isinstance(content, bytes) else content.encode(), wrong)


def good(content: str | bytes, *prompts: str | None) -> Case:
    """A list that is taken."""
    return Case(content if isinstance(content, bytes) else content.encode(), prompts=prompts)


def line(**values: Any) -> str:
    """A row of JSON Lines."""
    return json.dumps(values) + "\n"


def quoted(text: str) -> str:
    """A cell in quotes."""
    return '"' + text.replace('"', '""') + '"'


CSV: dict[str, dict[str, Case]] = {
    "layouts": {
        "the memorized list": good(HEAD + ROW, "a cat on a mat"),
        "the list of the others": good(";Caption;URL;Index\n0;a dog;https://example.org/d.jpg;396\n", "a dog"),
        "similarities that are not known": good(HEAD + "0;a;http://example.org/;TM;;;7\n", "a"),
        "captions alone": good("Caption\na\nb\n", "a", "b"),
        "our own names": good("id;prompt\ncat;a\ndog;b\n", "a", "b"),
        "commas": good("id,prompt\ncat,a;b\n", "a;b"),
        "another order and case": good("INDEX;caption\n1;a\n", "a"),
        "spaces round names": good(" id ; prompt \ncat;a\n", "a"),
        "a mark in front": good(b"\xef\xbb\xbf" + HEAD.encode() + ROW.encode(), "a cat on a mat"),
        "CRLF": good((HEAD + ROW).replace("\n", "\r\n"), "a cat on a mat"),
        "no end of the last line": good((HEAD + ROW).rstrip(), "a cat on a mat"),
        "blank lines": good("Caption\n\na\n\n\nb\n", "a", "b"),
        "a caption of two lines": good('Caption;Index\n"a\nb";1\nc;2\n', "a\nb", "c"),
        "quotes within quotes": good('Caption\n"""Watch: """"Lifted"""""""\n', '"Watch: ""Lifted"""'),
        "other scripts": good("Caption\nアヤワスカ | Scoop.it\nкот\n🐈\n", "アヤワスカ | Scoop.it", "кот", "🐈"),
        "lines of Unicode": good("Caption\na\u2028b\u0085c\n", "a\u2028b\u0085c"),
    },
    "formulas": {
        **{f"{formula!r} is a caption": good(f"Caption;Index\n{quoted(formula)};1\n", formula) for formula in FORMULAS},
        "a formula is no index": bad("Caption;Index\na;=1+1\n", ("line.2.index", ROWS)),
        "a formula is no id": bad("Caption;id\na;=1+1\n", ("line.2.id", ROWS)),
        "a formula is no similarity": bad("Caption;max_sscd\na;=1/2\n", ("line.2.max_sscd", ROWS)),
    },
    "encodings": {
        "Latin-1": bad(b"Caption\ncaf\xe9\nb\nna\xefve\n", ("line.2", UTF8), ("line.4", UTF8)),
        "UTF-16, little end first": bad("Caption\na\n".encode("utf-16"), ("line.1", UTF8)),
        "UTF-16, big end first": bad(b"\xfe\xff" + "Caption\na\n".encode("utf-16-be"), ("line.1", UTF8)),
        "UTF-16 without a mark": bad(
            "Caption\na\n".encode("utf-16-le"), ("line.1", ROWS), ("line.2", ROWS), ("line.3", ROWS)
        ),
        "UTF-32": bad("Caption\na\n".encode("utf-32"), ("line.1", UTF8)),
        "a longer way of writing": bad(b"Caption\n\xc0\xaf\n", ("line.2", UTF8)),
        "half of a pair": bad(b"Caption\n\xed\xa0\x80\n", ("line.2", UTF8)),
        "beyond Unicode": bad(b"Caption\n\xf5\x80\x80\x80\n", ("line.2", UTF8)),
        "cut within a character": bad(b"Caption\na\xe3\x82", ("line.2", UTF8)),
        "gzip": bad(b"\x1f\x8b\x08\x00\x00\x00", ("line.1", UTF8), ("line.1", ROWS)),
        "a NUL": bad("Caption\na\0b\n", ("line.2", ROWS)),
        "a mark in the middle": good("Caption\na\ufeffb\n", "a\ufeffb"),
        "an escape": bad("Caption\na\x1b[31m\n", ("line.2.caption", ROWS)),
        "a bell in a URL": bad("Caption;URL\na;http://example.org/\x07\n", ("line.2.url", ROWS)),
    },
    "shapes": {
        "nothing": bad("", ("line.1", ROWS)),
        "a line end": bad("\n", ("line.1", ROWS)),
        "names alone": bad(HEAD, ("", NONE)),
        "no names": bad("0;a cat;https://example.org/;1\n", ("line.1", ROWS)),
        "no caption": bad("id;URL\na;b\n", ("line.1", ROWS)),
        "caption and prompt": bad("caption;prompt\na;b\n", ("line.1", ROWS)),
        "a name twice": bad("Caption;caption\na;b\n", ("line.1", ROWS)),
        "a name that is not known": bad("Caption;SECRET\na;b\n", ("line.1", ROWS)),
        "cells too few and too many": bad(
            "Caption;Index\na;1\nSECRET\nb;2\nc;3;SECRET\n", ("line.3", ROWS), ("line.5", ROWS)
        ),
        "a quote that is not closed": bad('Caption;Index\na;1\n"b;2\nc;3\n', ("line.3", ROWS)),
        "a quote in the middle": good('Caption\na "b" c\n', 'a "b" c'),
        "something behind a quote": bad('Caption;Index\n"a"SECRET;1\nb;x\n', ("line.2", ROWS), ("line.3.index", ROWS)),
        "a return in the middle": bad("Caption\na\rb\n", ("line.2", ROWS)),
        "lines counted within quotes": bad('Caption;Index\n"a\n\n";1\nb;SECRET\n', ("line.5.index", ROWS)),
        "tabs in place of semicolons": bad("Caption\tIndex\na\t1\n", ("line.1", ROWS)),
        "no caption in a row": bad("Caption;Index\n;1\n  ;2\nc;3\n", ("line.2", EMPTY), ("line.3", EMPTY)),
        "JSON Lines": bad('{"caption": "a"}\n', ("line.1", ROWS)),
        "a page": bad("<!doctype html>\n<p>\n", ("line.1", ROWS)),
    },
    "values": {
        "an index twice": bad("Caption;Index\na;1\nb;1\n", ("line.3", ROWS)),
        "an id twice": bad("Caption;id\na;x\nb;y\nc;x\nd;x\n", ("line.4", ROWS), ("line.5", ROWS)),
        "an id that is another's place": bad("Caption;id\na;target-2\nb;\n", ("line.3", ROWS)),
        "an id with a slash": bad("Caption;id\na;../SECRET\n", ("line.2.id", ROWS)),
        "an index below 0": bad("Caption;Index\na;-1\n", ("line.2.index", ROWS)),
        "an index beyond 2⁶³": bad(f"Caption;Index\na;{2**63}\n", ("line.2.index", ROWS)),
        "an index of a thousand digits": bad(f"Caption;Index\na;{'9' * 1000}\n", ("line.2.index", ROWS)),
        "an index of ten thousand digits": bad(f"Caption;Index\na;{'9' * 10_000}\n", ("line.2.index", ROWS)),
        "an index with a comma": bad("Caption;Index\na;1,5\n", ("line.2.index", ROWS)),
        "NaN": bad("Caption;max_sscd\na;nan\n", ("line.2.max_sscd", ROWS)),
        "infinity": bad("Caption;max_sscd\na;1e999\n", ("line.2.max_sscd", ROWS)),
        "the longest caption": good(f"Caption\n{'x' * 10_000}\n", "x" * 10_000),
        "a caption that is longer": bad(f"Caption\n{'x' * 10_001}\n", ("line.2.caption", ROWS)),
        "a cell of 200 kB": bad(f"Caption\n{'x' * 200_000}\nb\n", ("line.2", ROWS)),
        "a URL of 5 kB": bad(f"Caption;URL\na;http://example.org/{'x' * 5000}\n", ("line.2.url", ROWS)),
        "URLs that nobody fetches": good(
            "Caption;URL\na;file:///etc/passwd\nb;http://169.254.169.254/latest/\nc;javascript:alert(1)\n",
            "a",
            "b",
            "c",
        ),
        "as many as a set has": good("Caption\n" + "x\n" * MOST_TARGETS, *["x"] * MOST_TARGETS),
        "one more": bad("Caption\n" + "x\n" * (MOST_TARGETS + 1), (f"line.{MOST_TARGETS + 2}", MANY)),
        "two hundred thousand lines": bad("Caption\n" + "x\n" * 200_000, ("line.100001", MANY)),
        "fifty wrong of two thousand": bad(
            "Caption;Index\n" + "a;x\n" * 2000, *((f"line.{n}.index", ROWS) for n in range(2, 52))
        ),
    },
}
JSONL: dict[str, dict[str, Case]] = {
    "layouts": {
        "the literature's": good(line(caption="a", index=396, url="https://example.org/a.jpg"), "a"),
        "a target of ours": good(
            line(id="cat", prompt="a", images=[], region={"x": 0, "y": 0, "width": 0.5, "height": 0.5}), "a"
        ),
        "both in one list": good(line(caption="a", index=1) + line(prompt="b"), "a", "b"),
        "null": good(line(caption="a", index=None, url=None), "a"),
        "a mark, CRLF and blank lines": good(b'\xef\xbb\xbf{"caption": "a"}\r\n\r\n \t\r\n{"caption": "b"}', "a", "b"),
        "escapes": good('{"caption": "\\u30a2\\ud83d\\udc08\\n"}\n', "ア🐈\n"),
        "a formula": good(line(caption="=1+1"), "=1+1"),
    },
    "encodings": {
        "Latin-1": bad(b'{"caption": "a"}\n{"caption": "caf\xe9"}\n', ("line.2", UTF8)),
        "UTF-16": bad('{"caption": "a"}\n'.encode("utf-16"), ("line.1", UTF8)),
        "an escaped NUL": bad('{"caption": "a\\u0000b"}\n', ("line.1.caption", ROWS)),
        "half of an escaped pair": bad('{"caption": "\\ud83d"}\n', ("line.1", ROWS)),
        "a NUL": bad('{"caption": "a\0"}\n', ("line.1", ROWS)),
        "a bare control character": bad('{"caption": "a\x01"}\n', ("line.1", ROWS)),
    },
    "shapes": {
        "nothing": bad("", ("", NONE)),
        "blank lines": bad("\n \n\n", ("", NONE)),
        "not JSON, twice": bad('{"caption": "a"}\nSECRET\n{"caption": \n', ("line.2", ROWS), ("line.3", ROWS)),
        "a list in place of lines": bad('[{"caption": "a"}]\n', ("line.1", ROWS)),
        "an object of several lines": bad('{\n"caption": "a"\n}\n', *((f"line.{n}", ROWS) for n in (1, 2, 3))),
        "a text, a number, null": bad('"a"\n1\nnull\n', *((f"line.{n}", ROWS) for n in (1, 2, 3))),
        "two objects in a line": bad('{"caption": "a"}{"caption": "b"}\n', ("line.1", ROWS)),
        "deep": bad("[" * 100_000 + "\n", ("line.1", ROWS)),
        "deep within a row": bad('{"images": ' + '[{"a":' * 50_000 + "\n", ("line.1", ROWS)),
        "CSV": bad(HEAD + ROW, ("line.1", ROWS), ("line.2", ROWS)),
    },
    "values": {
        "a field that there is not": bad(line(caption="a", SECRET=1), ("line.1.SECRET", ROWS)),
        "a field that is no name": bad(line(**{"caption": "a", "a secret with spaces": 1}), ("line.1.?", ROWS)),
        "caption and prompt": bad(line(caption="a", prompt="b"), ("line.1", ROWS)),
        "neither": bad(line(index=1) + line(caption=" "), ("line.1", EMPTY), ("line.2", EMPTY)),
        "a caption that is a number": bad(line(caption=1), ("line.1.caption", ROWS)),
        "a caption that is a list": bad(line(caption=["a"]), ("line.1.caption", ROWS)),
        "a caption that is too long": bad(line(caption="x" * 10_001), ("line.1.caption", ROWS)),
        "an index that is a truth": bad(line(caption="a", index=[]), ("line.1.index", ROWS)),
        "an index of half": bad(line(caption="a", index=0.5), ("line.1.index", ROWS)),
        "an index of thousands of digits": bad('{"caption": "a", "index": ' + "9" * 5000 + "}\n", ("line.1", ROWS)),
        "NaN": bad('{"caption": "a", "max_sscd": NaN}\n', ("line.1.max_sscd", ROWS)),
        "an id twice": bad(line(id="x", prompt="a") + line(id="x", prompt="b"), ("line.2", ROWS)),
        "an id that is an index": bad(line(id="7", prompt="a") + line(caption="b", index=7), ("line.2", ROWS)),
        "a region beyond": bad(
            line(prompt="a", region={"x": 1, "y": 0, "width": 2, "height": 1}),
            ("line.1.region.x", ROWS),
            ("line.1.region.width", ROWS),
        ),
        "images that are no list": bad(line(prompt="a", images="SECRET"), ("line.1.images", ROWS)),
        "seventeen images": bad(line(images=[{"digest": "0" * 64}] * 17), ("line.1.images", ROWS)),
        "an image by its URL": bad(
            line(images=[{"url": "http://10.0.0.1/"}]),
            ("line.1.images.0.media_type", ROWS),
            ("line.1.images.0.base64", ROWS),
            ("line.1.images.0.url", ROWS),
        ),
        "an image that is no base64": bad(
            line(images=[{"media_type": "image/png", "base64": "SECRET!"}]), ("line.1.images.0.base64", BROKEN_IMAGE)
        ),
        "an image of another type": bad(
            line(images=[{"media_type": "image/svg+xml", "base64": "eA=="}]),
            ("line.1.images.0.media_type", BROKEN_IMAGE),
        ),
        "an image that is none": bad(
            line(prompt="a") + line(images=[{"media_type": "image/png", "base64": "eA=="}]),
            ("line.2.images.0", BROKEN_IMAGE),
        ),
        "an image that was never sent": bad(
            line(prompt="a", images=[{"digest": "0" * 64}]), ("line.1.images.0.digest", "UNKNOWN_IMAGE")
        ),
        "a digest that is none": bad(line(images=[{"digest": "SECRET"}]), ("line.1.images.0.digest", ROWS)),
        "one more than a set has": bad(line(caption="x") * (MOST_TARGETS + 1), (f"line.{MOST_TARGETS + 1}", MANY)),
    },
}
EVERY: dict[Kind, dict[str, dict[str, Case]]] = {"csv": CSV, "jsonl": JSONL}
COUNTS = {
    "csv": {"layouts": 16, "formulas": 12, "encodings": 14, "shapes": 18, "values": 20},
    "jsonl": {"layouts": 7, "encodings": 6, "shapes": 10, "values": 23},
}
"""How many there are of each kind, so that none goes missing."""
