"""Randomness by purpose."""

import hashlib

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.engine.seeds import generator_for, noise, seed_for


def test_a_seed_is_the_head_of_a_hash() -> None:
    """sha256("7␟look␟25"), its first 8 bytes without the last bit."""
    digest = hashlib.sha256(b"7\x1flook\x1f25").digest()
    assert seed_for(7, "look", 25) == int.from_bytes(digest[:8], "big") // 2


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31 - 1), st.lists(st.text() | st.integers(), max_size=4))
def test_a_seed_is_one_that_torch_takes(seed: int, purpose: list[str | int]) -> None:
    """63 bits, never negative."""
    value = seed_for(seed, *purpose)
    assert 0 <= value < 2**63
    torch.Generator().manual_seed(value)


def test_purposes_do_not_run_into_each_other() -> None:
    """("ab", "c") is not ("a", "bc"), and another audit's seed gives other numbers."""
    assert len({seed_for(0, "ab", "c"), seed_for(0, "a", "bc"), seed_for(0, "abc"), seed_for(1, "ab", "c")}) == 4


def test_noise_depends_on_its_purpose_and_not_on_its_place() -> None:
    """A row drawn third among three equals the row drawn alone."""
    three = noise((2, 3), [("a", 0), ("b", 0), ("c", 0)], seed=5)
    assert torch.equal(three[2], noise((2, 3), [("c", 0)], seed=5)[0])
    assert not torch.equal(three[0], three[1])


def test_noise_is_standard_normal() -> None:
    """Over 10,000 numbers the mean is 0 ± 0.04 and the deviation 1 ± 0.03: four standard errors each."""
    x = noise((100, 100), [("check",)], seed=0)
    assert abs(float(x.mean())) < 0.04
    assert abs(float(x.std()) - 1) < 0.03


def test_a_generator_starts_where_its_purpose_says() -> None:
    """Twice the same purpose, twice the same numbers, whatever torch's global state."""
    torch.manual_seed(1)
    first = torch.rand(3, generator=generator_for(0, "x"))
    torch.manual_seed(2)
    assert torch.equal(first, torch.rand(3, generator=generator_for(0, "x")))
