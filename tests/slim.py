"""RAFT with few channels, for tests in which its convolutions would take most of the time, and decide nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import pytest
from torch.nn import BatchNorm2d, InstanceNorm2d
from torchvision.models import optical_flow
from torchvision.models.optical_flow import raft as torchvision_raft

from hfv_builder.backends import raft
from hfv_builder.backends.weights import WeightsDir
from tests import checkpoints

SHARED: dict[str, Any] = {
    "feature_encoder_layers": (8, 8, 8, 16, 32),
    "feature_encoder_norm_layer": InstanceNorm2d,
    "context_encoder_layers": (8, 8, 8, 16, 32),
    "corr_block_num_levels": 4,
    "motion_encoder_flow_layers": (16, 8),
    "motion_encoder_out_channels": 16,
    "recurrent_block_hidden_state_size": 16,
    "flow_head_hidden_size": 16,
}
"""What the two networks have in common here; the rest is theirs."""
NETWORKS: dict[str, dict[str, Any]] = {
    "raft_large": {
        "feature_encoder_block": torchvision_raft.ResidualBlock,
        "context_encoder_block": torchvision_raft.ResidualBlock,
        "context_encoder_norm_layer": BatchNorm2d,
        "corr_block_radius": 4,
        "motion_encoder_corr_layers": (32, 24),
        "recurrent_block_kernel_size": ((1, 5), (5, 1)),
        "recurrent_block_padding": ((0, 2), (2, 0)),
        "use_mask_predictor": True,
    },
    "raft_small": {
        "feature_encoder_block": torchvision_raft.BottleneckBlock,
        "context_encoder_block": torchvision_raft.BottleneckBlock,
        "context_encoder_norm_layer": None,
        "corr_block_radius": 3,
        "motion_encoder_corr_layers": (32,),
        "recurrent_block_kernel_size": (3,),
        "recurrent_block_padding": (1,),
        "use_mask_predictor": False,
    },
}


@contextmanager
def slim_raft() -> Iterator[None]:
    """Let torchvision and the backend make slim networks, while their weights are written and loaded."""
    with pytest.MonkeyPatch.context() as patch:
        for name, fields in NETWORKS.items():
            network = partial(torchvision_raft._raft, **SHARED, **fields)
            patch.setattr(optical_flow, name, network)
            patch.setitem(raft.MODELS, name, network)
        yield


@cache
def slim_store() -> WeightsDir:
    """Return a directory like that of `tiny_store`, with weights of slim networks of RAFT."""
    with slim_raft():
        return checkpoints.tiny_store.__wrapped__()
