"""What variants of an evaluation set do to each frame."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from hfv_builder.records import UsageError

RGB = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Operation:
    """One step."""

    kind: Literal["blur", "jpeg", "resize"]
    value: float
    """Sigma in pixels of a Gaussian blur, quality of a JPEG file (0 to 100), or the factor of a resize."""

    def __call__(self, rgb: RGB) -> RGB:
        """Return the frame, (H, W, 3), after the step."""
        if self.kind == "blur":
            return np.asarray(cv2.GaussianBlur(rgb, (0, 0), self.value), np.uint8)
        if self.kind == "resize":
            height, width = (max(1, round(side * self.value)) for side in rgb.shape[:2])
            # Linear, as OpenCV's default, and exact, so that processors do not differ.
            return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_LINEAR_EXACT), np.uint8)
        return compressed(rgb, int(self.value))

    def __str__(self) -> str:
        """Return the name that the card uses."""
        names = {"blur": "Gaussian blur, σ = {:g} px", "jpeg": "JPEG, Q = {:g}", "resize": "resize by {:g}, linear"}
        return names[self.kind].format(self.value)


def compressed(rgb: RGB, quality: int) -> RGB:
    """Return an image, (H, W, 3), as it is after JPEG of this quality, 0 to 100."""
    # Both OpenCV and Pillow bring libjpeg-turbo, and give the same pixels; OpenCV copies less.
    _, file = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR_RGB), np.uint8)


Operations = tuple[Operation, ...]
BLUR, JPEG, RESIZE = Operation("blur", 3), Operation("jpeg", 50), Operation("resize", 0.7)
VARIANTS: dict[str, Operations] = {
    "control": (),
    "blur3": (BLUR,),
    "jpeg50": (JPEG,),
    "jpeg90": (Operation("jpeg", 90),),
    "resize0.7": (RESIZE,),
    "mixed": (BLUR, JPEG, RESIZE),
}
"""By name, in the order of the steps."""


def apply_all(rgb: RGB, wanted: Iterable[Operations]) -> dict[Operations, RGB]:
    """Return the frame after each of these sequences of steps; what sequences begin with in common is done once."""
    done: dict[Operations, RGB] = {(): rgb}

    def after(operations: Operations) -> RGB:
        if operations not in done:
            *before, last = operations
            done[operations] = last(after(tuple(before)))
        return done[operations]

    return {operations: after(operations) for operations in wanted}


def variants_of(text: str) -> tuple[str, ...]:
    """Return the names in a comma-separated list, in the order of `VARIANTS`; nothing for an empty one.

    Raises:
        UsageError: one is not known.
    """
    names = {name.strip() for name in text.split(",")} - {""}
    if unknown := sorted(names - VARIANTS.keys()):
        raise UsageError(f"there is no variant {', '.join(unknown)}: choose from {', '.join(VARIANTS)}")
    return tuple(name for name in VARIANTS if name in names)
