"""The moving examples in the guide of the review: two clips of each family of anomalies, cut close to the person."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hfv_builder.samples.encode import write_h264
from hfv_builder.samples.render import render_frames
from hfv_builder.samples.spec import SampleSpec

QUANTISER = 31
"""Coarser than that of the sample clips: an example is loaded over any network and shown small."""
FPS = 16
FRAMES = 40
WIDTH, HEIGHT = 400, 300
"""Size at which examples are rendered, in pixels."""
LEFT, TOP, CROPPED_WIDTH, CROPPED_HEIGHT = 48, 64, 304, 228
"""The part of the frame that is kept."""


def _example(family: str, kind: str, action: str, seed: int) -> SampleSpec:
    size = {"width": WIDTH, "height": HEIGHT, "fps": FPS, "num_frames": FRAMES}
    return SampleSpec(
        generator="guide", file="", family=family, kind=kind, action=action, severity=1.0, seed=seed, **size
    )


EXAMPLES: Mapping[str, SampleSpec] = {
    "spatial-1.mp4": _example("spatial", "sinking", "drum", 1),
    "spatial-2.mp4": _example("spatial", "object_scale", "jump", 2),
    "appearance-1.mp4": _example("appearance", "identity", "walk", 3),
    "appearance-2.mp4": _example("appearance", "object", "juggle", 4),
    "motion-1.mp4": _example("motion", "spin", "dribble", 5),
    "motion-2.mp4": _example("motion", "bend", "walk", 8),
}
"""File names and clips."""


def example_frames(spec: SampleSpec) -> npt.NDArray[np.uint8]:
    """Return the frames of an example, (n, h, w, 3) uint8 RGB."""
    frames = render_frames(spec)
    return frames[:, TOP : TOP + CROPPED_HEIGHT, LEFT : LEFT + CROPPED_WIDTH]


def write_examples(folder: str | Path) -> None:
    """Write all examples into a folder; the same encoder writes the same bytes."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, spec in EXAMPLES.items():
        write_h264(folder / name, example_frames(spec), fps=FPS, quantiser=QUANTISER, preset="slow")
