"""What counts as an image, and where it is kept."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from palimpsest.contract.request import AuditRequest
from service import images
from service.app import create_app
from service.settings import Settings
from service.tests.conftest import Bench, on_this_machine

Picture = Callable[..., bytes]


@pytest.mark.parametrize(("format", "media_type"), [("PNG", "png"), ("JPEG", "jpeg"), ("WEBP", "webp")])
def test_three_formats_are_images(picture: Picture, format: str, media_type: str) -> None:
    """Each under its own media type and under no other."""
    content = picture(format)
    assert images.complaint_about(content, f"image/{media_type}") is None
    for other in {"png", "jpeg", "webp"} - {media_type}:
        assert images.complaint_about(content, f"image/{other}")


@pytest.mark.parametrize("format", ["GIF", "BMP", "TIFF", "PPM"])
def test_other_formats_are_not(picture: Picture, format: str) -> None:
    """Pillow could read them; nobody is to find out."""
    assert images.complaint_about(picture(format), "image/png")


@pytest.mark.parametrize(("format", "media_type"), [("PNG", "png"), ("JPEG", "jpeg"), ("WEBP", "webp")])
def test_a_truncated_file_is_no_image(picture: Picture, format: str, media_type: str) -> None:
    """Whatever is missing at the end: half of it or a fifth."""
    content = picture(format, (64, 64))
    for share in (0.5, 0.8):
        assert images.complaint_about(content[: int(len(content) * share)], f"image/{media_type}")


@pytest.mark.parametrize(
    "content", [b"x", b"\x89PNG\r\n\x1a\n", b"RIFF\x00\x00\x00\x00WEBP", b"\xff\xd8\xff", b"%PDF-1.7"]
)
def test_noise_and_bare_signatures_are_no_images(content: bytes) -> None:
    """Nothing of it raises."""
    for media_type in images.FORMATS:
        assert images.complaint_about(content, media_type)


def test_an_animation_is_no_image(picture: Picture) -> None:
    """It has more than one frame."""
    frames = [Image.new("RGB", (8, 8), "blue")]
    for name, media_type in (("PNG", "image/png"), ("WEBP", "image/webp")):
        assert "one frame" in (
            images.complaint_about(picture(name, save_all=True, append_images=frames), media_type) or ""
        )


@pytest.mark.parametrize("side", [4097, 10_000, 20_000, 65_535])
def test_a_bomb_is_refused_by_its_header(side: int) -> None:
    """Sizes over 4096², be they under or over Pillow's own limits, are refused before a pixel is decoded."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    data = b"IDAT" + zlib.compress(b"\0" * 100)
    bomb += struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
    assert images.complaint_about(bomb, "image/png") == "an image may have 16777216 pixels"


def test_a_broken_image_is_refused_by_name(bench: Bench, asked: Callable[..., Any], inline: Callable[..., Any]) -> None:
    """422 with the path of the second image of the second target; nothing recorded, nothing kept."""
    good, bad = inline(), inline(b"this is not an image")
    targets = [{"prompt": "a", "images": [good]}, {"prompt": "b", "images": [good, bad]}]
    answer = bench.post(asked(targets=targets, controls=[{"images": [bad]}]))
    assert (answer.status_code, answer.json()["code"]) == (422, "IMAGE_UNREADABLE")
    assert [error["field"] for error in answer.json()["errors"]] == ["targets.1.images.1", "controls.0.images.0"]
    assert (bench.count(), bench.evidence.root.exists()) == (0, False)


def test_a_request_has_so_many_pixels(picture: Picture, inline: Callable[..., Any], asked: Callable[..., Any]) -> None:
    """
    8 · 8 = 64 a picture: of 128 allowed two are decoded, and the third is named and is not
    """
    request = AuditRequest.model_validate(asked(targets=[{"prompt": "a", "images": [inline(picture())] * 3}]))
    assert images.unreadable(request, 192) == []
    (problem,) = images.unreadable(request, 128)
    assert (problem.field, problem.code) == ("targets.0.images.2", "TOO_MANY_PIXELS")


def test_pixels_are_counted_before_they_are_decoded(picture: Picture) -> None:
    """A broken picture has those its header promises, and whoever counts them may stop it."""

    class Enough(Exception):
        """It may."""

    def stop(pixels: int) -> None:
        assert pixels == 64 * 64
        raise Enough

    content = picture("PNG", (64, 64))
    with pytest.raises(Enough):
        images.complaint_about(content[: len(content) // 2], "image/png", stop)


def test_too_many_pixels_are_refused_by_name(
    tmp_path: Path, bench: Bench, asked: Callable[..., Any], inline: Callable[..., Any]
) -> None:
    """422 TOO_MANY_PIXELS by a gateway that takes sixty, and nothing is kept."""
    few = Settings(home=tmp_path, pixel_limit=60)
    app = create_app(few, ledger=bench.ledger, evidence=bench.evidence, dispatch=bench.dispatch)
    with on_this_machine(app) as client:
        answer = client.post("/v1/audits", json=asked(), headers={"Idempotency-Key": "key-0000-0000-0001"})
    assert (answer.status_code, answer.json()["code"]) == (422, "TOO_MANY_PIXELS")
    assert (bench.count(), bench.evidence.root.exists()) == (0, False)


def test_images_are_kept_as_they_came(bench: Bench, asked: Callable[..., Any], inline: Callable[..., Any]) -> None:
    """Targets' and controls' bytes are under their digests, and the rest of the request is as it was."""
    request = AuditRequest.model_validate(asked(controls=[{"prompt": "dog", "images": [inline()]}]))
    recorded = images.keep(bench.evidence, "local", request)
    for source in ("targets", "controls"):
        (image,) = recorded[source][0]["images"]
        assert set(image) == {"media_type", "sha256"}
        assert bench.evidence.get("local", image["sha256"])
    without = request.model_dump(mode="json", exclude={"targets", "controls"})
    assert {field: value for field, value in recorded.items() if field in without} == without


def test_evidence_that_cannot_be_kept_refuses_the_audit(bench: Bench, asked: Callable[..., Any]) -> None:
    """A file where the store's folder should be is 503, and the ledger has no row."""
    bench.evidence.root.write_text("in the way")
    answer = bench.post(asked())
    assert (answer.status_code, answer.json()["code"]) == (503, "LEDGER_UNAVAILABLE")
    assert bench.count() == 0
