"""Pictures over HTTP: what is kept is pixels and nothing else, what is refused leaves nothing, and nothing crashes."""

import hashlib
import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ledger.holdings import INPUT
from palimpsest.contract.uploads import MOST_FILES, ImageStatus, UploadedImage
from service.app import create_app
from service.settings import Settings
from service.tests.conftest import Bench, on_this_machine
from service.tests.hostile_images import CASES, COUNTS, PNG, Case
from service.tests.keyed import a_key, ask, codes
from service.tests.routes.test_keys import recorded

Picture = Callable[..., bytes]


def send(bench: Bench, *files: tuple[bytes, str], **more: Any) -> Any:
    """POST /v1/images of (content, media type) each."""
    parts = [("file", ("name.png", content, media_type)) for content, media_type in files]
    return bench.client.post("/v1/images", files=parts, **more)


def sent(bench: Bench, content: bytes, media_type: str = PNG) -> UploadedImage:
    """One that is kept."""
    answer = send(bench, (content, media_type))
    assert answer.status_code == 201, answer.text
    return UploadedImage.model_validate(answer.json()["data"][0])


def left(bench: Bench) -> tuple[int, list[Path]]:
    """Rows and blobs of pictures."""
    return bench.count("images"), [path for path in bench.evidence.root.rglob("*") if path.is_file()]


def test_no_case_went_missing() -> None:
    """So many of each kind."""
    assert {kind: len(cases) for kind, cases in CASES.items()} == COUNTS
    assert sum(COUNTS.values()) == 99


@pytest.mark.parametrize("kind", CASES)
def test_what_becomes_of_it(bench: Bench, picture: Picture, kind: str) -> None:
    """Refused with its code, and nothing is left; or kept as a PNG of its size and colours that holds nothing else.

    And a picture like any other is still taken afterwards.
    """
    for name, case in CASES[kind].items():
        before, content = left(bench), case.make()
        answer = send(bench, (content, case.media_type))
        if case.code is None:
            assert answer.status_code == 201, (name, answer.text)
            [told] = answer.json()["data"]
            assert told["sha256_uploaded"] == hashlib.sha256(content).hexdigest()
            looks_like(case, name, bench.evidence.get("local", told["digest"]), (told["width"], told["height"]))
        else:
            assert (name, codes([answer])) == (name, [(422, case.code)])
            assert [error["field"] for error in answer.json()["errors"]] == ["file.0"]
            assert left(bench) == before
    sent(bench, picture(color="green"))


def looks_like(case: Case, name: str, kept: bytes, told: tuple[int, int]) -> None:
    """The file that was kept is a plain PNG, and shows what it is to show."""
    assert b"payload" not in kept
    with Image.open(BytesIO(kept), formats=("PNG",)) as image:
        assert (name, image.mode, image.size, image.info) == (name, "RGB", case.size, {})
        assert told == image.size
        for place, wanted in case.pixels:
            found = image.getpixel(place)
            assert isinstance(found, tuple)
            assert all(abs(a - b) <= case.off for a, b in zip(found, wanted, strict=True)), (name, place, found)


def test_several_are_told_in_their_order(bench: Bench, picture: Picture) -> None:
    """With the media types they came as; both digests of each."""
    files = [
        (picture("JPEG"), "image/jpeg"),
        (picture("WEBP", color="blue", lossless=True), "image/webp"),
        (picture(), PNG),
    ]
    data = send(bench, *files).json()["data"]
    assert [one["media_type"] for one in data] == [media_type for _, media_type in files]
    assert [one["sha256_uploaded"] for one in data] == [hashlib.sha256(content).hexdigest() for content, _ in files]
    assert [hashlib.sha256(bench.evidence.get("local", one["digest"])).hexdigest() for one in data] == [
        one["digest"] for one in data
    ]


def test_all_of_a_request_or_none(bench: Bench, picture: Picture) -> None:
    """Every file at fault is named by its place, and the good ones between are not kept."""
    answer = send(bench, (b"x", PNG), (picture(), PNG), (b"<svg/>", "image/svg+xml"))
    assert [error["field"] for error in answer.json()["errors"]] == ["file.0", "file.2"]
    assert left(bench) == (0, [])


