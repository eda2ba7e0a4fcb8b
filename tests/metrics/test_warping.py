"""Warp, occlusion mask and warp error: exact for constructed flows, and equal to the reference in numpy."""

import numpy as np
import pytest
import torch
from torch import Tensor

from hfv_builder.metrics import warping
from hfv_builder.metrics.warping import visible, warp, warp_error
from tests import reference


def texture(height: int, width: int, *, seed: int = 0, channels: int = 3) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random((channels, height, width), np.float32))


def constant_flow(x: float, y: float, height: int, width: int) -> Tensor:
    return torch.tensor([float(x), float(y)]).view(1, 2, 1, 1).expand(1, 2, height, width).contiguous()


@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (3, 0), (0, -2), (-5, 4)])
def test_a_whole_pixel_shift_under_its_true_flow_has_error_exactly_zero(dx: int, dy: int) -> None:
    image = texture(40, 60)
    first, second = image[None, :, 10:30, 10:50], image[None, :, 10 - dy : 30 - dy, 10 - dx : 50 - dx]
    flow = constant_flow(dx, dy, 20, 40)
    assert warp_error(first, second, flow, visible(flow, -flow)).tolist() == [0.0]


def test_a_known_occluder_is_masked_exactly() -> None:
    """A square moves right by 4 over a static background: the background it covers, and its edges, are masked."""
    forward, backward = torch.zeros(1, 2, 30, 40), torch.zeros(1, 2, 30, 40)
    forward[0, 0, 10:20, 10:20] = 4
    backward[0, 0, 10:20, 14:24] = -4
    mask = visible(forward, backward)[0]
    expected = torch.ones(30, 40, dtype=torch.bool)
    expected[10:20, 20:24] = False  # covered in the second frame
    # Motion boundaries by forward differences: the pixel before every jump of the flow. Of the square's own pixels,
    # |∇F|² = 16 or 32 against 0.01 · 16 + 0.002.
    expected[9, 10:20] = False
    expected[10:20, 9] = False
    expected[19, 10:20] = False
    expected[10:20, 19] = False
    assert torch.equal(mask, expected)


def test_pixels_that_leave_the_frame_are_masked() -> None:
    flow = constant_flow(3, 0, 20, 40)
    mask = visible(flow, -flow)[0]
    assert not mask[:, 37:].any()
    assert mask[:, :37].all()


@pytest.mark.parametrize("delta", [0.1, -0.25])
def test_a_brightness_step_gives_its_square(delta: float) -> None:
    first = texture(20, 30)[None] * 0.5 + 0.25
    flow = torch.zeros(1, 2, 20, 30)
    (error,) = warp_error(first, first + delta, flow, visible(flow, flow)).tolist()
    assert error == pytest.approx(delta**2, rel=1e-6)


def test_alignment_forgives_a_factor_and_nothing_else() -> None:
    first = texture(20, 30, channels=1)[None]
    flow = torch.zeros(1, 2, 20, 30)
    noise = 0.1 * texture(20, 30, channels=1, seed=1)[None]
    mask = visible(flow, flow)
    assert warp_error(first, first * 0.6, flow, mask, align=True).item() == pytest.approx(0, abs=1e-14)
    assert warp_error(first, first * 0.6 + noise, flow, mask, align=True).item() > 1e-5
    assert warp_error(first, torch.zeros_like(first), flow, mask, align=True).isfinite().all()


def test_a_pair_with_too_few_visible_pixels_has_no_error() -> None:
    first = texture(20, 50)[None]
    mask = torch.zeros(1, 20, 50, dtype=torch.bool)
    mask[0, 0, :9] = True
    flow = torch.zeros(1, 2, 20, 50)
    assert warp_error(first, first, flow, mask).isnan().all()
    mask[0, 0, :10] = True
    assert warp_error(first, first, flow, mask).tolist() == [0.0]


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("not_finite", [torch.nan, torch.inf])
def test_values_that_are_not_finite_count_only_in_compared_pixels(not_finite: float, align: bool) -> None:
    finite = texture(20, 50).expand(3, -1, -1, -1)
    first, flow = finite.clone(), torch.zeros(3, 2, 20, 50)
    first[:2, :, :, 0] = not_finite
    mask = torch.ones(3, 20, 50, dtype=torch.bool)
    mask[0, :, 0] = False
    assert warp_error(first, finite, flow, mask, align=align).tolist() == [0, torch.inf, 0]
    assert warp_error(first, finite, flow, align=align).tolist() == [torch.inf, torch.inf, 0]
    assert warp_error(finite, first, flow, align=align).tolist() == [torch.inf, torch.inf, 0]
    mask[1] = False
    assert warp_error(first, finite, flow, mask, align=align)[1].isnan()


@pytest.mark.parametrize(("seed", "pixels"), [(0, warping.AT_ONCE), (1, 4 * 45), (2, 1)])
def test_warp_mask_and_error_equal_the_reference(seed: int, pixels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warping, "AT_ONCE", pixels)
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.standard_normal((4, 2, 3, 4)).astype(np.float32)) + 2
    smooth = torch.nn.functional.interpolate(coarse, (33, 45), mode="bicubic")
    forward, backward = smooth[:2], -smooth[:2] + 0.1 * smooth[2:]
    first = torch.stack([texture(33, 45, seed=9 + seed), texture(33, 45, seed=10)])
    second = torch.stack([texture(33, 45, seed=11), texture(33, 45, seed=12 + seed)])
    visible_pixels = visible(forward, backward)
    warped = warp(second, forward)
    for align in (False, True):
        errors = warp_error(first, second, forward, visible_pixels, align=align).tolist()
        for index in range(2):
            flow, backward_flow = (maps[index].permute(1, 2, 0).numpy() for maps in (forward, backward))
            a, b = (maps[index].permute(1, 2, 0).numpy() for maps in (first, second))
            expected = reference.not_occluded(flow, backward_flow)
            assert 0.01 < expected.mean() < 1
            np.testing.assert_array_equal(visible_pixels[index].numpy(), expected)
            np.testing.assert_allclose(warped[index].permute(1, 2, 0), reference.warp(b, flow), atol=1e-5)
            assert errors[index] == pytest.approx(reference.warp_error(a, b, flow, expected, align=align), rel=1e-5)
