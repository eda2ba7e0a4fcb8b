"""Frames and crops of views, and their changes in training."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hfv_builder.detectors.clip_frames import SegmentFrames, segment_places, spatial_views, view_places
from hfv_builder.detectors.humansam_views import normalized
from hfv_builder.detectors.rand_augment import OPERATIONS, erase, rand_augment, random_crop
from hfv_builder.records import ClipError
from tests.conftest import write_clip

IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, 3, 20, 30), np.uint8))


@pytest.mark.parametrize("total", [1, 3, 8, 9, 31, 100])
def test_places_of_segments_and_views(total: int) -> None:
    rng = np.random.default_rng(total)
    for _ in range(20):
        places = segment_places(total, 8, rng.random(8))
        edges = np.arange(9) * total / 8
        assert ((places >= np.floor(edges[:-1])) & (places <= np.ceil(edges[1:]))).all()
        assert (np.diff(places) >= 0).all()
        assert (places < total).all()
    views = view_places(total, 8, 4)
    assert views.shape == (4, 8)
    assert (np.diff(views.T.ravel()) >= 0).all()  # by segment, then by view
    if total >= 32:
        assert len({*views.ravel().tolist()}) == 32


@pytest.mark.parametrize(("total", "views", "kept"), [(5, 4, 5), (40, 2, 16), (40, 0, 40)])
def test_kept_frames_give_the_same_views(tmp_path: Path, total: int, views: int, kept: int) -> None:
    """A view of the kept frames is the same as a view of the clip."""
    frames = np.stack([np.full((40, 60, 3), 40 + 4 * index, np.uint8) for index in range(total)])
    images = SegmentFrames(20, 8, views).extract(write_clip(tmp_path / "clip.mp4", frames))
    assert images.shape == (kept, 3, 20, 30)
    shades = ((images.mean(axis=(1, 2, 3)) - 40) / 4).round().astype(int)
    for view_count in {views, 2} - {0}:
        if views in (0, view_count) or kept < 16:
            expected = view_places(total, 8, view_count)
            np.testing.assert_array_equal(shades[view_places(kept, 8, view_count)], expected)


def test_small_clips_are_not_enlarged_and_broken_clips_fail(tmp_path: Path) -> None:
    frames = np.full((9, 16, 32, 3), 90, np.uint8)
    extractor = SegmentFrames(64, 8, 1)
    assert extractor.extract(write_clip(tmp_path / "clip.mp4", frames)).shape == (8, 3, 16, 32)
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(ClipError):
        extractor.extract(tmp_path / "broken.mp4")
    assert len({SegmentFrames(64, 8, views).fingerprint for views in (0, 1, 4)}) == 3


@pytest.mark.parametrize("size", [(20, 44), (44, 20)])
def test_crops_cover_the_long_side(size: tuple[int, int]) -> None:
    ramp = torch.arange(max(size), dtype=torch.uint8).repeat(min(size), 1)
    images = (ramp if size[0] < size[1] else ramp.T).expand(2, 3, *size).contiguous()
    views = [*spatial_views(images, 20, 3)]
    assert [view.shape for view in views] == [(2, 3, 20, 20)] * 3
    assert [int(view.min()) for view in views] == [0, 12, 24]
    assert int(next(iter(spatial_views(images, 20, 1))).min()) == 12
    assert next(iter(spatial_views(images, 40, 1))).shape == (2, 3, 40, 40)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("sign", [-1, 1])
def test_every_operation_changes_all_frames_alike(name: str, sign: int) -> None:
    equal_frames = IMAGES[:1].expand(3, -1, -1, -1).contiguous()
    for magnitude in (0.0, 0.7, 1.0):
        changed = OPERATIONS[name](equal_frames, magnitude, sign)
        assert (changed.dtype, changed.shape) == (torch.uint8, equal_frames.shape)
        assert torch.equal(changed, changed[:1].expand(3, -1, -1, -1))
    assert not torch.equal(OPERATIONS[name](equal_frames, 0.7, sign), equal_frames) or name == "auto_contrast"


CHANGES: tuple[Callable[[Tensor, np.random.Generator], Tensor], ...] = (
    rand_augment,
    lambda images, rng: random_crop(images, 16, rng),
    lambda images, rng: erase(normalized(images), rng, probability=1.0),
)


@pytest.mark.parametrize("change", CHANGES, ids=["augment", "crop", "erase"])
def test_changes_depend_on_the_given_generator_alone(change: Callable[..., Tensor]) -> None:
    torch.manual_seed(0)
    first = change(IMAGES, np.random.default_rng(3))
    torch.manual_seed(1)
    np.random.seed(1)
    assert torch.equal(first, change(IMAGES, np.random.default_rng(3)))
    assert any(
        first.shape != (other := change(IMAGES, np.random.default_rng(seed))).shape or not torch.equal(first, other)
        for seed in range(4, 9)
    )


def test_crops_have_allowed_areas_and_ratios() -> None:
    rows, columns = torch.meshgrid(torch.arange(120), torch.arange(200), indexing="ij")
    images = torch.stack([rows, columns, rows]).to(torch.uint8)[None]
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(60):
        crop = random_crop(images, 50, rng, least=0.2)[0].float()
        height, width = ((coordinates.max() - coordinates.min() + 1).item() for coordinates in (crop[0], crop[1]))
        shares.append(height * width / (120 * 200))
        assert 0.7 < width / height < 1.45
    assert min(shares) > 0.17
    assert max(shares) > 0.6
    assert random_crop(images[..., :3, :], 8, rng).shape == (1, 3, 8, 8)  # no ratio fits, so the middle is cropped


def test_erasing_fills_the_same_region_in_all_frames() -> None:
    images = torch.zeros(4, 3, 40, 40)
    rng = np.random.default_rng(0)
    regions = [(erase(images, rng) != 0).any(dim=1) for _ in range(200)]
    erased = [region for region in regions if region.any()]
    assert 25 < len(erased) < 75  # a quarter
    for region in erased:
        assert torch.equal(region, region[:1].expand(4, -1, -1))
        assert 0.01 < region.float().mean() < 0.36
    assert not images.any()


def test_normalized_equals_numpy() -> None:
    expected = (IMAGES.numpy() / 255 - np.array([0.485, 0.456, 0.406])[:, None, None]) / np.array(
        [0.229, 0.224, 0.225]
    )[:, None, None]
    np.testing.assert_allclose(normalized(IMAGES).numpy(), expected, atol=1e-5)
