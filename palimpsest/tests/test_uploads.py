"""Pictures and lists of targets sent by both clients and by the command line, over real HTTP."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from palimpsest.client import AsyncAuditClient, AuditClient
from palimpsest.commands import app
from palimpsest.contract.problems import Code, FieldProblem
from palimpsest.contract.uploads import ImageStatus, UploadedImage, UploadedImageList, UploadedSet, UploadedSetList
from palimpsest.tests.example import a_problem
from palimpsest.tests.gateway import Gateway, Said, saying
from palimpsest.uploads import form

AT = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
LONG = "tset_" + "2" * 26


def an_image(digit: str) -> UploadedImage:
    """One that was a JPEG."""
    return UploadedImage(digest=digit * 64, sha256_uploaded="f" * 64, media_type="image/jpeg", width=3, height=2)


TWO = UploadedImageList(data=[an_image("a"), an_image("b")])
THERE = ImageStatus(**an_image("a").model_dump(), created_at=AT, used_at=AT)
KEPT = UploadedSet(id=LONG, title="suspects " * 9, digest="d" * 64, count=500, images=2, created_at=AT)
LISTED = UploadedSetList(data=[KEPT], next_cursor="further")


def blocking(gateway: Gateway, act: Callable[[Any], Any]) -> Any:
    """What the blocking client makes of it."""
    with AuditClient(gateway.url) as client:
        return act(client)


def awaiting(gateway: Gateway, act: Callable[[Any], Any]) -> Any:
    """What the awaiting client makes of it."""

    async def acted() -> Any:
        async with AsyncAuditClient(gateway.url) as client:
            return await act(client)

    return asyncio.run(acted())


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Two files, whose bytes are nobody's business but the service's; one's name would break a header."""
    files = [tmp_path / "one.png", tmp_path / 'two"; name="x.jpg']
    for place, file in enumerate(files):
        file.write_bytes(b"\r\n--picture %d" % place)
    return files


@pytest.mark.parametrize("acting", [blocking, awaiting])
def test_both_clients_send_look_up_and_delete(
    gateway: Gateway, acting: Callable[..., Any], pictures: list[Path], tmp_path: Path
) -> None:
    """Every call of the two, and the answer of each as a message of the contract."""
    image, one_set = f"/v1/images/{'a' * 64}", f"/v1/target-sets/{LONG}"
    for line, answer in {
        "POST /v1/images": TWO,
        f"GET {image}": THERE,
        f"DELETE {image}": THERE,
        "POST /v1/target-sets?title=mine": KEPT,
        "GET /v1/target-sets?limit=1": LISTED,
        f"GET {one_set}": KEPT,
        f"DELETE {one_set}": KEPT,
    }.items():
        gateway.will_say(line, saying(answer))
    rows = tmp_path / "rows.CSV"
    rows.write_bytes(b"Caption\na\n")
    assert acting(gateway, lambda client: client.images.upload(*pictures)) == TWO
    assert acting(gateway, lambda client: client.images.get("a" * 64)) == THERE
    assert acting(gateway, lambda client: client.images.delete("a" * 64)) == THERE
    assert acting(gateway, lambda client: client.target_sets.upload(rows, title="mine")) == KEPT
    assert acting(gateway, lambda client: client.target_sets.list(limit=1)) == LISTED
    assert acting(gateway, lambda client: client.target_sets.get(LONG)) == KEPT
    assert acting(gateway, lambda client: client.target_sets.delete(LONG)) == KEPT
    assert gateway.heard[3].headers["content-type"] == "text/csv"
    assert gateway.heard[3].body == b"Caption\na\n"


@pytest.mark.parametrize("acting", [blocking, awaiting])
def test_an_upload_is_repeated(gateway: Gateway, acting: Callable[..., Any], pictures: list[Path]) -> None:
    """For equal files are one upload: the second try carries the same bytes."""
    gateway.will_say("POST /v1/images", Said(503, headers={"retry-after": "0"}), saying(TWO, 201))
    assert acting(gateway, lambda client: client.images.upload(*pictures)) == TWO
    first, second = gateway.heard
    assert first.body == second.body


