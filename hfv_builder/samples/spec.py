"""What there is to know about one sample clip before it is rendered."""

from dataclasses import dataclass

from hfv_builder.samples.actions import ACTIONS
from hfv_builder.samples.anomalies import CLEAN, FAMILIES, kinds_of

MIN_SIDE, MIN_FRAMES = 32, 5
"""Below these, nothing recognisable fits in."""


@dataclass(frozen=True, kw_only=True)
class SampleSpec:
    """One sample clip: where it goes, what it shows, what is wrong with it, and its format.

    `family` is `clean` or a key of `anomalies.FAMILIES`, `kind` one of that family's kinds (`none` for clean),
    `severity` 0 to 1, `seed` a non-negative integer, sizes in pixels, `fps` frames a second.
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
        """Raise ValueError for what cannot be rendered."""
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