def test_the_same_picture_is_one(bench: Bench, picture: Picture) -> None:
    """Sent twice, or as another file of the same pixels: one row, one blob; told are the digests of the last file."""
    first = sent(bench, picture())
    assert sent(bench, picture()) == first
    other = sent(bench, picture("WEBP", lossless=True), "image/webp")
    assert (other.digest, other.media_type) == (first.digest, "image/webp")
    assert other.sha256_uploaded != first.sha256_uploaded
    rows, blobs = left(bench)
    assert (rows, [blob.name for blob in blobs]) == (1, [first.digest])
    assert bench.client.get(f"/v1/images/{first.digest}").json()["sha256_uploaded"] == other.sha256_uploaded


def test_a_request_has_so_many_pixels(bench: Bench, picture: Picture, tmp_path: Path) -> None:
    """8 · 8 = 64 a picture: of 130 allowed two are taken, a third is one too many."""
    few = Settings(home=tmp_path, pixel_limit=130)
    app = create_app(few, ledger=bench.ledger, evidence=bench.evidence, dispatch=bench.dispatch)
    with on_this_machine(app) as client:
        parts = [("file", ("a.png", picture(), PNG))] * 3
        assert client.post("/v1/images", files=parts[:2]).status_code == 201
        answer = client.post("/v1/images", files=parts)
    assert codes([answer]) == [(422, "TOO_MANY_PIXELS")]
    assert answer.json()["errors"][0]["field"] == "file.2"


def test_a_body_is_bounded(bench: Bench, picture: Picture) -> None:
    """413 for one that says so and for one that does not; a form of too many files is 422. Nothing is kept."""
    much = b"x" * (2**20 + 1)
    declared = send(bench, (much, PNG))
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    streamed = bench.client.post("/v1/images", content=iter([head, much, b"\r\n--b--\r\n"]), headers=kind)
    many = send(bench, *[(picture(), PNG)] * (MOST_FILES + 1))
    assert codes([declared, streamed, many]) == [
        (413, "BODY_TOO_LARGE"),
        (413, "BODY_TOO_LARGE"),
        (422, "MALFORMED_REQUEST"),
    ]
    assert left(bench) == (0, [])


PART = b'Content-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
FORMS: dict[str, tuple[str, bytes, tuple[int, str]]] = {
    "no form": ("image/png", b"x", (415, "MEDIA_TYPE_UNSUPPORTED")),
    "JSON": ("application/json", b"{}", (415, "MEDIA_TYPE_UNSUPPORTED")),
    "another form": ("application/x-www-form-urlencoded", b"file=x", (415, "MEDIA_TYPE_UNSUPPORTED")),
    "no boundary": ("multipart/form-data", b"--b--", (422, "MALFORMED_REQUEST")),
    "an empty boundary": ("multipart/form-data; boundary=", b"--b--", (422, "MALFORMED_REQUEST")),
    "a long boundary": (f"multipart/form-data; boundary={'b' * 5000}", b"--b--", (422, "MALFORMED_REQUEST")),
    "nothing": ("multipart/form-data; boundary=b", b"", (422, "MALFORMED_REQUEST")),
    "noise": ("multipart/form-data; boundary=b", bytes(range(256)) * 9, (422, "MALFORMED_REQUEST")),
    "no end": ("multipart/form-data; boundary=b", b"--b\r\n" + PART + b"x", (422, "MALFORMED_REQUEST")),
    "no file": ("multipart/form-data; boundary=b", b"--b--\r\n", (422, "MALFORMED_REQUEST")),
    "no name": (
        "multipart/form-data; boundary=b",
        b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n",
        (422, "MALFORMED_REQUEST"),
    ),
    "another name": (
        "multipart/form-data; boundary=b",
        b"--b\r\n" + PART.replace(b'"file"', b'"SECRET"') + b"x\r\n--b--\r\n",
        (422, "MALFORMED_REQUEST"),
    ),
    "a text": (
        "multipart/form-data; boundary=b",
        b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nSECRET\r\n--b--\r\n',
        (422, "MALFORMED_REQUEST"),
    ),
    "a text without an end": (
        "multipart/form-data; boundary=b",
        b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + b"x" * 2**16 + b"\r\n--b--\r\n",
        (422, "MALFORMED_REQUEST"),
    ),
    "many texts": (
        "multipart/form-data; boundary=b",
        b'--b\r\nContent-Disposition: form-data; name="t"\r\n\r\nx\r\n' * 99 + b"--b--\r\n",
        (422, "MALFORMED_REQUEST"),
    ),
    "a header of 64 kB": (
        "multipart/form-data; boundary=b",
        b"--b\r\nX: " + b"x" * 2**16 + b"\r\n" + PART + b"x\r\n--b--\r\n",
        (422, "MALFORMED_REQUEST"),
    ),
    "a charset that is none": (
        "multipart/form-data; boundary=b; charset=klingon",
        b"--b\r\n" + PART + b"x\r\n--b--\r\n",
        (422, "IMAGE_UNREADABLE"),
    ),
    "a name that climbs": (
        "multipart/form-data; boundary=b",
        b"--b\r\n" + PART.replace(b'"a"', b'"../../../etc/SECRET\\0.png"') + b"x\r\n--b--\r\n",
        (422, "IMAGE_UNREADABLE"),
    ),
}


