"""Frames that tell nothing of their source by size, rate or length."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from hfv_builder.frames.facts import read_timeline
from hfv_builder.frames.video import Frame, frames
from hfv_builder.records import ClipError
from hfv_builder.release.encoding import Uniform
from hfv_builder.release.regions import Crop, Size, crop_of

RGB = npt.NDArray[np.uint8]


class LeftOut(ClipError):
    """A clip that cannot become what the others are: the release lists it with this sentence and goes on."""


def uniform_frames(path: Path, how: Uniform) -> Iterator[Frame]:
    """Yield the frames of a clip, as many and as large as `how` says, of square pixels.

    Raises:
        LeftOut: there are too few, or one cannot be decoded.
        ClipError: it is no video.
    """
    chosen = choose_frames(read_timeline(path).times, fps=how.fps, count=how.frames)
    count = 0
    for frame in frames(path, only={*chosen}):
        yield Frame(rgb=fitted(frame.rgb, how, frame.shape), index=count)
        count += 1
    if count < how.frames:
        raise LeftOut(f"{how.frames - count} of the {how.frames} frames that are needed cannot be decoded")


def choose_frames(times: npt.NDArray[np.float64], *, fps: float, count: int) -> list[int]:
    """Return the numbers of the frames nearest to 0, 1/fps, …, (count - 1)/fps seconds.

    Args:
        times: (n,) seconds from the first frame, ascending.

    Raises:
        LeftOut: two would be the same, the clip ends before, or the frames have no times.
    """
    if not len(times) or np.isnan(times).any():
        raise LeftOut("its frames have no times")
    wanted = np.arange(count) / fps
    after = np.clip(np.searchsorted(times, wanted), 1, max(1, len(times) - 1))
    before = after - 1
    after = np.minimum(after, len(times) - 1)
    chosen = np.where(wanted - times[before] <= times[after] - wanted, before, after)
    if len({*chosen.tolist()}) < count or wanted[-1] - times[-1] > 0.5 / fps:
        seconds = f"{times[-1]:.2f} s"
        raise LeftOut(
            f"it is too short: it has no {count} different frames at {fps:g} a second (the last is at {seconds})"
        )
    return [int(number) for number in chosen]


def fitted(rgb: RGB, how: Uniform, shape: float = 1.0) -> RGB:
    """Return the frame, (H, W, 3), cropped and scaled to the size of `how`.

    Pillow's bicubic filter: it averages when it shrinks, and counts in integers, so processors do not differ.

    Args:
        shape: width of its pixels over their height.
    """
    height, width = rgb.shape[:2]
    crop = uniform_crop((width, height), how, shape)
    return np.asarray(Image.fromarray(rgb).resize(how.size, Image.Resampling.BICUBIC, box=crop.corners))


def uniform_crop(size: Size, how: Uniform, shape: float) -> Crop:
    """Return the part of a frame of this size that is kept; arguments as for `fitted`."""
    return crop_of(size, (how.size[0] / shape, how.size[1]))
