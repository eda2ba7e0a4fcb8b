"""The four models of `paper` on a device: our calls and the plain calls, with frames of one size.

Plain is the library's own call: in fp32 on one frame, or pair and direction, after another, from numpy to numpy; and
in our precision on a batch that is prepared as its documentation shows.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as tv

from benchmarks.roofline import Device, seconds, shares, work_of
from hfv_builder.backends import registry
from hfv_builder.backends.precision import autocast
from hfv_builder.backends.weights import WeightsDir
from hfv_builder.profiles.profile import Profile
from tests.reference import Reference

MODELS = ("depth_pro", "raft_large", "clip", "dinov2")
COUNTS = {"depth_pro": 8, "raft_large": 17, "clip": 128, "dinov2": 128}
SINGLE, FEW = 3, 4
"""Frames of the plain calls, and frames of all calls on a CPU."""


@dataclass(frozen=True, kw_only=True)
class Ways:
    """The calls that compute the same result."""

    items: int
    """Frames per call of `ours` and `batch`; pairs for flow, which is estimated in both directions."""
    ours: Callable[[], Tensor]
    batch: Callable[[], Any]
    single: Callable[[], Any]
    singles: int
    """Frames or pairs of a call of `single`."""


def ways(
    name: str, profile: Profile, reference: Reference, store: WeightsDir, device: str, size: tuple[int, int]
) -> Ways:
    """Return the ways of one model over random frames of the size (height, width)."""
    section = next(
        section
        for section in (profile.flow, profile.depth, profile.background, profile.subject)
        if section.backend == name
    )
    model = registry.load(section, device, store)
    count = FEW if device == "cpu" else COUNTS[name]
    rgb = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (count, *size, 3), dtype=np.uint8))
    frames, moved = [*rgb[:SINGLE].numpy()], rgb.to(device)
    make = {"raft_large": _flow, "depth_pro": _depth}.get(name, functools.partial(_embedding, name))
    ours, batch, single = make(model, reference, moved, frames)

    def halved() -> Any:
        with autocast(section.precision, device), torch.inference_mode():
            return batch()

    pairs = name == "raft_large"
    return Ways(
        items=count - pairs,
        ours=torch.inference_mode()(ours),
        batch=halved,
        single=single,
        singles=len(frames) - pairs,
    )


Made = tuple[Callable[[], Tensor], Callable[[], Any], Callable[[], Any]]


def _depth(model: Any, reference: Reference, rgb: Tensor, frames: list[Any]) -> Made:
    side = 4 * reference.depth_model.config.patch_size

    def batch() -> Any:
        images = rgb.permute(0, 3, 1, 2).float() / 127.5 - 1
        images = torch.nn.functional.interpolate(images, (side, side), mode="bilinear", align_corners=False)
        return reference.depth_model(images).predicted_depth

    return lambda: model.maps(rgb), batch, lambda: [reference.depth(frame) for frame in frames]


def _flow(model: Any, reference: Reference, rgb: Tensor, frames: list[Any]) -> Made:
    images = (rgb.permute(0, 3, 1, 2).float() / 255).contiguous()
    long_side, updates = reference.profile.flow.long_side, reference.profile.flow.updates
    scale = min(1.0, long_side / max(images.shape[-2:]))
    size = [max(128, round(side * scale) // 8 * 8) for side in images.shape[-2:]]
    scaled = [frame.astype(np.float32) / 255 for frame in frames]

    def ours() -> Tensor:
        known = model.encode(images)
        before, after = tuple(part[:-1] for part in known), tuple(part[1:] for part in known)
        return torch.cat([model.flow(before, after), model.flow(after, before)])

    def batch() -> Any:
        small = tv.resize(images, size, antialias=True) * 2 - 1
        first, second = small[:-1], small[1:]
        return [
            reference.flow_model(*pair, num_flow_updates=updates)[-1] for pair in ((first, second), (second, first))
        ]

    def single() -> Any:
        shape = frames[0].shape[:2]
        return [
            reference.flow(scaled[i], scaled[j], shape)
            for t in range(len(scaled) - 1)
            for i, j in ((t, t + 1), (t + 1, t))
        ]

    return ours, batch, single


def _embedding(name: str, model: Any, reference: Reference, rgb: Tensor, frames: list[Any]) -> Made:
    clip = name == "clip"
    network = reference.clip_model.encode_image if clip else lambda images: reference.dino_model(images).pooler_output
    feature = reference.clip_feature if clip else reference.dino_feature
    side, mean, std = reference.clip_input if clip else (224, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    on_cpu = rgb.cpu()

    def batch() -> Any:
        small = [tv.resize(frame.permute(2, 0, 1), [side], antialias=True) for frame in on_cpu]
        images = torch.stack([tv.center_crop(frame, [side, side]) for frame in small]).to(rgb.device)
        return network(tv.normalize(images.float() / 255, mean, std))

    return lambda: model.embed(rgb), batch, lambda: [feature(frame) for frame in frames]


def measure(name: str, ways: Ways, device: Device, kind: str) -> dict[str, Any]:
    """Return one row: speed, ratios, roofline and the operations that take the most time.

    Args:
        name: the model.
        ways: its ways.
        device: the ceilings.
        kind: `cpu` or `cuda`.
    """
    if kind == "cuda":
        torch.cuda.reset_peak_memory_stats()
    work, ours = work_of(ways.ours), seconds(ways.ours, kind) / ways.items
    memory = torch.cuda.max_memory_allocated() / 2**30 if kind == "cuda" else float("nan")
    compute_s, traffic_s = work.flop / ways.items / device.flops, work.moved / ways.items / device.bandwidth
    return {
        "model": name,
        "per_s": 1 / ours,
        "times_single_fp32": seconds(ways.single, kind) / ways.singles / ours,
        "times_batch": seconds(ways.batch, kind) / ways.items / ours,
        "gflop": work.flop / ways.items / 1e9,
        "gbyte": work.moved / ways.items / 1e9,
        "compute_ms": 1e3 * compute_s,
        "traffic_ms": 1e3 * traffic_s,
        "measured_ms": 1e3 * ours,
        "share_of_peak": compute_s / ours,
        "peak_gib": memory,
        "time": shares(ways.ours, kind),
    }
