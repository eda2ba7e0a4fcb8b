"""The three kinds of model behind the scores. `registry` knows which there are."""

from typing import Protocol

from torch import Tensor

Features = tuple[Tensor, ...]
"""What a flow backend knows of some frames; the first axis of each tensor counts the frames."""


class FlowModel(Protocol):
    """Optical flow. A frame is encoded once, however many flows it takes part in."""

    def encode(self, frames: Tensor) -> Features:
        """What `flow` needs of each frame: (n, C, H, W) float32 in [0, 1], C = 1 or 3."""

    def flow(self, first: Features, second: Features) -> Tensor:
        """Flow from each first to its second frame, (n, 2, h, w) float32, at the size at which it was estimated and in
        pixels of that size: the frames' own, or smaller. See `frames.resize.enlarged`.
        """


class Pass(Protocol):
    """One pass of a model over a clip: frames go in as they are decoded, the result comes out at the end."""

    def add(self, frames: Tensor) -> None:
        """Take the next frames: (n, H, W, 3) uint8 RGB."""

    def result(self) -> Tensor:
        """What the model makes of all frames added, in their order, the frame being the first axis."""


class Maps(Protocol):
    """A map for every frame of a clip; a `Tensor` is one, and so is a `Spool`, which need not be in memory."""

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, part: slice) -> Tensor:
        """Those of the slice: (n, h, w) float32."""


class DepthPass(Protocol):
    """One pass of a depth model over a clip."""

    def add(self, frames: Tensor) -> None:
        """Take the next frames: (n, H, W, 3) uint8 RGB."""

    def result(self) -> Maps:
        """A map for every frame added, in their order: (T, h, w) float32, larger = nearer."""


class DepthModel(Protocol):
    """Inverse depth maps."""

    def begin(self) -> DepthPass:
        """Start on a clip."""


class EmbeddingModel(Protocol):
    """A vector for every frame: `result` is (T, D) float32, L2-normalised."""

    def begin(self) -> Pass:
        """Start on a clip."""
