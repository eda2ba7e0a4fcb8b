"""Contact sheet: one image with a few frames of several clips."""

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
    """Return an image, uint8 RGB, with one row per clip: its caption and `columns` evenly spaced frames.

    Args:
        frames_by_row: the clips, (num_frames, height, width, 3) uint8 RGB, of any size and length.
        captions: one text per clip.
        columns: number of frames per clip.
        cell_width: width in pixels to which every frame is resized.

    Raises:
        ValueError: the numbers of clips and captions differ.
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
