"""Frames of one clip of every class and generator, for people to look at."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from hfv_builder.frames.display import display_size
from hfv_builder.frames.facts import read_timeline
from hfv_builder.frames.video import frames
from hfv_builder.records import ClipError, Label

COLUMNS = 4
"""Frames of a clip."""
REAL_CLIPS = 3
"""Clips of a real source: as many as a generator has labels."""
SIZE = (168, 112)
"""Pixels of a frame, width and height."""
GAP = 2
RGB = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A clip that stands for its class."""

    generator: str
    label: str
    clip_id: str
    path: str
    """Of its file, relative to the release."""


def choose(clips: pd.DataFrame) -> list[Sheet]:
    """Return one clip for each generator and label: the most anomalous of its class; of a real source the first by id.

    Args:
        clips: columns generator, label, clip_id, class_rank and path.
    """
    ordered = clips.sort_values(["generator", "label", "class_rank", "clip_id"])
    sheets = []
    for _, own in ordered.groupby(["generator", "label"], sort=True):
        label = Label(own["label"].iloc[0])
        count = REAL_CLIPS if label is Label.REAL else 1
        for generator, clip_id, path in own[["generator", "clip_id", "path"]].head(count).itertuples(index=False):
            sheets.append(Sheet(generator=generator, label=str(label), clip_id=clip_id, path=path))
    return sheets


def draw(sheets: Iterable[Sheet], files: Mapping[str, Path], *, threads: int = 2) -> dict[Sheet, RGB]:
    """Return an image of each clip: a row of frames spread evenly over it, (H, W, 3).

    Args:
        files: where the clips are, by path relative to the release; those of others are left out.
    """
    there = [sheet for sheet in sheets if sheet.path in files]
    with ThreadPoolExecutor(threads) as pool:
        images = list(pool.map(lambda sheet: _strip(files[sheet.path]), there))
    return {sheet: image for sheet, image in zip(there, images, strict=True) if image is not None}


def _strip(path: Path) -> RGB | None:
    """Return frames of a clip side by side; None if it cannot be decoded."""
    try:
        places = np.linspace(0, len(read_timeline(path)) - 1, COLUMNS).round().astype(int).tolist()
        kept = {frame.index: _fitted(frame.rgb, frame.shape) for frame in frames(path, only=places)}
    except ClipError:
        return None
    if not kept:
        return None
    gap = np.full((SIZE[1], GAP, 3), 255, np.uint8)
    nearest = [min(kept, key=lambda index: abs(index - place)) for place in places]
    parts = [part for index in nearest for part in (kept[index], gap)]
    return np.concatenate(parts[:-1], axis=1)


def _fitted(rgb: RGB, shape: float) -> RGB:
    """Return the frame scaled into `SIZE` as it is shown, on white.

    Args:
        shape: width of its pixels over their height.
    """
    height, width = rgb.shape[:2]
    height, width = display_size(height, width, shape)
    scale = min(SIZE[0] / width, SIZE[1] / height)
    inner = max(1, round(width * scale)), max(1, round(height * scale))
    image = np.full((SIZE[1], SIZE[0], 3), 255, np.uint8)
    top, left = (SIZE[1] - inner[1]) // 2, (SIZE[0] - inner[0]) // 2
    image[top : top + inner[1], left : left + inner[0]] = cv2.resize(rgb, inner, interpolation=cv2.INTER_AREA)
    return image
