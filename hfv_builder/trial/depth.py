"""Checks of inverse depth on a rendered scene with known distances."""

from functools import cache

import cv2
import numpy as np
import numpy.typing as npt
import torch

from hfv_builder.backends.base import DepthModel
from hfv_builder.trial.check import Check
from hfv_builder.trial.pattern import Floats
from hfv_builder.trial.solids import View
from hfv_builder.trial.spearman import spearman
from hfv_builder.trial.views import YARD

HEIGHT, WIDTH = 432, 576
SPEARMAN, FLICKER = 0.9, 0.01
GRAIN = 2.0
"""Standard deviation in grey levels of the camera noise by which the two frames of the still scene differ."""
APART = 1.15
"""Smallest ratio of the distances of two solids whose order is checked."""
ADVICE = (
    "the weights are not those of a trained model, or its input has the wrong range, channel order or size; on a CPU, "
    "where a frame takes minutes, it is not checked further"
)


@cache
def still_scene() -> npt.NDArray[np.uint8]:
    """Return two frames of a scene at rest with the noise of a camera, (2, HEIGHT, WIDTH, 3) uint8 RGB."""
    rgb = YARD.render(HEIGHT, WIDTH).rgb
    noise = np.random.default_rng(0).normal(0, GRAIN, (2, *rgb.shape))
    return np.clip(np.rint(rgb + noise), 0, 255).astype(np.uint8)


def compute_map(model: DepthModel, frame: int) -> torch.Tensor:
    """Return the model's map of one frame of the still scene, (h, w) float32 on the CPU."""
    depth_pass = model.begin()
    depth_pass.update(torch.from_numpy(still_scene()[frame : frame + 1]))
    return depth_pass.compute()[0:1][0].cpu().float()


def check_geometry(computed: torch.Tensor, backend: str) -> list[Check]:
    """Return the checks of a map of the still scene against its true distances; see `compute_map`."""
    view, found = YARD.render(HEIGHT, WIDTH), computed.numpy().astype(np.float64)
    truth = cv2.resize(view.inverse_depth, (found.shape[1], found.shape[0]), interpolation=cv2.INTER_AREA)
    enlarged: Floats = cv2.resize(found, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR).astype(np.float64)
    ordered = _share_ordered(view, enlarged)
    return [
        Check(
            model=backend,
            name="rank correlation with the true inverse depth",
            value=spearman(truth, found),
            limit=SPEARMAN,
            least=True,
            advice=f"{ADVICE}; -1 means that depth is not inverse",
        ),
        Check(
            model=backend,
            name="pairs of solids in the right order",
            value=ordered,
            limit=1.0,
            least=True,
            advice=ADVICE,
        ),
    ]


def check_flicker(first: torch.Tensor, second: torch.Tensor, backend: str) -> Check:
    """Return the check of the change between the maps of both frames of the still scene; see `compute_map`."""
    low, high = np.percentile(first.numpy(), [2, 98])
    change = float((second - first).abs().mean() / (high - low)) if high > low else np.nan
    return Check(
        model=backend,
        name="change of the map of a still scene, of its range",
        value=change,
        limit=FLICKER,
        advice="the map hangs on the noise of the frame; a lower precision than the profile's can cause it",
    )


def _share_ordered(view: View, depth_map: Floats) -> float:
    """Return the share of pairs of solids at different distances whose nearer one has the larger inverse depth."""
    numbers = [number for number in np.unique(view.solid) if number >= 0]
    true = {number: np.median(view.inverse_depth[view.solid == number]) for number in numbers}
    estimated = {number: np.median(depth_map[view.solid == number]) for number in numbers}
    pairs = [(near, far) for near in numbers for far in numbers if true[near] > APART * true[far]]
    return float(np.mean([estimated[near] > estimated[far] for near, far in pairs]))
