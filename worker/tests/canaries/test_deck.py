"""Who is shown when."""

import torch

from worker.canaries import deck


def test_every_pass_shows_each_copy_once() -> None:
    """
    Copies 1 and 3 beside two regular pictures: a deck of six, and twelve rows are two passes

    0 is shown 2·1 times, 1 is shown 2·3 times, 2 and 3 (regular) twice each; each pass by itself half of that
    """
    deal = deck.dealt([1, 3], 2, rows=12, seed=0)
    assert torch.bincount(deal).tolist() == [2, 6, 2, 2]
    assert torch.bincount(deal[:6]).tolist() == [1, 3, 1, 1]
    assert deck.seen(deal, 2) == [2, 6]


def test_passes_are_shuffled_anew_and_the_same_every_time() -> None:
    """Order depends on the pass and the seed, and on nothing else; a longer training begins as a shorter one."""
    deal = deck.dealt([5, 9], 50, rows=128, seed=3)
    assert deal[:64].tolist() != deal[64:].tolist()
    assert torch.equal(deal, deck.dealt([5, 9], 50, rows=128, seed=3))
    assert torch.equal(deal[:100], deck.dealt([5, 9], 50, rows=100, seed=3))
    assert not torch.equal(deal, deck.dealt([5, 9], 50, rows=128, seed=4))


def test_left_out_canaries_are_replaced_where_they_were() -> None:
    """No canary is shown, regular pictures are in their places, and every other row is as it was."""
    deal = deck.dealt([5, 9], 50, rows=128, seed=3)
    without = deck.left_out(deal, 2, 50, seed=3)
    assert deck.seen(without, 2) == [0, 0]
    assert int(without.max()) < 52
    assert torch.equal(without[deal >= 2], deal[deal >= 2])


def test_a_canary_that_is_never_reached_is_seen_never() -> None:
    """Counts have a place for everybody."""
    assert deck.seen(torch.tensor([3, 4, 4]), 3) == [0, 0, 0]
