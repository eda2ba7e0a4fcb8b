"""The specification of one sample clip."""

from dataclasses import dataclass

from hfv_builder.samples.actions import ACTIONS
from hfv_builder.samples.anomalies import CLEAN, FAMILIES, kinds_of

MIN_SIDE, MIN_FRAMES = 32, 5
"""Smallest size in pixels and smallest number of frames of a recognisable clip."""


@dataclass(frozen=True, kw_only=True)
class SampleSpec:
    """One sample clip: its file, content, anomaly and format.

    `family` is `clean` or a key of `anomalies.FAMILIES`, `kind` one of its kinds (`none` for clean), `severity` is in
    [0, 1], `seed` a non-negative integer, `width` and `height` are in pixels, `fps` in frames per second.
    """

    generator: str
    file: str
    family: str
    kind: str
    action: str
    severity: float
    seed: int
    width: int = 320
    height: int = 240
    fps: int = 16
    num_frames: int = 36

    def __post_init__(self) -> None:
        """Check the fields.

        Raises:
            ValueError: a field is out of range.
        """
        if self.family != CLEAN and self.family not in FAMILIES:
            raise ValueError(f"family {self.family!r} is none of {', '.join((CLEAN, *FAMILIES))}")
        if self.kind not in kinds_of(self.family):
            raise ValueError(f"kind {self.kind!r} is none of {self.family}: {', '.join(kinds_of(self.family))}")
        if self.action not in ACTIONS:
            raise ValueError(f"action {self.action!r} is none of {', '.join(ACTIONS)}")
        if not 0 <= self.severity <= 1:
            raise ValueError(f"severity {self.severity} is not between 0 and 1")
        if self.width % 2 or self.height % 2 or min(self.width, self.height) < MIN_SIDE:
            raise ValueError(f"size {self.width}x{self.height} is not even and at least {MIN_SIDE} a side")
        if self.num_frames < MIN_FRAMES or self.fps < 1 or self.seed < 0:
            raise ValueError(
                f"{self.num_frames} frames at {self.fps} fps with seed {self.seed}: "
                f"needs at least {MIN_FRAMES} frames, 1 fps and a seed that is not negative"
            )
