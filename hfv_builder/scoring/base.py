"""The interface of the metrics, and the frames that are passed to them."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from torch import Tensor

from hfv_builder.scoring.flow_pairs import Matches
from hfv_builder.scoring.runs import Runs
from hfv_builder.scoring.score import Score

AT_ONCE = {"cpu": 4 << 20, "cuda": 16 << 20}
"""Number of pixels that are warped and compared in one call; a pixel takes up to 100 bytes of memory."""


@dataclass(frozen=True, kw_only=True)
class Frames:
    """The next frames of a clip, on the device."""

    rgb: Tensor
    """(n, H, W, 3) uint8."""
    frame_indices: Tensor
    """(n,) int32 on the CPU, the index of each frame in the clip."""
    link: Tensor
    """(n,) uint8 on the CPU, the `Link` of each frame to the one before it."""
    matches: Matches | None
    """The pairs whose second frame is one of these; None if no metric uses the flow of the frames."""
    runs: Runs | None
    """The runs of three whose last frame is one of these; None if no metric uses the flow acceleration."""


class Moment(NamedTuple):
    """The frames behind one value of a metric's trace, and for the spatial metric their depth maps."""

    places: list[int]
    """Positions of the frames among all frames that were passed to `update`."""
    maps: Tensor | None = None
    """(2, h, w) float32, the depth maps that were compared."""


class MetricPass(Protocol):
    """One metric over one clip: call `update` with the frames in order, then `compute` once."""

    def update(self, frames: Frames) -> None:
        """Accumulate the next frames."""

    def compute(self) -> Score:
        """Return the score of all frames."""

    def moment(self, place: int) -> Moment:
        """Return the step whose trace value belongs to frame `place` of those passed to `update`, after `compute`."""
        return Moment([place, place + 1])

    def vectors(self) -> Tensor | None:
        """Return one vector per frame, (T, D) float32, L2-normalised; None if the metric computes no vectors."""
        return None


def image_size(images: Tensor) -> tuple[int, int]:
    """Return (H, W) of images whose last two axes are height and width."""
    return images.shape[-2], images.shape[-1]
