"""The appearance metric: how much the embeddings of the frames change over a clip."""

import math

import torch
from torch import Tensor

from hfv_builder.backends.base import EmbeddingModel
from hfv_builder.frames.steps import Link
from hfv_builder.metrics.consistency import consistency, inconsistency
from hfv_builder.metrics.pooling import pool
from hfv_builder.scoring.base import Frames, MetricPass, Moment
from hfv_builder.scoring.score import NO_PAIR, Score, score_of


class AppearancePass(MetricPass):
    """Appearance score 1 − ½ (C_background + C_subject) with VBench's consistency C. Keeps one vector per frame."""

    def __init__(self, background: EmbeddingModel, subject: EmbeddingModel) -> None:
        self._background, self._subject = background.begin(), subject.begin()
        self._frame_indices: list[Tensor] = []
        self._link: list[Tensor] = []
        self._vectors: Tensor | None = None

    def update(self, frames: Frames) -> None:
        """Accumulate the next frames."""
        self._background.update(frames.rgb)
        self._subject.update(frames.rgb)
        self._frame_indices.append(frames.frame_indices)
        self._link.append(frames.link)

    def compute(self) -> Score:
        """Return the score of all frames; the trace has a value for the second frame of every pair."""
        compared = torch.cat(self._link)[1:] == Link.STEP
        self._vectors = self._background.compute()
        vectors = (self._vectors, self._subject.compute())
        background, subject = (consistency(features).cpu()[compared] for features in vectors)
        trace = inconsistency(background, subject).tolist()
        if not trace:
            return Score(error=NO_PAIR)
        if any(map(math.isnan, trace)):
            return Score(error="an embedding of its frames is not finite")
        components = {"background": background.mean().item(), "subject": subject.mean().item()}
        frame_indices = torch.cat(self._frame_indices)[1:][compared].tolist()
        return score_of(trace, frame_indices, pool(trace, "mean"), components)

    def moment(self, place: int) -> Moment:
        """Return the first frame of the clip, frame `place` − 1 and frame `place`."""
        return Moment([0, place - 1, place])

    def vectors(self) -> Tensor | None:
        """Return the vectors of the background model, (T, D) float32, L2-normalised. Call after `compute`."""
        return self._vectors
