"""All checks of a profile's learnt models."""

from collections.abc import Iterator

import torch

from hfv_builder.backends import registry
from hfv_builder.backends.specs import BACKENDS
from hfv_builder.backends.weights import WeightsDir
from hfv_builder.profiles.profile import SECTIONS, Depth, Flow, Profile
from hfv_builder.trial.check import Check
from hfv_builder.trial.depth import check_flicker, check_geometry, compute_map
from hfv_builder.trial.embedding import check_embedding
from hfv_builder.trial.flow import check_flow
from hfv_builder.trial.references import check_references


@torch.inference_mode()
def check_models(profile: Profile, device: str, store: WeightsDir) -> Iterator[Check]:
    """Yield the checks of each learnt model of a profile, one model in memory at a time.

    On the CPU a depth model that fails on the first frame is not applied to others.

    Args:
        profile: its precisions are those of the device.
        device: `cpu` or `cuda`.
        store: the directory of the weights.

    Raises:
        UsageError: packages or weights are missing, or weights are damaged.
    """
    registry.require(profile, store=store)
    for name in SECTIONS:
        config = getattr(profile, name)
        if BACKENDS[config.backend].weights is None:
            continue
        model, first = registry.load(config, device, store), None
        match config:
            case Flow():
                yield from check_flow(model, config.backend, long_side=config.long_side)
            case Depth():
                first = compute_map(model, 0)
                geometry = check_geometry(first, config.backend)
                yield from geometry
                if device == "cpu" and not all(check.passed for check in geometry):
                    continue  # a frame of Depth Pro takes minutes there
                yield check_flicker(first, compute_map(model, 1), config.backend)
            case _:
                yield from check_embedding(model, config.backend)
        yield from check_references(model, config, device, store, depth_map=first)
