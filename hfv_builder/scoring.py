"""Frames to scores: the one place where decoder, models and metrics meet.

A clip goes through once, in chunks. Each metric takes what it needs of a chunk and gives its score at the end;
frames are shrunk, moved to the device and seen by each model once.
"""

from collections.abc import Iterable

import torch

from hfv_builder.backends import registry
from hfv_builder.config import Profile
from hfv_builder.frames import shrink
from hfv_builder.passes import (
    AccelerationPass,
    AppearancePass,
    Frames,
    MetricPass,
    Score,
    SpatialPass,
    WarpErrorPass,
)
from hfv_builder.records import METRICS, ClipError, Metric
from hfv_builder.video import Chunk


class Scorer:
    """The models of a profile, ready to score one clip after another. Not for use by two threads at once."""

    def __init__(self, profile: Profile, *, metrics: Iterable[Metric] = METRICS, device: str = "cpu") -> None:
        """Load the models that these metrics need.

        Raises:
            UsageError: weights are not there, or not right.
        """
        self.profile = profile
        self.metrics = tuple(metrics)
        self.device = device
        names = {name for metric in self.metrics for name in registry.sections(metric)}
        self._models = {name: registry.load(getattr(profile, name), device) for name in sorted(names)}

    @torch.inference_mode()
    def score(self, chunks: Iterable[Chunk], metrics: Iterable[Metric] | None = None) -> dict[Metric, Score]:
        """The scores of the clip that these chunks make up.

        Args:
            metrics: those wanted, of the ones this scorer was made for; None wants all.

        Raises:
            ClipError: the clip cannot be decoded, or has fewer than two frames.
        """
        passes = {metric: self._begin(metric) for metric in (self.metrics if metrics is None else metrics)}
        count = 0
        for chunk in chunks:
            frames = self._on_device(chunk)
            for each in passes.values():
                each.add(frames)
            count += len(chunk.index)
        if count < 2:
            raise ClipError(f"it has {count} frame{'' if count == 1 else 's'}; at least 2 are needed")
        return {metric: each.result() for metric, each in passes.items()}

    def _on_device(self, chunk: Chunk) -> Frames:
        size = self.profile.long_side
        rgb = torch.from_numpy(shrink(chunk.rgb, size) if size else chunk.rgb).to(self.device)
        pictures = rgb.permute(0, 3, 1, 2).float() / 255
        return Frames(rgb=rgb, pictures=pictures.contiguous(), index=torch.from_numpy(chunk.index))

    def _begin(self, metric: Metric) -> MetricPass:
        models, profile = self._models, self.profile
        match metric:
            case Metric.SPATIAL:
                return SpatialPass(profile, models["flow"], models["depth"])
            case Metric.APPEARANCE:
                return AppearancePass(models["background"], models["subject"])
            case Metric.MOTION if profile.motion.metric == "warp_error":
                return WarpErrorPass(profile, models["flow"])
            case Metric.MOTION:
                return AccelerationPass(profile, models["flow"])