def test_a_form_is_a_form() -> None:
    """By hand: two files between three boundaries, each as it is, whatever is in it."""
    content_type, body = form([b"one", b"--two\r\n"])
    boundary = content_type.removeprefix("multipart/form-data; boundary=").encode()
    head = b'Content-Disposition: form-data; name="file"; filename="file"'
    between = b"--" + boundary
    assert body.split(between) == [
        b"",
        b"\r\n%b\r\n\r\none\r\n" % head,
        b"\r\n%b\r\n\r\n--two\r\n\r\n" % head,
        b"--\r\n",
    ]


def invoke(gateway: Gateway, *arguments: str) -> Result:
    """The command line, told by its environment where the service is."""
    return CliRunner().invoke(app, list(arguments), env={"PALIMPSEST_URL": gateway.url})


def test_images_are_told_as_sha256sum_tells_files(gateway: Gateway, pictures: list[Path]) -> None:
    """Digest, two spaces, file; and the file's name is not sent."""
    gateway.will_say("POST /v1/images", saying(TWO, 201))
    result = invoke(gateway, "images", "upload", *map(str, pictures))
    assert result.exit_code == 0
    assert result.stdout == f"{'a' * 64}  {pictures[0]}\n{'b' * 64}  {pictures[1]}\n"
    assert b"one.png" not in gateway.heard[0].body


def test_a_sets_id_goes_to_stdout(gateway: Gateway, tmp_path: Path) -> None:
    """Alone, for a shell to keep; how many there are goes to stderr."""
    gateway.will_say("POST /v1/target-sets", saying(KEPT, 201))
    file = tmp_path / "rows.jsonl"
    file.write_text('{"caption": "a"}\n')
    result = invoke(gateway, "targets", "upload", str(file))
    assert (result.exit_code, result.stdout) == (0, f"{LONG}\n")
    assert "500 targets, 2 pictures" in result.stderr
    assert gateway.heard[0].headers["content-type"] == "application/x-ndjson"


def test_broken_rows_are_complained_of_by_line(gateway: Gateway, tmp_path: Path) -> None:
    """Exit 4, and every line that the service names."""
    wrong = [FieldProblem(field=f"line.{n}", code=Code.ROW_INVALID, detail="2 cells") for n in (3, 9)]
    problem = a_problem(422, Code.ROW_INVALID).model_copy(update={"errors": wrong})
    gateway.will_say("POST /v1/target-sets", saying(problem, 422))
    file = tmp_path / "rows.csv"
    file.write_text("Caption\n")
    result = invoke(gateway, "targets", "upload", str(file))
    assert result.exit_code == 4
    assert [line for line in result.stderr.splitlines() if "line." in line] == [
        "  line.3: ROW_INVALID: 2 cells",
        "  line.9: ROW_INVALID: 2 cells",
    ]


@pytest.mark.parametrize(
    "words", [["targets", "upload", "nothing.csv"], ["images", "upload"], ["targets", "upload", "."]]
)
def test_what_is_no_file_is_not_sent(gateway: Gateway, words: list[str]) -> None:
    """Exit 4, and the service hears nothing."""
    assert invoke(gateway, *words).exit_code == 4
    assert gateway.heard == []


def test_a_list_says_what_it_is_by_its_ending(gateway: Gateway, tmp_path: Path) -> None:
    """A table of another kind is not sent."""
    file = tmp_path / "rows.xlsx"
    file.write_bytes(b"PK")
    assert invoke(gateway, "targets", "upload", str(file)).exit_code == 4
    assert gateway.heard == []


def test_sets_are_listed_with_whole_ids(gateway: Gateway) -> None:
    """However long the title is; and where the next page begins."""
    gateway.will_say("GET /v1/target-sets", saying(LISTED))
    result = invoke(gateway, "targets", "list")
    [line] = [line for line in result.stdout.splitlines() if line.startswith("tset_")]
    assert line.split()[:3] == [LONG, "500", "2"]
    assert "--cursor further" in result.stderr
