"""Rendered scenes show the flow and depth that are stated of them."""

import cv2
import numpy as np
import pytest

from hfv_builder.trial.moving import PLANES, MovingPlane
from hfv_builder.trial.views import SCENES, YARD


@pytest.mark.parametrize("plane", PLANES, ids=lambda plane: plane.name)
def test_the_second_frame_is_the_first_moved_by_the_flow(plane: MovingPlane) -> None:
    first, second = plane.frames(96, 128).astype(np.float32)
    flow = plane.flow(96, 128)
    y, x = np.mgrid[:96, :128]
    warped = cv2.remap(second, (x + flow[0]).astype(np.float32), (y + flow[1]).astype(np.float32), cv2.INTER_LINEAR)
    assert np.abs(warped - first)[12:-12, 12:-12].mean() < 2
    reverse = plane.reverse_flow(96, 128)
    warped_reverse = [
        cv2.remap(part, (x + flow[0]).astype(np.float32), (y + flow[1]).astype(np.float32), 1) for part in reverse
    ]
    assert np.abs(flow + warped_reverse)[:, 12:-12, 12:-12].max() < 0.05


def test_inverse_depth_of_the_ground_and_of_a_sphere() -> None:
    view = YARD.render(240, 320)
    assert view.inverse_depth[0].max() == 0  # sky
    assert view.inverse_depth[-1].min() > 1 / 4  # the ground near the camera
    red = view.solid == 0
    nearest = 1 / view.inverse_depth[red].max()
    assert 2.6 < nearest < 3.2  # its centre is at 3.2 m, its radius 0.4 m
    assert view.rgb[red].mean(0).argmax() == 0


def test_rendering_is_deterministic() -> None:
    for scene in SCENES:
        assert np.array_equal(scene.render(36, 48).rgb, scene.render(36, 48).rgb)
