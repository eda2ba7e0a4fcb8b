"""The three kinds of model behind the scores. `registry` knows which there are."""

from typing import Protocol

from torch import Tensor

Features = tuple[Tensor, ...]
"""What a flow backend computes once per frame; the first axis of every tensor counts the frames."""


class FlowModel(Protocol):
    """Optical flow. A frame is encoded once, however many flows it takes part in."""

    def encode(self, frames: Tensor) -> Features:
        """Return the features that `flow` needs of the frames: (n, C, H, W) float32 in [0, 1], C = 1 or 3."""

    def flow(self, first: Features, second: Features) -> Tensor:
        """Return the flow from every first frame to its second, (n, 2, h, w) float32, in pixels of its own size.

        That size is the one at which it was estimated: the frames' own, or smaller. See `frames.resize.enlarged`.
        """


class Pass(Protocol):
    """One pass of a model over a clip: call `update` with the frames in order, then `compute` once."""

    def update(self, frames: Tensor) -> None:
        """Accumulate the next frames: (n, H, W, 3) uint8 RGB."""

    def compute(self) -> Tensor:
        """Return the output for all frames, in their order; the first axis counts the frames."""


class Maps(Protocol):
    """A map for every frame of a clip; a `Tensor` is one, and so is a `Spool`, which need not be in memory."""

    def __len__(self) -> int:
        """Return the number of maps."""

    def __getitem__(self, part: slice) -> Tensor:
        """Return the maps of the slice: (n, h, w) float32."""


class DepthPass(Protocol):
    """One pass of a depth model over a clip."""

    def update(self, frames: Tensor) -> None:
        """Accumulate the next frames: (n, H, W, 3) uint8 RGB."""

    def compute(self) -> Maps:
        """Return a map for every frame, in their order: (T, h, w) float32, larger = nearer."""


class DepthModel(Protocol):
    """Inverse depth maps."""

    def begin(self) -> DepthPass:
        """Start a clip."""


class EmbeddingModel(Protocol):
    """A vector for every frame: `compute` returns (T, D) float32, L2-normalised."""

    def begin(self) -> Pass:
        """Start a clip."""
