"""Adjacent frames and the flow between them, each frame encoded once and each flow estimated once."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hfv_builder.backends.base import Features, FlowModel
from hfv_builder.frames.resize import enlarged
from hfv_builder.frames.steps import Link
from hfv_builder.metrics.warping import visible


@dataclass(frozen=True, kw_only=True)
class Matches:
    """Some pairs of adjacent frames and the flow between them."""

    first: Tensor
    """(k, C, H, W) float32 in [0, 1]."""
    second: Tensor
    """(k, C, H, W) float32 in [0, 1]."""
    forward: Tensor | None
    """(k, 2, h, w) float32, flow from first to second in pixels of its own size; None if k is 0."""
    backward: Tensor | None
    """The same from second to first; None if it is not wanted."""
    frame_indices: list[int]
    """The index of each first frame in the clip."""
    places: list[int]
    """The place of each first frame among those added."""
    links: list[int]
    """The `Link` of each pair, `STEP` or `RUN`."""

    def steps(self) -> "Matches":
        """The pairs that are compared."""
        at = [i for i, link in enumerate(self.links) if link == Link.STEP]
        if len(at) == len(self.links):
            return self
        return Matches(
            first=self.first[at],
            second=self.second[at],
            forward=None if self.forward is None or not at else self.forward[at],
            backward=None if self.backward is None or not at else self.backward[at],
            frame_indices=[self.frame_indices[i] for i in at],
            places=[self.places[i] for i in at],
            links=[self.links[i] for i in at],
        )

    def flow(self, size: tuple[int, int]) -> Tensor:
        """Flow from first to second, (k, 2, H, W), in pixels of this size; k must not be 0."""
        if self.forward is None:
            raise ValueError("there are no pairs")
        return enlarged(self.forward, size)

    def compared(self, size: tuple[int, int], *, occlusion: bool) -> tuple[Tensor, Tensor | None]:
        """Flow from first to second as `flow` gives it, and the pixels of each first frame to compare, (k, H, W) bool.

        Args:
            occlusion: compare only what the second frame shows too, which needs backward flow; else all: None. Where
                backward flow is not finite nothing would seem to be shown: the flow of such a pair becomes NaN.
        """
        flow = self.flow(size)
        if not occlusion:
            return flow, None
        if self.backward is None:
            raise ValueError("there is no backward flow")
        backward = enlarged(self.backward, size)
        valid = backward.isfinite().flatten(1).all(dim=1)
        return flow.where(valid[:, None, None, None], torch.nan), visible(flow, backward)


class Matcher:
    """Goes through a clip and matches every frame with the next, across the borders of what is added at once."""

    def __init__(self, flow: FlowModel, *, backward: bool) -> None:
        """Args:
        backward: whether flow is wanted in both directions.
        """
        self._flow, self._backward = flow, backward
        self._last: tuple[Tensor, Features, Tensor] | None = None
        self._count = 0

    def match(self, images: Tensor, frame_indices: Tensor, link: Tensor) -> Matches:
        """The pairs that these frames complete; a frame without a link to the one before it completes none.

        Args:
            images: (n, C, H, W) float32 in [0, 1], the next frames.
            frame_indices: (n,) int32, their indices in the clip.
            link: (n,) uint8, their `Link`.
        """
        offset = self._count - 1
        self._count += len(frame_indices)
        features = self._flow.encode(images)
        if self._last is not None:
            before, before_features, before_indices = self._last
            images, frame_indices = torch.cat([before, images]), torch.cat([before_indices, frame_indices])
            features = tuple(torch.cat(both) for both in zip(before_features, features, strict=True))
        else:
            link, offset = link[1:], 0
        # Clones: a view of the last frame would keep all of them in memory.
        self._last = (images[-1:].clone(), tuple(each[-1:].clone() for each in features), frame_indices[-1:])
        follows = link != Link.NONE
        found = torch.nonzero(follows).flatten()
        at: Tensor | slice = found
        after: Tensor | slice = found + 1
        if bool(follows.all()):  # as in most clips; slices copy nothing
            at, after = slice(0, -1), slice(1, None)
        first, second = tuple(each[at] for each in features), tuple(each[after] for each in features)
        some = bool(follows.any())
        return Matches(
            first=images[at],
            second=images[after],
            forward=self._flow.flow(first, second) if some else None,
            backward=self._flow.flow(second, first) if some and self._backward else None,
            frame_indices=frame_indices[at].tolist(),
            places=(found + offset).tolist(),
            links=link[found].tolist(),
        )
