"""From decoded frames to scores: the scorer connects decoder, models and metrics.

It makes one pass over a clip, a few frames at a time. Every frame is shrunk, moved to the device, paired with its
neighbour and encoded by each model once. Each metric accumulates what it needs and returns its score at the end.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hfv_builder.backends import registry
from hfv_builder.backends.registry import Resolved
from hfv_builder.backends.specs import BACKENDS
from hfv_builder.backends.weights import WeightsDir
from hfv_builder.frames.size import shrink
from hfv_builder.frames.spool import Spool
from hfv_builder.frames.steps import Link
from hfv_builder.frames.video import Chunk
from hfv_builder.records import ClipError, Metric
from hfv_builder.scoring.appearance import AppearancePass
from hfv_builder.scoring.base import AT_ONCE, Frames, MetricPass, Moment
from hfv_builder.scoring.evidence import SIDE, panel
from hfv_builder.scoring.flow_pairs import Matcher
from hfv_builder.scoring.motion import AccelerationPass, WarpErrorPass
from hfv_builder.scoring.runs import RunFinder
from hfv_builder.scoring.score import Score
from hfv_builder.scoring.spatial import SpatialPass


@dataclass(frozen=True, kw_only=True)
class Vectors:
    """The embeddings of a clip's frames by one model."""

    frames: list[int]
    """The index of each frame in the clip."""
    vectors: npt.NDArray[np.float16]
    """(T, D), L2-normalised."""


@dataclass(frozen=True, kw_only=True)
class ClipScores:
    """The results for one clip."""

    scores: dict[Metric, Score] = field(default_factory=dict)
    embeddings: dict[str, Vectors] = field(default_factory=dict)
    """The embeddings of the frames, by the name of the backend."""
    evidence: dict[Metric, bytes] = field(default_factory=dict)
    """A WebP of each metric's worst moment."""


class Scorer:
    """The loaded models of a profile; scores one clip after another. Not thread-safe."""

    def __init__(self, resolved: Resolved, *, store: WeightsDir | None = None) -> None:
        """Load the models that the metrics need.

        Args:
            store: the directory of the weights; None uses the default directory.

        Raises:
            UsageError: packages or weights are missing, or weights are damaged.
        """
        self.profile, self.metrics, self.device = resolved.profile, resolved.metrics, resolved.device
        store = registry.store_of(self.profile, store)
        registry.require(self.profile, self.metrics, store)
        sections = sorted(registry.needed_sections(self.metrics))
        self._models = {name: registry.load(getattr(self.profile, name), self.device, store) for name in sections}

    @torch.inference_mode()
    def score(self, chunks: Iterable[Chunk], metrics: Iterable[Metric] | None = None) -> ClipScores:
        """Return the scores of one clip.

        Args:
            chunks: the decoded frames of the clip, in order.
            metrics: a subset of the metrics of this scorer; None computes all of them.

        Raises:
            ClipError: the clip cannot be decoded, or has fewer than two frames.
        """
        passes = {metric: self._begin(metric) for metric in (self.metrics if metrics is None else metrics)}
        matcher = self._matcher(passes)
        # Where the flow is there, its acceleration costs next to nothing and is a component of the motion score.
        with_runs = Metric.MOTION in passes or any(self.profile.looks_at_runs(metric) for metric in passes)
        finder = RunFinder() if with_runs else None
        small = Spool()
        index: list[int] = []
        shape = 1.0
        for chunk in chunks:
            shape = chunk.shape
            link = _links(chunk, index)
            index += chunk.index.tolist()
            size = self.profile.long_side
            rgb = shrink(chunk.rgb, size) if size else chunk.rgb
            if self.profile.evidence:
                small.append(torch.from_numpy(shrink(rgb, SIDE)))
            for frames in self._on_device(rgb, chunk.index, link, matcher, finder):
                for metric_pass in passes.values():
                    metric_pass.update(frames)
        if len(index) < 2:
            raise ClipError(f"it has {len(index)} frame{'' if len(index) == 1 else 's'}; at least 2 are needed")
        scores = {metric: metric_pass.compute() for metric, metric_pass in passes.items()}
        evidence = {}
        if self.profile.evidence:
            worst = {metric: _worst(score) for metric, score in scores.items()}
            evidence = {
                metric: self._panel(metric, passes[metric].moment(index.index(frame_index)), small, shape)
                for metric, frame_index in worst.items()
                if frame_index is not None
            }
        return ClipScores(scores=scores, embeddings=self._embeddings(passes, index), evidence=evidence)

    def _on_device(
        self,
        images: npt.NDArray[np.uint8],
        frame_indices: npt.NDArray[np.int32],
        links: npt.NDArray[np.uint8],
        matcher: Matcher | None,
        finder: RunFinder | None,
    ) -> Iterator[Frames]:
        """Yield the frames of a chunk, as many at a time as fit on the device."""
        rgb, index, link = (torch.from_numpy(array) for array in (images, frame_indices, links))
        pixels = AT_ONCE.get(torch.device(self.device).type, AT_ONCE["cpu"])
        step = max(1, pixels // (rgb.shape[1] * rgb.shape[2]))
        for start in range(0, len(rgb), step):
            part = slice(start, start + step)
            moved, matches = rgb[part].to(self.device), None
            if matcher is not None:
                planes = moved.permute(0, 3, 1, 2).contiguous().float().div_(255)
                matches = matcher.match(planes, index[part], link[part])
            runs = finder.find(matches) if finder is not None and matches is not None else None
            yield Frames(rgb=moved, frame_indices=index[part], link=link[part], matches=matches, runs=runs)

    def _matcher(self, passes: Iterable[Metric]) -> Matcher | None:
        """Return the matcher that estimates the flow of the frames; None if no metric needs it."""
        profile = self.profile
        backward = []
        if Metric.MOTION in passes:
            backward.append(profile.motion.metric == "warp_error" and profile.motion.occlusion)
        if Metric.SPATIAL in passes and profile.depth.flow_on == "rgb":
            backward.append(profile.spatial.occlusion)
        if Metric.SPATIAL in passes and profile.spatial.scaling:
            backward.append(False)
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

    def _panel(self, metric: Metric, moment: Moment, small: Spool, shape: float) -> bytes:
        frames = torch.cat([small[place : place + 1] for place in moment.places])
        return panel(metric, frames.to(self.device), moment.maps, self._models.get("flow"), shape=shape)

    def _embeddings(self, passes: dict[Metric, MetricPass], index: list[int]) -> dict[str, Vectors]:
        appearance, model = passes.get(Metric.APPEARANCE), self.profile.background.backend
        vectors = appearance.vectors() if appearance is not None and BACKENDS[model].keep_vectors else None
        return {} if vectors is None else {model: Vectors(frames=index, vectors=vectors.half().cpu().numpy())}


def _links(chunk: Chunk, before: list[int]) -> npt.NDArray[np.uint8]:
    """Return the link of each frame of the chunk; without links, frames with consecutive indices are pairs."""
    if chunk.link is not None:
        return chunk.link
    indices = np.concatenate([before[-1:] or [-2], chunk.index])
    return np.where(indices[1:] == indices[:-1] + 1, Link.STEP, Link.NONE).astype(np.uint8)


def _worst(score: Score) -> int | None:
    """Return the index of the frame at which the trace is highest; None if there is no score."""
    known = [(value, -frame) for value, frame in zip(score.trace, score.frames, strict=True) if value is not None]
    return -max(known)[1] if known and score.value is not None else None
