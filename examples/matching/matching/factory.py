"""Makes the matcher: kornia does the work, this names the one setting that is ours."""

import copy

from kornia.feature import LoFTR
from kornia.feature.loftr.loftr import default_cfg


def loftr(threshold: float) -> LoFTR:
    """LoFTR (Sun et al., 2021, arXiv:2104.00680) with random weights.

    It keeps the matches whose confidence is above `threshold`; with random weights none is sure, so
    that 0 shows more than the 0.2 of trained weights would.
    """
    config = copy.deepcopy(default_cfg)
    config["match_coarse"]["thr"] = threshold
    return LoFTR(pretrained=None, config=config).eval()
