"""Protocols of the three kinds of models: flow, depth and embedding. `specs` lists the implementations.

They move the frames that they are given to their own device; what they return is there.
"""

from typing import Protocol

from torch import Tensor

Features = tuple[Tensor, ...]
"""The output of `FlowModel.encode`. The first axis of every tensor is the frame."""


class FlowModel(Protocol):
    """Optical flow in two steps, so that every frame is encoded only once for all its flows."""

    def encode(self, frames: Tensor) -> Features:
        """Return the features that `flow` needs of these frames.

        Args:
            frames: (n, C, H, W) float32 in [0, 1], C = 1 or 3.
        """

    def flow(self, first: Features, second: Features) -> Tensor:
        """Return the flow from each first frame to the second, (n, 2, h, w) float32, in pixels of an (h, w) image.

        (h, w) is the size at which the flow is estimated, at most that of the frames. `frames.resize.enlarged` scales
        it to another size.
        """


class Pass(Protocol):
    """One pass of a model over a clip: call `update` with the frames in order, then `compute` once."""

    def update(self, frames: Tensor) -> None:
        """Accumulate the next frames: (n, H, W, 3) uint8 RGB."""

    def compute(self) -> Tensor:
        """Return the output for all frames; the first axis is the frame."""


class Maps(Protocol):
    """One map per frame of a clip, such as a `Tensor`, or a `Spool`, which can be on disk."""

    def __len__(self) -> int:
        """Return the number of maps."""

    def __getitem__(self, part: slice) -> Tensor:
        """Return the maps of the slice: (n, h, w) float32."""


class DepthPass(Protocol):
    """One pass of a depth model over a clip."""

    def update(self, frames: Tensor) -> None:
        """Accumulate the next frames: (n, H, W, 3) uint8 RGB."""

    def compute(self) -> Maps:
        """Return one inverse depth map per frame, (T, h, w) float32; larger = nearer."""


class DepthModel(Protocol):
    """A model that computes inverse depth maps."""

    def begin(self) -> DepthPass:
        """Return a new pass for one clip."""


class EmbeddingModel(Protocol):
    """A model that computes one vector per frame: `compute` returns (T, D) float32, L2-normalised."""

    def begin(self) -> Pass:
        """Return a new pass for one clip."""
