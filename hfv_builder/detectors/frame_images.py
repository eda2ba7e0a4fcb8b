"""The pixels of evenly spaced frames, prepared for an image tower except for the normalisation."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from hfv_builder.backends.embedding import prepare_frames
from hfv_builder.detectors.frames import even_frames


class FrameImages:
    """Extractor: (frames, 3, side, side) uint8, resized and cropped; fewer for a clip with fewer frames."""

    def __init__(self, side: int, count: int) -> None:
        self._side, self._count = side, count

    @property
    def fingerprint(self) -> str:
        """Identifies everything that decides the pixels but the file."""
        return f"frames {self._side} px, {self._count} frames, torch {torch.__version__.split('+')[0]}, version 1"

    def extract(self, path: Path) -> npt.NDArray[np.uint8]:
        """Return the frames of the clip.

        Raises:
            ClipError: the clip cannot be read.
        """
        images = [prepare_frames(torch.from_numpy(rgb)[None], self._side) for rgb in even_frames(path, self._count)]
        return np.asarray(torch.cat(images).to(torch.uint8).numpy())
