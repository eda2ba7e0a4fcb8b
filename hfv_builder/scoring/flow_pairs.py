"""Pairs of adjacent frames and their optical flow. Every frame is encoded once and every flow is estimated once."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from hfv_builder.backends.base import Features, FlowModel
from hfv_builder.frames.resize import enlarged
from hfv_builder.frames.steps import Link
from hfv_builder.metrics.warping import finite, visible

AT_ONCE = 1 << 17
"""Number of pixels that are compared in one call on a CPU."""


@dataclass(frozen=True, kw_only=True)
class Matches:
    """k pairs of adjacent frames and the flow between them."""

    first: Tensor
    """(k, C, H, W) float32 in [0, 1]."""
    second: Tensor
    """(k, C, H, W) float32 in [0, 1]."""
    forward: Tensor | None
    """(k, 2, h, w) float32, flow from first to second in pixels of an (h, w) image; None if k = 0."""
    backward: Tensor | None
    """The flow from second to first; None if k = 0 or it is not estimated."""
    frame_indices: list[int]
    """The index of each first frame in the clip."""
    places: list[int]
    """The position of each first frame among all frames that were passed to `Matcher.match`."""
    links: list[int]
    """The `Link` of each pair, `STEP` or `RUN`."""

    def steps(self) -> "Matches":
        """Return the pairs with link `STEP`, which are compared."""
        indices = [i for i, link in enumerate(self.links) if link == Link.STEP]
        return self if len(indices) == len(self.links) else self._some(indices)

    def parts(self) -> Iterator["Matches"]:
        """Yield the pairs in order: all at once, but on a CPU only as many as fit into its caches."""
        pixels = self.first.shape[-2] * self.first.shape[-1]
        size = max(1, AT_ONCE // pixels) if self.first.device.type == "cpu" else len(self.links) or 1
        for start in range(0, len(self.links), size):
            yield self._some(slice(start, start + size))

    def _some(self, pairs: slice | list[int]) -> "Matches":
        def chosen(values: list[int]) -> list[int]:
            return values[pairs] if isinstance(pairs, slice) else [values[i] for i in pairs]

        links = chosen(self.links)
        return Matches(
            first=self.first[pairs],
            second=self.second[pairs],
            forward=self.forward[pairs] if self.forward is not None and links else None,
            backward=self.backward[pairs] if self.backward is not None and links else None,
            frame_indices=chosen(self.frame_indices),
            places=chosen(self.places),
            links=links,
        )

    def flow(self, size: tuple[int, int]) -> Tensor:
        """Return the flow from first to second, (k, 2, H, W), in pixels of an image of this (H, W); requires k > 0."""
        if self.forward is None:
            raise ValueError("there are no pairs")
        return enlarged(self.forward, size)

    def unscaled(self) -> tuple[Tensor, Tensor]:
        """Return the flow at the size at which it was estimated, in its own pixels and in those of the frames.

        Both are (k, 2, h, w); requires k > 0.
        """
        if self.forward is None:
            raise ValueError("there are no pairs")
        (height, width), (rows, columns) = self.first.shape[-2:], self.forward.shape[-2:]
        if (height, width) == (rows, columns):
            return self.forward, self.forward
        factors = self.forward.new_tensor([width / columns, height / rows])
        return self.forward, self.forward * factors[:, None, None]

    def compared(self, size: tuple[int, int], *, occlusion: bool) -> tuple[Tensor, Tensor | None]:
        """Return the flow from first to second, and the mask of the pixels to compare; requires k > 0.

        Args:
            size: (H, W) of the result.
            occlusion: whether only pixels that are visible in the second frame are compared. This needs backward flow.

        Returns:
            (k, 2, H, W) flow in pixels, NaN for a pair whose backward flow is not finite (its empty mask would hide
            the error), and (k, H, W) bool, or None without `occlusion`.
        """
        flow = self.flow(size)
        if not occlusion:
            return flow, None
        if self.backward is None:
            raise ValueError("there is no backward flow")
        valid = finite(self.backward)[:, None, None, None]
        return flow.where(valid, torch.nan), visible(flow, enlarged(self.backward, size))


class Matcher:
    """Pair every frame of a clip with the next one, including pairs that span two calls of `match`."""

    def __init__(self, flow: FlowModel, *, backward: bool) -> None:
        """Make a matcher for one clip.

        Args:
            flow: the flow model.
            backward: whether the flow from second to first is estimated too.
        """
        self._flow, self._backward = flow, backward
        self._last: tuple[Tensor, Features, Tensor] | None = None
        self._count = 0

    def match(self, images: Tensor, frame_indices: Tensor, link: Tensor) -> Matches:
        """Return the pairs whose second frame is one of these; a frame without a link to the previous one has no pair.

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
            features = tuple(torch.cat(parts) for parts in zip(before_features, features, strict=True))
        else:
            link, offset = link[1:], 0
        # Cloned, because a view of the last frame would keep the whole batch in memory.
        self._last = (images[-1:].clone(), tuple(tensor[-1:].clone() for tensor in features), frame_indices[-1:])
        linked = link != Link.NONE
        indices = torch.nonzero(linked).flatten()
        before_pair: Tensor | slice = indices
        after_pair: Tensor | slice = indices + 1
        if bool(linked.all()):  # the usual case; slices copy nothing
            before_pair, after_pair = slice(0, -1), slice(1, None)
        first, second = (tuple(tensor[side] for tensor in features) for side in (before_pair, after_pair))
        any_linked = bool(linked.any())
        return Matches(
            first=images[before_pair],
            second=images[after_pair],
            forward=self._flow.flow(first, second) if any_linked else None,
            backward=self._flow.flow(second, first) if any_linked and self._backward else None,
            frame_indices=frame_indices[before_pair].tolist(),
            places=(indices + offset).tolist(),
            links=link[indices].tolist(),
        )
