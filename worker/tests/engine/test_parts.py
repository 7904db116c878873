"""Halving by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from worker.engine.errors import OutOfMemory
from worker.engine.parts import Parts, fitting


def test_what_fits_passes_at_once() -> None:
    """10 rows in parts of 4 are 4, 4 and 2."""
    parts = Parts(4)
    assert parts.of(10, lambda part: (part.start, part.stop)) == [(0, 4), (4, 8), (8, 10)]
    assert parts.of(0, lambda part: part) == []
    assert parts.most == 4


def test_what_does_not_fit_is_halved_and_tried_again() -> None:
    """
    Memory for 3 of 11 rows, in parts of 8
    0…8 fails, so 4 at once: 0…4 fails, so 2: 0…2, 2…4, …, 8…10, 10…11
    """
    tried: list[tuple[int, int]] = []

    def perform(part: slice) -> int:
        tried.append((part.start, part.stop))
        if part.stop - part.start > 3:
            raise OutOfMemory
        return part.start

    parts = Parts(8)
    assert parts.of(11, perform) == [0, 2, 4, 6, 8, 10]
    assert tried[:4] == [(0, 8), (0, 4), (0, 2), (2, 4)]
    assert parts.most == 2


@given(st.integers(0, 40), st.integers(1, 16), st.integers(1, 16))
def test_every_row_passes_once_and_in_order(rows: int, most: int, memory: int) -> None:
    """Whatever fits, the parts that passed are the rows, and no part exceeds what fits."""

    def perform(part: slice) -> list[int]:
        if part.stop - part.start > memory:
            raise OutOfMemory
        return list(range(part.start, part.stop))

    parts = Parts(most)
    passed = parts.of(rows, perform)
    assert [row for part in passed for row in part] == list(range(rows))
    assert all(len(part) <= memory for part in passed)
    assert 1 <= parts.most <= most


def test_one_row_that_does_not_fit_is_given_up() -> None:
    """3 rows, then 1, then nothing is left to halve."""

    def perform(part: slice) -> None:
        raise MemoryError

    with pytest.raises(OutOfMemory, match="1 rows did not fit"):
        Parts(8).of(3, perform)


def test_torch_says_it_in_two_ways() -> None:
    """Its own exception on a GPU, a bare RuntimeError for ordinary memory, here of a petabyte."""
    with pytest.raises(OutOfMemory), fitting(1):
        raise torch.OutOfMemoryError
    with pytest.raises(OutOfMemory), fitting(1):
        torch.empty(2**50)


def test_another_error_is_another_error() -> None:
    """Shapes that do not match are no lack of memory, and are not tried again."""
    tried: list[slice] = []

    def perform(part: slice) -> None:
        tried.append(part)
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        Parts(8).of(3, perform)
    assert len(tried) == 1
