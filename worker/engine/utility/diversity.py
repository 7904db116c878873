"""How alike are pictures of one prompt?

    D = mean over pairs of seeds s < s′ of ⟨f(x_s), f(x_s′)⟩        small is diverse; f the audit's descriptor

With SSCD as descriptor this is D_SSCD of Hintersdorf et al., Finding NeMo (arXiv 2406.02366).

Shapes: N prompts, S seeds, f N×S×D of unit length.
"""

import torch
from torch import Tensor


def similarity_between_seeds(f_NSD: Tensor) -> Tensor:
    """D of every prompt, N."""
    S = f_NSD.shape[1]
    i, j = torch.triu_indices(S, S, offset=1)
    return (f_NSD @ f_NSD.transpose(1, 2))[:, i, j].mean(dim=1)
