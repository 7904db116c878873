"""The header of a safetensors file, read and checked before any library reads the file.

    8 bytes                N, little-endian
    N bytes of JSON        {"name": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]}, …, "__metadata__": {…}}
    size − 8 − N bytes     the numbers

A header is good when N is at most MOST_HEADER_BYTES, every tensor i has Π shape_i numbers of its dtype in exactly
end_i − begin_i bytes, and sorted by begin the tensors cover the numbers from first byte to last: begin_0 = 0,
begin_{i+1} = end_i, end_last = size − 8 − N. So no two share a byte and none is left over. A tensor of no number is
refused: any number of them would fit at one offset.

The format: https://github.com/huggingface/safetensors, whose own bounds (100 MB of header) are wider.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.engine.errors import WeightsMalformed
from worker.engine.strict_json import NotPlain, parsed

MOST_HEADER_BYTES = 4 * 2**20
MOST_TENSORS = 20_000
MOST_DIMENSIONS = 8
MOST_NUMBERS = 2**48
BYTES_OF = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
}
"""Of one number, by dtype: those that models of these families are stored in."""


@dataclass(frozen=True)
class Stored:
    """One tensor of a file; begin and end in bytes from the end of the header."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def numbers(self) -> int:
        """How many it holds."""
        return math.prod(self.shape)


def tensors_of(file: Path) -> dict[str, Stored]:
    """What a file holds, by name. Reads the header only. Raises WeightsMalformed."""
    size = file.stat().st_size
    with file.open("rb") as content:
        beginning = content.read(8)
        length = int.from_bytes(beginning, "little")
        header = content.read(length) if length <= MOST_HEADER_BYTES else b""
    try:
        return tensors_in(beginning + header, size)
    except WeightsMalformed as error:
        raise WeightsMalformed(f"{file.name} in {file.parent.name} is not a safetensors file: {error}") from None


def tensors_in(beginning: bytes, size: int) -> dict[str, Stored]:
    """What a file of ``size`` bytes holds that begins so. Raises WeightsMalformed, and nothing else."""
    header = _header(beginning, size)
    try:
        said = parsed(header)
    except NotPlain as error:
        raise WeightsMalformed(f"of its header, {error}") from None
    if not isinstance(said, dict):
        raise WeightsMalformed("its header is no JSON object")
    _metadata(said.pop("__metadata__", {}))
    if not said or len(said) > MOST_TENSORS:
        raise WeightsMalformed(f"it holds {len(said)} tensors, where 1 to {MOST_TENSORS} may be")
    tensors = {name: _stored(told) for name, told in said.items()}
    _covered(sorted((t.begin, t.end) for t in tensors.values()), size - 8 - len(header))
    return tensors


def _header(beginning: bytes, size: int) -> bytes:
    if len(beginning) < 8:
        raise WeightsMalformed("it ends before its header's length")
    length = int.from_bytes(beginning[:8], "little")
    if length > MOST_HEADER_BYTES:
        raise WeightsMalformed(f"its header has more than {MOST_HEADER_BYTES} bytes")
    header = beginning[8 : 8 + length]
    if len(header) < length or 8 + length > size:
        raise WeightsMalformed("it ends within its header")
    if not header.startswith(b"{"):
        raise WeightsMalformed("its header is no JSON object")
    return header


def _metadata(said: Any) -> None:
    if not isinstance(said, dict) or not all(isinstance(text, str) for text in said.values()):
        raise WeightsMalformed("its metadata are no texts")


def _stored(told: Any) -> Stored:
    if not isinstance(told, dict) or set(told) != {"dtype", "shape", "data_offsets"}:
        raise WeightsMalformed("a tensor has other fields than dtype, shape and data_offsets")
    dtype, shape, offsets = told["dtype"], told["shape"], told["data_offsets"]
    if not isinstance(dtype, str) or dtype not in BYTES_OF:
        raise WeightsMalformed("a tensor is of a dtype that is not read here")
    if not _whole(shape) or len(shape) > MOST_DIMENSIONS or math.prod(shape) > MOST_NUMBERS:
        raise WeightsMalformed("a tensor's shape is not one")
    if 0 in shape:
        raise WeightsMalformed("a tensor has no number in it")
    if not _whole(offsets) or len(offsets) != 2:
        raise WeightsMalformed("a tensor's offsets are not two numbers")
    stored = Stored(dtype, tuple(shape), offsets[0], offsets[1])
    if stored.end - stored.begin != stored.numbers * BYTES_OF[dtype]:
        raise WeightsMalformed("a tensor has more or fewer bytes than its shape and dtype take")
    return stored


def _whole(numbers: Any) -> bool:
    """Whether these are a list of whole numbers, none negative; true and false are none."""
    return isinstance(numbers, list) and all(type(n) is int and n >= 0 for n in numbers)


def _covered(spans: list[tuple[int, int]], available: int) -> None:
    at = 0
    for begin, end in spans:
        if begin < at:
            raise WeightsMalformed("two tensors share bytes")
        if begin > at:
            raise WeightsMalformed("bytes belong to no tensor")
        at = end
    if at > available:
        raise WeightsMalformed("a tensor lies past the end of the file")
    if at < available:
        raise WeightsMalformed("bytes behind the last tensor belong to none")
