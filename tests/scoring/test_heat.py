"""Error maps: evidence images store the errors, and are coloured on one scale per generator."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from hfv_builder.backends.base import FlowModel
from hfv_builder.backends.registry import load
from hfv_builder.profiles.profile import load_profile
from hfv_builder.records import Metric
from hfv_builder.scoring.evidence import SIDE, panel
from hfv_builder.scoring.heat import LEGEND, coloured, errors_of, percent, scale_of
from tests.conftest import moving_square

FLOW: FlowModel = load(load_profile("lite").flow, "cpu")


def image(step: int) -> bytes:
    """Return a motion panel of a pair whose second frame is brighter by `step` grey levels."""
    frames = moving_square(1).repeat(2, axis=0) // 2
    frames[1] += np.uint8(step)
    return panel(Metric.MOTION, torch.from_numpy(frames), None, FLOW)


def colours_of(data: bytes, scale: float) -> np.ndarray:
    """Return the coloured map in an image, without its legend."""
    opened = np.asarray(Image.open(io.BytesIO(coloured(data, Metric.MOTION, scale))).convert("RGB")).astype(int)
    return opened[:-LEGEND, -SIDE:]


@pytest.mark.parametrize("step", [0, 3, 20, 50])
def test_an_image_stores_its_errors(step: int) -> None:
    errors = errors_of(image(step))
    assert errors is not None
    assert errors.shape[1] == SIDE
    assert np.median(errors) == pytest.approx(step / 255, rel=0.15, abs=1e-4)


def test_a_small_error_is_dark_beside_a_large_one_of_its_generator() -> None:
    small, large = image(1), image(50)
    scale = scale_of([small, large])
    assert scale == pytest.approx(50 / 255, rel=0.15)
    assert colours_of(small, scale).mean() < 30
    assert colours_of(large, scale).mean() > 180


def test_the_legend_names_the_scale() -> None:
    data = image(20)
    plain, legend = (Image.open(io.BytesIO(image_data)) for image_data in (data, coloured(data, Metric.MOTION, 0.08)))
    assert legend.height == plain.height + LEGEND
    strip = np.asarray(legend.convert("RGB"))[-LEGEND:].astype(int)
    assert (strip[:, : -SIDE - 20].max(axis=2) > 150).sum() > 200  # text
    ramp = strip[LEGEND // 2, -SIDE + 4 : -4].sum(axis=1)
    assert ramp[-10:].mean() > 600 > 100 > ramp[:10].mean()
    assert percent(0.08) == "8 %"


def test_images_without_a_map_are_not_coloured() -> None:
    frames = torch.from_numpy(moving_square(3))
    appearance = panel(Metric.APPEARANCE, frames, None, None)
    assert errors_of(appearance) is None
    assert coloured(appearance, Metric.APPEARANCE, 0.5) == appearance
    assert coloured(b"no image", Metric.MOTION, 0.5) == b"no image"
    assert scale_of([appearance, b"no image"]) == pytest.approx(1e-4)
