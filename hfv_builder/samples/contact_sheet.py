"""The contact sheet: a few frames of each of many clips on one picture, for people to look at."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

CAPTION_HEIGHT = 18
GAP = 3


def contact_sheet(
    frames_by_row: Sequence[npt.NDArray[np.uint8]],
    captions: Sequence[str],
    columns: int = 8,
    *,
    cell_width: int = 200,
) -> npt.NDArray[np.uint8]:
    """One row a clip: its caption and `columns` frames spread evenly over it; uint8 RGB.

    The clips are uint8 RGB of shape (num_frames, height, width, 3) and may differ in size and length: every
    frame is shrunk or enlarged to `cell_width`. Raises ValueError unless there is a caption for every clip.
    """
    width = columns * (cell_width + GAP)
    rows = [np.zeros((0, width, 3), np.uint8)]
    for frames, caption in zip(frames_by_row, captions, strict=True):
        title = np.zeros((CAPTION_HEIGHT, width, 3), np.uint8)
        cv2.putText(title, caption, (4, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
        height = round(frames.shape[1] * cell_width / frames.shape[2])
        strip = np.zeros((height + GAP, width, 3), np.uint8)
        for column, index in enumerate(np.linspace(0, len(frames) - 1, columns).round().astype(int)):
            left = column * (cell_width + GAP)
            cell = cv2.resize(frames[index], (cell_width, height), interpolation=cv2.INTER_AREA)
            strip[:height, left : left + cell_width] = cell
        rows += [title, strip]
    return np.concatenate(rows)
