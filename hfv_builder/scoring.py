"""Frames to scores: the one place where decoder, models and metrics meet.

A clip goes through once, some frames at a time. Each metric takes what it needs of them and gives its score at the
end; frames are shrunk, moved to the device, matched with their neighbours and seen by each model once.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hfv_builder.backends import registry
from hfv_builder.backends.weights import Store
from hfv_builder.config import Profile, for_device
from hfv_builder.frames import shrink
from hfv_builder.matching import Matcher
from hfv_builder.passes import (
    AT_ONCE,
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

KEPT = frozenset({"clip"})
"""Backends whose frame embeddings later stages use."""


@dataclass(frozen=True, kw_only=True)
class Vectors:
    """The embeddings of a clip's frames by one model."""

    frames: list[int]
    """The number of each frame in the clip."""
    vectors: npt.NDArray[np.float16]
    """(T, D), L2-normalised."""


class ClipScores(dict[Metric, Score]):
    """The scores of a clip by metric, and the frame embeddings that came along."""

    def __init__(self, scores: dict[Metric, Score], embeddings: dict[str, Vectors]) -> None:
        """Args:
        embeddings: by the name of the backend.
        """
        super().__init__(scores)
        self.embeddings = embeddings


class Scorer:
    """The models of a profile, ready to score one clip after another. Not for use by two threads at once."""

    def __init__(
        self,
        profile: Profile,
        *,
        metrics: Iterable[Metric] = METRICS,
        device: str = "cpu",
        store: Store | None = None,
    ) -> None:
        """Load the models that these metrics need.

        Args:
            store: where the weights are; None looks in the default place.

        Raises:
            UsageError: weights are not there, or not right.
        """
        self.profile = for_device(profile, device)
        self.metrics = tuple(metrics)
        self.device = device
        registry.require(self.profile, self.metrics, store)
        if device.startswith("cuda"):
            # fp32 is to mean fp32, and the same frames are to give the same bits.
            torch.backends.cudnn.allow_tf32 = False
            torch.backends.cudnn.deterministic = True
        names = {name for metric in self.metrics for name in registry.sections(metric)}
        self._models = {name: registry.load(getattr(self.profile, name), device, store) for name in sorted(names)}

    @torch.inference_mode()
    def score(self, chunks: Iterable[Chunk], metrics: Iterable[Metric] | None = None) -> ClipScores:
        """The scores of the clip that these chunks make up.

        Args:
            metrics: those wanted, of the ones this scorer was made for; None wants all.

        Raises:
            ClipError: the clip cannot be decoded, or has fewer than two frames.
        """
        passes = {metric: self._begin(metric) for metric in (self.metrics if metrics is None else metrics)}
        matcher = self._matcher(passes)
        count = 0
        for chunk in chunks:
            count += len(chunk.index)
            for frames in self._on_device(chunk, matcher):
                for each in passes.values():
                    each.add(frames)
        if count < 2:
            raise ClipError(f"it has {count} frame{'' if count == 1 else 's'}; at least 2 are needed")
        return ClipScores({metric: each.result() for metric, each in passes.items()}, self._embeddings(passes))

    def _on_device(self, chunk: Chunk, matcher: Matcher | None) -> Iterator[Frames]:
        """The frames of the chunk, as many at a time as the device has room for."""
        size = self.profile.long_side
        rgb = torch.from_numpy(shrink(chunk.rgb, size) if size else chunk.rgb)
        index = torch.from_numpy(chunk.index)
        pixels = AT_ONCE.get(torch.device(self.device).type, AT_ONCE["cpu"])
        step = max(1, pixels // (rgb.shape[1] * rgb.shape[2]))
        for start in range(0, len(rgb), step):
            here, numbers = rgb[start : start + step].to(self.device), index[start : start + step]
            matches = None
            if matcher is not None:
                matches = matcher.add((here.permute(0, 3, 1, 2).float() / 255).contiguous(), numbers)
            yield Frames(rgb=here, index=numbers, matches=matches)

    def _matcher(self, passes: Iterable[Metric]) -> Matcher | None:
        """What finds the flow of the frames, if a metric looks at it."""
        profile = self.profile
        backward = []
        if Metric.MOTION in passes:
            backward.append(profile.motion.metric == "warp_error" and profile.motion.occlusion)
        if Metric.SPATIAL in passes and profile.depth.flow_on == "rgb":
            backward.append(profile.spatial.occlusion)
        return Matcher(self._models["flow"], backward=any(backward)) if backward else None

    def _begin(self, metric: Metric) -> MetricPass:
        models: dict[str, Any] = self._models
        match metric:
            case Metric.SPATIAL:
                return SpatialPass(self.profile, models["flow"], models["depth"], self.device)
            case Metric.APPEARANCE:
                return AppearancePass(models["background"], models["subject"])
            case Metric.MOTION if self.profile.motion.metric == "warp_error":
                return WarpErrorPass(self.profile)
            case Metric.MOTION:
                return AccelerationPass(self.profile)

    def _embeddings(self, passes: dict[Metric, MetricPass]) -> dict[str, Vectors]:
        appearance, model = passes.get(Metric.APPEARANCE), self.profile.background.backend
        if not isinstance(appearance, AppearancePass) or model not in KEPT:
            return {}
        vectors = appearance.background().half().cpu().numpy()
        return {model: Vectors(frames=appearance.frames(), vectors=vectors)}
