"""RT-DETR (Zhao et al., CVPR 2024) as transformers loads it: an object detector that knows 80 kinds of things."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import interpolate

from hfv_builder.backends.checkpoint import from_pretrained, misfit
from hfv_builder.people.base import Floats, Images

SIDE = 640
"""Rows and columns of the input for images of any shape, as in the training of the model."""
PERSON = "person"
"""The name of the class in the configuration."""


class RtDetr:
    """The model in fp32; it processes one image at a time, so that no score depends on other images."""

    def __init__(self, model: Any, person: int) -> None:
        self._model, self._person = model, person

    def scores(self, images: Images) -> Floats:
        """Return the largest probability of a person among the boxes of each image; see `PersonDetector`."""
        return np.array([self._score(image) for image in images], np.float64)

    @torch.inference_mode()
    def _score(self, image: Images) -> float:
        pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float()
        scaled = interpolate(pixels, (SIDE, SIDE), mode="bilinear", antialias=True) / 255
        logits = self._model(pixel_values=scaled).logits[0, :, self._person]
        return float(logits.max().sigmoid())


def load(folder: Path) -> RtDetr:
    """Return the detector whose weights and configuration are in the folder.

    Raises:
        UsageError: they cannot be read, do not fit, or have no class for persons.
    """
    from transformers import RTDetrForObjectDetection

    model = from_pretrained(RTDetrForObjectDetection, folder)
    names = {str(name): int(number) for number, name in model.config.id2label.items()}
    if PERSON not in names:
        raise misfit(folder / "config.json", f"its id2label has no {PERSON!r}")
    return RtDetr(model, names[PERSON])
