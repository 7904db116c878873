"""How near two images are."""

from typing import Literal

from palimpsest.contract.methods.params import Params


class SscdParams(Params):
    """Compare images by a copy-detection descriptor.

    Pizzi et al., SSCD, CVPR 2022 (arXiv 2202.10261).
    """

    kind: Literal["sscd"] = "sscd"
