"""Makes LoFTR with random weights."""

import copy

from kornia.feature import LoFTR
from kornia.feature.loftr.loftr import default_cfg


def make() -> LoFTR:
    """A matcher that keeps every match, as with random weights none is sure."""
    config = copy.deepcopy(default_cfg)
    config["match_coarse"]["thr"] = 0.0
    return LoFTR(pretrained=None, config=config).eval()
