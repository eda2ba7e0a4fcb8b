"""Checks of optical flow on a plane that is shifted, turned and zoomed."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from hfv_builder.backends.base import FlowModel
from hfv_builder.trial.check import Check
from hfv_builder.trial.moving import PLANES, STILL, MovingPlane
from hfv_builder.trial.pattern import Floats

LIMIT_PX, STILL_PX = 0.5, 0.05
SHORT_SIDE = 0.5625
"""Height of the frames, in widths."""
STRIDE = 8
"""Sides of the frames are multiples of it, so that no model pads or scales them."""
ADVICE = "the weights are not those of a trained model, or its input has the wrong range, channel order or size"


def check_flow(model: FlowModel, backend: str, *, long_side: int) -> Iterator[Check]:
    """Yield the checks of a flow model.

    Args:
        model: the loaded model.
        backend: its name, for the table.
        long_side: pixels; width of the frames, at most the size at which the model estimates flow.
    """
    width = max(STRIDE, long_side // STRIDE * STRIDE)
    height = max(STRIDE, round(width * SHORT_SIDE) // STRIDE * STRIDE)
    for plane in PLANES:
        there, back = both_flows(model, plane, height, width)
        for name, flow, truth in (
            (f"{plane.name}: median end-point error", there, plane.flow(height, width)),
            (f"{plane.name}, frames swapped: the same", back, plane.reverse_flow(height, width)),
        ):
            error = np.median(_length(flow - truth)[_stays(truth)])
            yield Check(model=backend, name=name, value=float(error), limit=LIMIT_PX, unit="px", advice=ADVICE)
    first, second = _features(model, STILL, height, width)
    motion = float(np.median(_length(_flow(model.flow(first, second)))))
    yield Check(model=backend, name="still: median motion", value=motion, limit=STILL_PX, unit="px", advice=ADVICE)


def both_flows(model: FlowModel, plane: MovingPlane, height: int, width: int) -> tuple[Floats, Floats]:
    """Return the estimated flow of the first frame and of the second, (2, h, w) each, in pixels of the frames."""
    first, second = _features(model, plane, height, width)
    return _flow(model.flow(first, second)), _flow(model.flow(second, first))


def _features(model: FlowModel, plane: MovingPlane, height: int, width: int) -> Iterator[Any]:
    """Return the features of the first frame and of the second."""
    frames = torch.from_numpy(plane.frames(height, width))
    features = model.encode((frames.permute(0, 3, 1, 2).float() / 255).contiguous())
    return (tuple(part[index : index + 1] for part in features) for index in (0, 1))


def _flow(flow: torch.Tensor) -> Floats:
    return np.asarray(flow[0].cpu().numpy(), np.float64)


def _length(flow: Floats) -> Floats:
    return np.asarray(np.hypot(flow[0], flow[1]), np.float64)


def _stays(flow: Floats) -> np.ndarray:
    """Return which pixels are in the frame after their motion, (h, w) bool."""
    height, width = flow.shape[1:]
    y, x = np.mgrid[:height, :width]
    x, y = x + flow[0], y + flow[1]
    return np.asarray((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1))
