"""Small images of clips that the report shows."""

from collections.abc import Collection

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from hfv_builder.frames.video import frames
from hfv_builder.records import ClipError
from hfv_builder.storage.places import local_copy, place

HEIGHT = 108
FRAMES = 3

Image = npt.NDArray[np.uint8]


def pictures_of(clips: pd.DataFrame, wanted: Collection[str]) -> dict[str, Image]:
    """Return three frames side by side of each clip with one of these ids, by id; without clips that cannot be read."""
    rows = clips[clips["clip_id"].isin(wanted)].drop_duplicates("clip_id")
    found = {}
    for clip_id, path, count in zip(rows["clip_id"], rows["path"], rows["num_frames"].fillna(1), strict=True):
        try:
            found[clip_id] = _strip(path, int(count))
        except (ClipError, OSError):
            continue
    return found


def _strip(path: str, count: int) -> Image:
    chosen = sorted({round(part * (count - 1)) for part in np.linspace(0.1, 0.9, FRAMES)})
    images = []
    with local_copy(place(path)) as file:
        for frame in frames(file, only=chosen):
            height, width = frame.rgb.shape[:2]
            size = (max(1, round(width * frame.shape / height * HEIGHT)), HEIGHT)
            images.append(cv2.resize(frame.rgb, size, interpolation=cv2.INTER_AREA))
    if not images:
        raise ClipError("none of the frames can be decoded")
    return np.concatenate(images, axis=1)
