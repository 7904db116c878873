"""The header of a safetensors file before any library reads it."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import safetensors
from hypothesis import given
from hypothesis import strategies as st

from worker.engine.errors import WeightsMalformed
from worker.engine.headers import BYTES_OF, Stored, tensors_in, tensors_of
from worker.tests.engine.hostile_models import GOOD, HEADERS, weights


@pytest.mark.parametrize("wrong", HEADERS)
def test_a_header_that_is_wrong_is_refused(wrong: str, tmp_path: Path) -> None:
    """By its code, with the file's name and the reason, whatever is wrong."""
    file = tmp_path / "unet" / "model.safetensors"
    file.parent.mkdir()
    file.write_bytes(HEADERS[wrong])
    with pytest.raises(WeightsMalformed, match=r"^model\.safetensors in unet is not a safetensors file: .") as refused:
        tensors_of(file)
    assert refused.value.code == "MODEL_WEIGHTS_MALFORMED"


def test_a_good_header_says_what_the_file_holds(tmp_path: Path) -> None:
    """Two numbers of four bytes, then six of two; a scalar is one number, blanks behind the header are none of it."""
    file = tmp_path / "model.safetensors"
    file.write_bytes(GOOD)
    assert tensors_of(file) == {"a": Stored("F32", (2,), 0, 8), "b": Stored("F16", (2, 3), 8, 20)}
    assert sum(stored.numbers for stored in tensors_of(file).values()) == 8
    scalar = weights(b'{"s": {"dtype": "I64", "shape": [], "data_offsets": [0, 8]}}   ', 8)
    assert tensors_in(scalar, len(scalar)) == {"s": Stored("I64", (), 0, 8)}


def accepted(content: bytes) -> dict[str, Stored] | None:
    """What is said of these bytes as a file; None for a refusal. Nothing else may come."""
    try:
        return tensors_in(content, len(content))
    except WeightsMalformed:
        return None


@given(st.binary(max_size=400))
def test_any_bytes_are_a_header_or_refused(content: bytes) -> None:
    """As they are, and behind a length that fits them."""
    accepted(content)
    accepted(weights(b"{" + content, 8))


NUMBERS = st.integers(-2, 40) | st.sampled_from([True, 2**31, 2**63, 2**64, 1.5, None, "8"])
TENSORS = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from([*BYTES_OF, "F4", "f32"]),
        "shape": st.lists(st.integers(0, 4), max_size=3) | st.lists(NUMBERS, max_size=9) | NUMBERS,
        "data_offsets": st.lists(NUMBERS, min_size=1, max_size=3),
    }
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from("abc"), TENSORS, max_size=3) | JSON, st.integers(0, 80))
def test_what_is_accepted_the_library_reads_alike(header: Any, data: int) -> None:
    """Headers that are nearly good: whatever passes here, safetensors itself takes with the same shapes and bytes."""
    content = weights(header, data)
    tensors = accepted(content)
    if tensors is not None:
        assert read_by_the_library(content) == {name: (list(t.shape), t.end - t.begin) for name, t in tensors.items()}


@given(st.lists(st.tuples(st.sampled_from(sorted(BYTES_OF)), st.lists(st.integers(1, 3), max_size=3)), min_size=1))
def test_what_is_good_is_accepted(made: list[tuple[str, list[int]]]) -> None:
    """Tensors laid one behind the other, of any dtype and shape; the library agrees on every one."""
    header, at = {}, 0
    for n, (dtype, shape) in enumerate(made):
        size = BYTES_OF[dtype]
        for side in shape:
            size *= side
        header[f"t{n}"] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    content = weights(header, at)
    tensors = accepted(content)
    assert tensors is not None
    assert set(read_by_the_library(content)) == set(tensors)


def read_by_the_library(content: bytes) -> dict[str, tuple[list[int], int]]:
    """Shape and bytes of every tensor, as the safetensors library reads them."""
    return {name: (told["shape"], len(told["data"])) for name, told in safetensors.deserialize(content)}


def test_the_length_alone_decides_how_much_is_read(tmp_path: Path) -> None:
    """A file that says its header has 2^40 bytes, and has them, is refused for its first eight."""
    file = tmp_path / "model.safetensors"
    with file.open("wb") as content:
        content.write(struct.pack("<Q", 2**40) + json.dumps({}).encode())
        content.truncate(2**40 + 8)
    with pytest.raises(WeightsMalformed, match="its header has more than 4194304 bytes"):
        tensors_of(file)
