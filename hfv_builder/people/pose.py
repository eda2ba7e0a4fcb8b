"""The light detector: the first stage of BlazePose (Bazarevsky et al., 2020), a 3 MB network for the CPU.

It looks for a face or the upper body of a person near the camera. `docs/audit.md` has its error rates.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.special import expit

from hfv_builder.people.base import Floats, Images
from hfv_builder.records import UsageError

SIDE = 224
"""Rows and columns of the input."""


class PoseDetector:
    """The network on one CPU thread."""

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            self._network: Any = Interpreter(model_path=str(path), num_threads=1)
            self._network.allocate_tensors()
            (given,) = self._network.get_input_details()
            (scores,) = [out for out in self._network.get_output_details() if out["shape"][-1] == 1]
        except (RuntimeError, ValueError) as error:
            raise UsageError(f"{path} is no pose detector: {str(error).splitlines()[0][:200]}") from None
        self._given, self._scores = given["index"], scores["index"]

    def scores(self, images: Images) -> Floats:
        """Return the largest probability over the positions of each image; see `PersonDetector`."""
        return np.array([self._score(image) for image in images], np.float64)

    def _score(self, image: Images) -> float:
        boxed = letterboxed(image, SIDE).astype(np.float32) / np.float32(127.5) - 1
        self._network.set_tensor(self._given, boxed[None])
        self._network.invoke()
        return float(expit(float(self._network.get_tensor(self._scores).max())))


def load(folder: Path) -> PoseDetector:
    """Return the detector whose weights are in the folder.

    Raises:
        UsageError: the file is no such network.
    """
    return PoseDetector(folder / "pose_detection.tflite")


def letterboxed(image: Images, side: int) -> Images:
    """Return the image, (H, W, 3), scaled into the middle of a black square, (side, side, 3)."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    rows, columns = (max(1, round(length * scale)) for length in (height, width))
    boxed = np.zeros((side, side, 3), np.uint8)
    top, left = (side - rows) // 2, (side - columns) // 2
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    boxed[top : top + rows, left : left + columns] = cv2.resize(image, (columns, rows), interpolation=how)
    return boxed
