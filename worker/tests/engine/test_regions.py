"""Rectangles, the looks around them and the latents under them, by hand."""

import torch

from palimpsest.contract.request import Region
from worker.engine.regions import Box, box, looks, mask

QUARTER = Region(x=0.5, y=0.25, width=0.25, height=0.5)


def test_a_box_is_the_region_in_pixels() -> None:
    """Of 32 × 16 pixels: columns 16 to 24, rows 4 to 12; and what it cuts out is that part."""
    b = box(QUARTER, H=16, W=32)
    assert b == (16, 4, 24, 12)
    picture = torch.arange(3 * 16 * 32).view(3, 16, 32)
    assert torch.equal(b.of(picture), picture[:, 4:12, 16:24])


def test_a_region_that_ends_with_the_image_is_not_cut_short_by_its_floats() -> None:
    """0.1 + 0.9 and 0.7 + 0.3 are the whole of it, whatever they are as floats."""
    assert box(Region(x=0.1, y=0.7, width=0.9, height=0.3), H=10, W=10) == (1, 7, 10, 10)


def test_looks_are_three_sizes_at_nine_places_the_place_itself_first() -> None:
    """
    20 × 20 in the middle of 100 × 100: a quarter of 20 is 5, of 16 it is 4, of 25 it is 6.25. 25 about a centre of 50
    begins at 37.5, moved by 6.25 at 43.75: 38, 31 and 44 in whole pixels.
    """
    found = looks(Box(40, 40, 60, 60), H=100, W=100)
    assert len(found) == len(set(found)) == 27
    assert found[0] == (40, 40, 60, 60)
    assert {look.left for look in found if look.right - look.left == 20} == {35, 40, 45}
    assert {look.left for look in found if look.right - look.left == 16} == {38, 42, 46}
    assert {look.left for look in found if look.right - look.left == 25} == {31, 38, 44}
    assert all(look.right - look.left == look.bottom - look.top for look in found)


def test_looks_stay_inside_and_are_counted_once() -> None:
    """In a corner some fall together, and of the whole picture all but those that are smaller do."""
    corner = looks(Box(0, 0, 20, 20), H=100, W=100)
    assert all(0 <= look.left < look.right <= 100 and 0 <= look.top < look.bottom <= 100 for look in corner)
    assert len(corner) == len(set(corner)) < 27
    assert looks(Box(0, 0, 100, 100), H=100, W=100) == [
        Box(0, 0, 100, 100),
        *[Box(x, y, x + 80, y + 80) for x in (10, 0, 20) for y in (10, 0, 20)],
    ]


def test_the_mask_has_every_latent_that_draws_a_pixel_of_the_region() -> None:
    """Of 32 pixels 8 latents of 4 are made: columns 16 to 24 are latents 4 and 5, rows 8 to 24 latents 2 to 5."""
    m = mask(QUARTER, (32, 32), (8, 8))
    assert m.shape == (1, 8, 8)
    assert m[0].nonzero().tolist() == [[row, column] for row in (2, 3, 4, 5) for column in (4, 5)]
    narrow = Region(x=0.5, y=0.0, width=0.03125, height=1.0)
    assert mask(narrow, (32, 32), (8, 8))[0].sum(dim=0).tolist() == [0, 0, 0, 0, 8, 0, 0, 0]
