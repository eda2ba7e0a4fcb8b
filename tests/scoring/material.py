"""Small clips, profiles and scorers that the tests of scoring share."""

import dataclasses
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from hfv_builder.backends import registry
from hfv_builder.backends.registry import Section, resolve
from hfv_builder.frames.video import Chunk
from hfv_builder.profiles.profile import Profile, load_profile
from hfv_builder.records import METRICS
from hfv_builder.scoring.scorer import ClipScores, Scorer
from tests.device import DEVICE
from tests.slim import slim_raft, slim_store

Frames = npt.NDArray[np.uint8]
_load = registry.load


def paper(
    *, backend: Any = "raft_small", long_side: int = 128, updates: int = 2, evidence: bool = False, **depth: Any
) -> Profile:
    """Return the paper profile with small sizes, in fp32 on every device."""
    profile = load_profile("paper")
    return dataclasses.replace(
        profile,
        evidence=evidence,
        flow=dataclasses.replace(profile.flow, backend=backend, long_side=long_side, updates=updates, precision="fp32"),
        depth=dataclasses.replace(profile.depth, long_side=long_side, precision="fp32", **depth),
        background=dataclasses.replace(profile.background, precision="fp32"),
        subject=dataclasses.replace(profile.subject, precision="fp32"),
    )


@cache
def scorer(profile: Profile) -> Scorer:
    """Return a scorer of the profile, which shares the models of equal sections with the others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "load", lambda config, *_: _model(config))
        return Scorer(resolve(profile, device=DEVICE, store=slim_store()), store=slim_store())


@cache
def _model(config: Section) -> Any:
    with slim_raft():
        return _load(config, DEVICE, slim_store())


def chunks(frames: Frames, *sizes: int) -> list[Chunk]:
    """Return the frames as one chunk, or cut into chunks of these sizes."""
    frame_indices = np.arange(len(frames), dtype=np.int32)
    ends = np.cumsum(sizes) if sizes else [len(frames)]
    return [
        Chunk(rgb=frames[start:end], index=frame_indices[start:end])
        for start, end in zip([0, *ends], ends, strict=False)
    ]


def walk(count: int, *, height: int = 72, width: int = 128, seed: int = 0) -> Frames:
    """Return frames of a texture that moves by one pixel a frame: (count, height, width, 3) uint8."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.random((1, 3, height // 6, width // 6), np.float32))
    texture = torch.nn.functional.interpolate(coarse, (height, width + count), mode="bicubic").clamp(0, 1)[0]
    images = torch.stack([texture[:, :, t : t + width] for t in range(count)])
    frames: Frames = (images * 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    return frames


def values(scores: ClipScores) -> list[float]:
    """Return the three scores in the order of the metrics; all must have a value."""
    results = [scores.scores[metric].value for metric in METRICS]
    assert None not in results
    return [float(value or 0) for value in results]