def test_what_is_no_form_of_files_is_refused(bench: Bench) -> None:
    """With its code; what was in it is not repeated, and nothing is kept."""
    for name, (content_type, body, wanted) in FORMS.items():
        answer = bench.client.post("/v1/images", content=body, headers={"Content-Type": content_type})
        assert (name, codes([answer])) == (name, [wanted])
        assert "SECRET" not in answer.text
    assert left(bench) == (0, [])


def test_who_may_not_is_refused_before_the_body_is_read(bench: Bench) -> None:
    """A stranger's form is not spooled to the disk first: the refusal of who asks comes before that of what is sent."""
    reader = a_key(bench, "audits:read")
    answers = [ask(bench, key, "/v1/images", "POST", content=b"no form") for key in (None, reader)]
    assert codes(answers) == [(401, "API_KEY_MISSING"), (403, "SCOPE_MISSING")]


def test_an_audit_names_what_was_sent(bench: Bench, picture: Picture, asked: Callable[..., Any]) -> None:
    """The ledger has it as it has an image that came inside, and holds the blob for the audit."""
    digest = sent(bench, picture()).digest
    audit_id = bench.submitted(asked(targets=[{"prompt": "a", "images": [{"digest": digest}]}]))
    with bench.ledger.reading() as connection:
        request = json.loads(connection.exec_driver_sql("SELECT request FROM audits").scalar_one())
        held = connection.exec_driver_sql("SELECT audit_id, kind, digest FROM evidence").all()
    assert request["targets"][0]["images"] == [{"media_type": PNG, "sha256": digest}]
    assert [tuple(row) for row in held] == [(audit_id, INPUT, digest)]


def test_named_or_inside_is_the_same_request(
    bench: Bench, picture: Picture, asked: Callable[..., Any], inline: Any
) -> None:
    """A PNG as this service makes them: an equal request, for which one answer is reused."""
    digest = sent(bench, picture()).digest
    inside = inline(bench.evidence.get("local", digest))
    for place, image in enumerate(({"digest": digest}, inside)):
        bench.submitted(asked(targets=[{"prompt": "a", "images": [image]}]), key=f"key-0000-0000-000{place}")
    with bench.ledger.reading() as connection:
        digests = connection.exec_driver_sql("SELECT request_digest FROM audits").scalars().all()
    assert (len(digests), len(set(digests))) == (2, 1)


@pytest.mark.parametrize("query", ["", "?validate_only=true"])
def test_what_was_not_sent_cannot_be_named(bench: Bench, asked: Callable[..., Any], inline: Any, query: str) -> None:
    """Each by its path; nothing is recorded, nor is the good picture beside it kept."""
    images = [inline(), {"digest": "0" * 64}]
    answer = bench.post(asked(targets=[{"prompt": "a", "images": images}]), query=query)
    assert codes([answer]) == [(422, "UNKNOWN_IMAGE")]
    assert [error["field"] for error in answer.json()["errors"]] == ["targets.0.images.1"]
    assert (bench.count(), left(bench)) == (0, (0, []))


