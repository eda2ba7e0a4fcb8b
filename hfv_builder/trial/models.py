"""All checks of a profile's learnt models."""

from collections.abc import Iterator

import torch

from hfv_builder.backends import registry
from hfv_builder.backends.specs import BACKENDS
from hfv_builder.backends.weights import WeightsDir
from hfv_builder.profiles.profile import SECTIONS, Depth, Flow, Profile
from hfv_builder.trial.check import Check
from hfv_builder.trial.depth import check_depth, compute_maps
from hfv_builder.trial.embedding import check_embedding
from hfv_builder.trial.flow import check_flow
from hfv_builder.trial.references import check_references


@torch.inference_mode()
def check_models(profile: Profile, device: str, store: WeightsDir) -> Iterator[Check]:
    """Yield the checks of each learnt model of a profile, one model in memory at a time.

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
        model, maps = registry.load(config, device, store), None
        match config:
            case Flow():
                yield from check_flow(model, config.backend, long_side=config.long_side)
            case Depth():
                maps = compute_maps(model)
                yield from check_depth(maps, config.backend)
            case _:
                yield from check_embedding(model, config.backend)
        yield from check_references(model, config, device, store, maps=maps)
