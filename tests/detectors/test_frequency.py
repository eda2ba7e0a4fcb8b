"""Inputs of F3-Net equal plain formulas with scipy, and Xception equals timm's."""

import numpy as np
import pytest
import torch
from scipy.fft import dctn, idctn

from hfv_builder.detectors.frequency import LocalStatistics, SpectralBands, band_masks, cosine_matrix
from hfv_builder.detectors.xception import Xception

SIDE = 19


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 2 - 1


def sigma(weight: float) -> float:
    return float((1 - np.exp(-weight)) / (1 + np.exp(-weight)))


def test_the_cosine_transform_equals_scipys() -> None:
    values = np.random.default_rng(0).normal(size=(SIDE, SIDE))
    matrix = cosine_matrix(SIDE).double().numpy()
    np.testing.assert_allclose(matrix @ values @ matrix.T, dctn(values, norm="ortho"), atol=1e-5)


def test_bands_of_an_image_equal_filtered_spectra(images: torch.Tensor) -> None:
    layer = SpectralBands(SIDE)
    with torch.no_grad():
        layer.learnt.copy_(torch.randn(layer.learnt.shape, generator=torch.Generator().manual_seed(1)))
    channels = layer(images).detach().numpy().reshape(2, 4, 3, SIDE, SIDE)
    for band, (low, high) in enumerate([(0, 1 / 16), (1 / 16, 1 / 8), (1 / 8, 1.01)]):
        mask = np.zeros((SIDE, SIDE))
        for u in range(SIDE):
            for v in range(SIDE):
                inside = low <= (u + v) / (2 * (SIDE - 1)) < high
                mask[u, v] = inside + sigma(float(layer.learnt[band, u, v].detach()))
        for clip in range(2):
            for colour in range(3):
                spectrum = dctn(images[clip, colour].numpy().astype(float), norm="ortho")
                np.testing.assert_allclose(
                    channels[clip, band, colour], idctn(spectrum * mask, norm="ortho"), atol=1e-4
                )
    np.testing.assert_array_equal(channels[:, 3], images.numpy())


def test_untrained_bands_sum_to_the_image(images: torch.Tensor) -> None:
    channels = SpectralBands(SIDE)(images).detach().reshape(2, 4, 3, SIDE, SIDE)
    torch.testing.assert_close(channels[:, :3].sum(dim=1), images, atol=1e-5, rtol=0)
    for side, limits in ((SIDE, (0.0, 1 / 16, 1 / 8, 1.0)), (10, tuple(k / 6 for k in range(7)))):
        assert (band_masks(side, limits).sum(dim=0) == 1).all()


def test_local_statistics_equal_loops_over_windows(images: torch.Tensor) -> None:
    layer = LocalStatistics()
    with torch.no_grad():
        layer.learnt.copy_(torch.randn(layer.learnt.shape, generator=torch.Generator().manual_seed(2)))
    statistics = layer(images).detach().numpy()
    assert statistics.shape == (2, 6, 9, 9)
    assert layer(torch.zeros(1, 3, 299, 299)).shape == (1, 6, 149, 149)
    grey = np.tensordot(images.numpy().astype(float), [0.299, 0.587, 0.114], axes=(1, 0))
    padded = np.pad(grey, ((0, 0), (4, 4), (4, 4)))
    for row, column in ((0, 0), (3, 5), (8, 8)):
        window = padded[1, 2 * row : 2 * row + 10, 2 * column : 2 * column + 10]
        spectrum = dctn(window, norm="ortho")
        for band in range(6):
            total = 0.0
            for u in range(10):
                for v in range(10):
                    inside = min(5, int((u + v) / 18 * 6 + 1e-9)) == band
                    total += abs(spectrum[u, v] * (inside + sigma(float(layer.learnt[band, u, v].detach()))))
            assert statistics[1, band, row, column] == pytest.approx(np.log10(total + 1e-4), abs=1e-4)


def test_xception_equals_timms() -> None:
    from timm.models.xception import Xception as TimmXception

    torch.manual_seed(0)
    reference = TimmXception(num_classes=0).eval()
    xception = Xception().eval()
    xception.load_state_dict(reference.state_dict())
    images = torch.rand(1, 3, 71, 71)
    with torch.inference_mode():
        torch.testing.assert_close(xception(images), reference(images), atol=1e-5, rtol=1e-5)