@pytest.mark.parametrize(
    ("image", "code", "field"),
    [
        ({"digest": "SECRET"}, "MALFORMED_REQUEST", "targets.0.images.0.digest"),
        ({"digest": "a" * 64, "media_type": PNG}, "MALFORMED_REQUEST", "targets.0.images.0.media_type"),
        ({"digest": 1}, "MALFORMED_REQUEST", "targets.0.images.0.digest"),
        ({"media_type": PNG}, "MALFORMED_REQUEST", "targets.0.images.0.base64"),
        ({"media_type": "SECRET", "base64": "eA=="}, "IMAGE_UNREADABLE", "targets.0.images.0.media_type"),
        ("SECRET", "MALFORMED_REQUEST", "targets.0.images.0"),
    ],
)
def test_what_is_neither_is_refused_by_its_path(
    bench: Bench, asked: Callable[..., Any], image: Any, code: str, field: str
) -> None:
    """As the asker wrote it: no path says how the gateway tells the two apart."""
    answer = bench.post(asked(targets=[{"prompt": "a", "images": [image]}])).json()
    assert (answer["code"], answer["errors"][0]["field"]) == (code, field)
    assert "SECRET" not in str(answer)


def test_a_deleted_picture_cannot_be_named_and_audits_keep_it(
    bench: Bench, picture: Picture, asked: Callable[..., Any]
) -> None:
    """The deletion is in the log of accesses; the blob stays for the audit that named it before."""
    digest = sent(bench, picture()).digest
    named = asked(targets=[{"prompt": "a", "images": [{"digest": digest}]}])
    bench.submitted(named)
    gone = bench.client.delete(f"/v1/images/{digest}")
    assert ImageStatus.model_validate(gone.json()).digest == digest
    assert codes([bench.post(named, key="key-0000-0000-0002"), bench.client.delete(f"/v1/images/{digest}")]) == [
        (422, "UNKNOWN_IMAGE"),
        (404, "IMAGE_NOT_FOUND"),
    ]
    assert bench.evidence.get("local", digest)
    assert bench.count("condemned") == 0
    assert recorded(bench) == [("keyless", "image.deleted", digest)]


def test_another_tenants_picture_is_not_there(bench: Bench, picture: Picture, asked: Callable[..., Any]) -> None:
    """It can neither be looked up nor named; the same picture of their own is another one."""
    mine, theirs = a_key(bench), a_key(bench, tenant="other")
    parts = [("file", ("a.png", picture(), PNG))]
    digest = ask(bench, mine, "/v1/images", "POST", files=parts).json()["data"][0]["digest"]
    named = asked(targets=[{"prompt": "a", "images": [{"digest": digest}]}])
    key = {"Idempotency-Key": "key-0000-0000-0001"}
    refusals = [
        ask(bench, theirs, f"/v1/images/{digest}"),
        ask(bench, theirs, f"/v1/images/{digest}", "DELETE"),
        ask(bench, theirs, "/v1/audits", "POST", json=named, headers=key),
    ]
    assert codes(refusals) == [(404, "IMAGE_NOT_FOUND"), (404, "IMAGE_NOT_FOUND"), (422, "UNKNOWN_IMAGE")]
    assert ask(bench, theirs, "/v1/images", "POST", files=parts).status_code == 201
    assert ask(bench, theirs, f"/v1/images/{digest}", "DELETE").status_code == 200
    assert ask(bench, mine, f"/v1/images/{digest}").status_code == 200


def test_a_store_that_does_not_take_them_refuses(bench: Bench, picture: Picture) -> None:
    """503, and no row."""
    bench.evidence.root.write_text("in the way")
    assert codes([send(bench, (picture(), PNG))]) == [(503, "LEDGER_UNAVAILABLE")]
    assert bench.count("images") == 0
