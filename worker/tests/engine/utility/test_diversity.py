"""Similarity between seeds."""

import pytest
import torch

from worker.engine.utility.diversity import similarity_between_seeds


def test_by_hand() -> None:
    """
    Equal pictures 1; at right angles 0; of three, two equal and one at right angles: pairs 1, 0, 0, so 1/3
    """
    e = torch.eye(3)
    f = torch.stack([torch.stack([e[0], e[0], e[0]]), e, torch.stack([e[0], e[0], e[1]])])
    assert similarity_between_seeds(f).tolist() == pytest.approx([1, 0, 1 / 3])
