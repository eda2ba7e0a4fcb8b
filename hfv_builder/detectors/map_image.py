"""Draw the frames of a clip, and below each frame the same frame with the map of a detector."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from hfv_builder.storage.part_file import part_file

COLUMNS = 8
"""Frames side by side."""
GAP = 4
"""Pixels between frames."""
STRENGTH = 0.65
"""Opacity of the largest value of a map."""


def write_maps(path: Path, images: npt.NDArray[np.uint8], maps: npt.NDArray[np.float32]) -> None:
    """Write frames and maps as one WebP, atomically.

    Args:
        path: the file.
        images: (n, H, W, 3) RGB.
        maps: (n, H, W) in [0, 1].
    """
    count, height, width = maps.shape
    columns = min(COLUMNS, count)
    rows = -(-count // columns)
    canvas = np.full((rows * 2 * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3), 255, np.uint8)
    for place in range(count):
        row, column = divmod(place, columns)
        top, left = row * 2 * (height + GAP), column * (width + GAP)
        for image in (images[place], overlaid(images[place], maps[place])):
            canvas[top : top + height, left : left + width] = image
            top += height + GAP
    with part_file(path) as part:
        Image.fromarray(canvas).save(part, "WEBP", quality=85, method=4)


def overlaid(image: npt.NDArray[np.uint8], heat: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Return a frame in grey with its map in colours, (H, W, 3) uint8."""
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    colours = cv2.applyColorMap(np.rint(255 * heat).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    share = STRENGTH * heat[..., None]
    return np.asarray(np.rint((1 - share) * grey + share * colours), np.uint8)
