"""Lists of targets over HTTP: whole or not at all, every broken line named, and audits that take their rows over."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from palimpsest.contract.uploads import UploadedSet, UploadedSetList
from service.rows import Kind
from service.tests.conftest import Bench
from service.tests.hostile_lists import COUNTS, EVERY, HEAD, ROW, line
from service.tests.keyed import a_key, ask, codes
from service.tests.routes.test_images import left, sent
from service.tests.routes.test_keys import recorded

MEDIA_TYPES: dict[Kind, str] = {"csv": "text/csv", "jsonl": "application/x-ndjson"}
SETS = "/v1/target-sets"
Asked = Callable[..., dict[str, Any]]


def post(bench: Bench, content: str | bytes, kind: Kind = "jsonl", query: str = "", **headers: str) -> Any:
    """POST /v1/target-sets."""
    return bench.client.post(f"{SETS}{query}", content=content, headers={"Content-Type": MEDIA_TYPES[kind], **headers})


def kept(bench: Bench, content: str | bytes, kind: Kind = "jsonl") -> UploadedSet:
    """A set that is taken."""
    answer = post(bench, content, kind)
    assert answer.status_code == 201, answer.text
    return UploadedSet.model_validate(answer.json())


def rows(bench: Bench, digest: str) -> list[dict[str, Any]]:
    """What was kept of a set."""
    return [json.loads(row) for row in bench.evidence.get("local", digest).splitlines()]


def everything(bench: Bench) -> tuple[Any, ...]:
    """Rows and blobs of what was sent."""
    return bench.count("target_sets"), bench.count("target_set_images"), left(bench)


def test_no_case_went_missing() -> None:
    """So many of each kind."""
    assert {of: {kind: len(cases) for kind, cases in kinds.items()} for of, kinds in EVERY.items()} == COUNTS
    assert sum(sum(kinds.values()) for kinds in COUNTS.values()) == 126


@pytest.mark.parametrize(("of", "kind"), [(of, kind) for of, kinds in EVERY.items() for kind in kinds])
def test_what_becomes_of_it(bench: Bench, of: Kind, kind: str) -> None:
    """Every broken line is named by its number and code, no value repeated, nothing is left; or all of it is kept."""
    for name, case in EVERY[of][kind].items():
        before, answer = everything(bench), post(bench, case.content, of)
        if case.wrong:
            found = tuple((error["field"], error["code"]) for error in answer.json()["errors"])
            assert (name, answer.status_code, found) == (name, 422, case.wrong)
            assert answer.json()["code"] == case.wrong[0][1]
            assert everything(bench) == before
            assert "SECRET" not in answer.text.replace("line.1.SECRET", "")
        else:
            assert answer.status_code in (200, 201), (name, answer.text)
            told = UploadedSet.model_validate(answer.json())
            prompts = [row.get("prompt") for row in rows(bench, told.digest)]
            assert (name, told.count, prompts) == (name, len(case.prompts), list(case.prompts))


def test_the_literatures_rows_are_kept_as_they_are(bench: Bench) -> None:
    """Text, URL, index and similarities; the count without a name is not."""
    told = kept(bench, HEAD + ROW, "csv")
    [row] = rows(bench, told.digest)
    assert row == {
        "prompt": "a cat on a mat",
        "url": "https://example.org/cat.jpg",
        "type": "VM",
        "mean_sscd": 0.83,
        "max_sscd": 0.84,
        "index": 1030727993,
        "images": [],
    }
    assert (told.count, told.images, told.title) == (1, 0, "")


def test_a_problem_names_fifty_and_counts_them_all(bench: Bench) -> None:
    """Of 60 broken rows; reading ends at a thousand."""
    sixty, all_of_them = (post(bench, "Caption;Index\n" + "a;x\n" * n, "csv").json() for n in (60, 5000))
    assert (len(sixty["errors"]), "(and 59 more)" in sixty["detail"]) == (50, True)
    assert (len(all_of_them["errors"]), "(and 999 more)" in all_of_them["detail"]) == (50, True)


def test_equal_rows_are_one_set(bench: Bench) -> None:
    """Sent again, in another form or under another title: 200 and the set that is there."""
    first = kept(bench, HEAD + ROW, "csv")
    again = post(bench, (HEAD + ROW).replace("\n", "\r\n"), "csv", "?title=another")
    assert (again.status_code, UploadedSet.model_validate(again.json())) == (200, first)
    assert again.headers["Location"] == f"{SETS}/{first.id}"
    assert bench.count("target_sets") == 1


def test_a_set_comes_as_a_file_of_a_form(bench: Bench) -> None:
    """By its media type, or by its ending where it has none; the title is a part of the form."""
    for name, media_type in (("rows.csv", "text/csv"), ("rows.CSV", "application/octet-stream"), ("x", "text/csv")):
        file = {"file": (name, f"Caption\n{name}{media_type}\n", media_type)}
        answer = bench.client.post(SETS, files=file, data={"title": "=a title"})
        assert (answer.status_code, answer.json()["title"]) == (201, "=a title")


UNSUPPORTED: dict[str, dict[str, Any]] = {
    "nothing said": {"content": b"Caption\na\n"},
    "JSON": {"json": []},
    "a page": {"content": b"Caption\na\n", "headers": {"Content-Type": "text/html"}},
    "another charset": {"content": b"Caption\na\n", "headers": {"Content-Type": "text/csv; charset=latin-1"}},
    "a workbook": {"files": {"file": ("rows.xlsx", b"PK", "application/octet-stream")}},
    "a picture": {"files": {"file": ("rows.csv", b"x", "image/png")}},
}


@pytest.mark.parametrize("sent_as", UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_another_kind_of_body_is_not_read(bench: Bench, sent_as: dict[str, Any]) -> None:
    """415."""
    assert codes([bench.client.post(SETS, **sent_as)]) == [(415, "MEDIA_TYPE_UNSUPPORTED")]


def test_a_form_has_one_file_and_a_title(bench: Bench) -> None:
    """Two files, another part, a title of control characters or none too short: refused as malformed."""
    file = ("file", ("rows.csv", b"Caption\na\n", "text/csv"))
    answers = [
        bench.client.post(SETS, files=[file, file]),
        bench.client.post(SETS, files=[file], data={"SECRET": "x"}),
        bench.client.post(SETS, files=[file], data={"title": "a\0b"}),
        bench.client.post(SETS, files=[file], data={"title": "x" * 201}),
        post(bench, "Caption\na\n", "csv", "?title=" + "x" * 201),
    ]
    assert codes(answers) == [(422, "MALFORMED_REQUEST")] * 5
    assert not any("SECRET" in answer.text for answer in answers)
    assert everything(bench) == (0, 0, (0, []))


def test_a_body_is_bounded(bench: Bench) -> None:
    """413 for one that says so and for one that does not."""
    much = b"Caption\n" + b"x\n" * 2**19
    answers = [
        post(bench, much, "csv"),
        bench.client.post(SETS, content=iter([much]), headers={"Content-Type": "text/csv"}),
    ]
    assert codes(answers) == [(413, "BODY_TOO_LARGE")] * 2


def test_pictures_come_within_rows_or_ahead_of_them(
    bench: Bench, inline: Callable[..., Any], picture: Callable[..., bytes]
) -> None:
    """Both are uploaded pictures from then on, which a set keeps until it is deleted."""
    ahead = sent(bench, picture(color="blue"))
    within = inline(picture("JPEG"), "image/jpeg")
    told = kept(bench, line(id="cat", prompt="a", images=[within, {"digest": ahead.digest}]) + line(images=[within]))
    first, second = ([image["digest"] for image in row["images"]] for row in rows(bench, told.digest))
    assert (told.count, told.images, first[1], second) == (2, 2, ahead.digest, [first[0]])
    for digest in first:
        assert bench.client.get(f"/v1/images/{digest}").status_code == 200
        assert codes([bench.client.delete(f"/v1/images/{digest}")]) == [(409, "IMAGE_IN_USE")]
    assert bench.client.delete(f"{SETS}/{told.id}").status_code == 200
    assert [bench.client.delete(f"/v1/images/{digest}").status_code for digest in first] == [200, 200]


def test_an_audit_takes_the_rows_over(bench: Bench, inline: Callable[..., Any], asked: Callable[..., Any]) -> None:
    """Targets and controls are recorded as if they had been listed, with where they came from, whatever is deleted."""
    targets = kept(bench, line(id="cat", prompt="a", images=[inline()]) + line(caption="b", index=7, images=[inline()]))
    controls = kept(bench, line(prompt="c", images=[inline()]))
    asks = asked(targets=None, target_set=targets.id, control_set=controls.id)
    checked = bench.post(asks, query="?validate_only=true").json()
    assert (checked["targets"], checked["controls"]) == (2, 1)
    audit_id = bench.submitted(asks)
    assert bench.client.delete(f"{SETS}/{targets.id}").status_code == 200
    with bench.ledger.reading() as connection:
        found = connection.exec_driver_sql("SELECT request FROM audits").scalar_one()
        held = connection.exec_driver_sql("SELECT audit_id FROM evidence").scalars().all()
    request = json.loads(found)
    assert [(row["id"], row["prompt"]) for row in request["targets"]] == [("cat", "a"), ("7", "b")]
    assert [(row["id"], row["prompt"]) for row in request["controls"]] == [("target-1", "c")]
    assert (request["target_set"], request["control_set"], held) == (None, None, [audit_id])
    assert request["sets"]["targets"] == {"id": targets.id, "digest": targets.digest, "count": 2}


def test_listed_or_named_is_the_same_request(
    bench: Bench, picture: Callable[..., bytes], asked: Callable[..., Any]
) -> None:
    """An equal request, for which one answer is reused: which set it was is not part of what is asked."""
    target = {"id": "cat", "prompt": "a", "images": [{"digest": sent(bench, picture()).digest}]}
    named = kept(bench, line(**target))
    bench.submitted(asked(targets=[target]))
    bench.submitted(asked(targets=None, target_set=named.id), key="key-0000-0000-0002")
    with bench.ledger.reading() as connection:
        assert len(set(connection.exec_driver_sql("SELECT request_digest FROM audits").scalars())) == 1


def test_rows_that_cannot_be_audited_are_refused_by_the_sets_name(
    bench: Bench, inline: Callable[..., Any], asked: Callable[..., Any]
) -> None:
    """A caption alone, and a region beyond its image: as in a list, under the field that was given."""
    region = {"x": 0.75, "y": 0, "width": 0.5, "height": 0.5}
    told = kept(bench, line(prompt="a", images=[inline()]) + line(prompt="b") + line(images=[inline()], region=region))
    answer = bench.post(asked(targets=None, target_set=told.id)).json()
    assert {error["field"] for error in answer["errors"]} == {"target_set.1.images", "target_set.2.region"}
    assert bench.count() == 0


def test_the_literatures_captions_are_audited_where_a_detector_is_asked_for(bench: Bench, asked: Asked) -> None:
    """They have no images: a detector says whether there is anything to look for."""
    told = kept(bench, HEAD + ROW, "csv")
    assert codes([bench.post(asked(targets=None, target_set=told.id))]) == [(422, "TARGET_WITHOUT_IMAGE")]
    bench.submitted(asked(targets=None, target_set=told.id, detectors=[{"kind": "magnitude"}]))


@pytest.mark.parametrize("named", ["tset_" + "0" * 26, "tset_1", "bundled:nothing"])
def test_a_set_that_is_not_there_is_unknown(bench: Bench, asked: Callable[..., Any], named: str) -> None:
    """Whatever it looks like; the sets that came with a model are named as ever."""
    assert codes([bench.post(asked(targets=None, target_set=named))]) == [(422, "UNKNOWN_TARGET_SET")]
    bench.submitted(asked(targets=None, target_set="bundled:targets"))


def test_sets_are_listed_newest_first(bench: Bench) -> None:
    """Page by page, each once; one alone by its id, and 404 once it is deleted, which the log of accesses tells."""
    told = [kept(bench, line(caption=f"caption {n}")) for n in range(3)]
    first = UploadedSetList.model_validate(bench.client.get(f"{SETS}?limit=2").json())
    rest = UploadedSetList.model_validate(bench.client.get(f"{SETS}?limit=2&cursor={first.next_cursor}").json())
    assert (first.data + rest.data, rest.next_cursor) == (told[::-1], None)
    assert UploadedSet.model_validate(bench.client.get(f"{SETS}/{told[0].id}").json()) == told[0]
    assert bench.client.delete(f"{SETS}/{told[0].id}").status_code == 200
    gone = [bench.client.request(method, f"{SETS}/{told[0].id}") for method in ("GET", "DELETE")]
    assert codes([*gone, bench.client.get(f"{SETS}/nothing")]) == [(404, "TARGET_SET_NOT_FOUND")] * 3
    assert codes([bench.client.get(f"{SETS}?cursor=SECRET")]) == [(422, "MALFORMED_REQUEST")]
    assert recorded(bench) == [("keyless", "target_set.deleted", told[0].id)]


def test_another_tenants_set_is_not_there(
    bench: Bench, picture: Callable[..., bytes], asked: Callable[..., Any]
) -> None:
    """It cannot be named, nor can a picture of theirs in a row; equal rows of two tenants are two sets."""
    mine, theirs = a_key(bench), a_key(bench, tenant="other")
    parts = [("file", ("a.png", picture(), "image/png"))]
    digest = ask(bench, mine, "/v1/images", "POST", files=parts).json()["data"][0]["digest"]
    kind = {"Content-Type": MEDIA_TYPES["jsonl"]}
    content = line(prompt="a", images=[{"digest": digest}])
    first = ask(bench, mine, SETS, "POST", content=content, headers=kind).json()["id"]
    asks, key = asked(targets=None, target_set=first), {"Idempotency-Key": "key-0000-0000-0001"}
    refusals = [
        ask(bench, theirs, SETS, "POST", content=content, headers=kind),
        ask(bench, theirs, "/v1/audits", "POST", json=asks, headers=key),
    ]
    assert codes(refusals) == [(422, "UNKNOWN_IMAGE"), (422, "UNKNOWN_TARGET_SET")]
    assert ask(bench, theirs, "/v1/images", "POST", files=parts).status_code == 201
    second = ask(bench, theirs, SETS, "POST", content=content, headers=kind)
    assert (second.status_code, second.json()["id"] == first) == (201, False)


def test_a_store_that_does_not_take_it_refuses(bench: Bench) -> None:
    """503, and no row."""
    bench.evidence.root.write_text("in the way")
    assert codes([post(bench, line(caption="a"))]) == [(503, "LEDGER_UNAVAILABLE")]
    assert bench.count("target_sets") == 0
