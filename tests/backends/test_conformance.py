"""Requirements on every backend of a kind, classical or learnt."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hfv_builder.backends import registry
from hfv_builder.frames.size import shrunk_size
from hfv_builder.profiles.profile import Depth, Embedding, Flow
from tests.device import DEVICE, ROUNDING
from tests.slim import slim_raft, slim_store

FLOWS = ("dis", "raft_small", "raft_large")
DEPTHS = ("apparent_size", "depth_pro")
EMBEDDINGS = ("lab_histogram", "clip", "dinov2")
ODD = [(17, 33), (64, 1280), (130, 96)]
UHD = (2160, 3840)
DIMENSIONS = {"lab_histogram": 576, "clip": 32, "dinov2": 32}


@cache
def flow_model(name: Any) -> Any:
    with slim_raft():
        return registry.load(Flow(backend=name, long_side=160, updates=3), DEVICE, slim_store())


@cache
def depth_model(name: Any) -> Any:
    return registry.load(Depth(backend=name, long_side=80, scale="none"), DEVICE, slim_store())


@cache
def embedding_model(name: Any) -> Any:
    return registry.load(Embedding(backend=name, region="subject"), DEVICE, slim_store())


@cache
def frames(count: int, height: int, width: int, *, seed: int = 0) -> Tensor:
    """Return frames of moving coarse noise: (count, height, width, 3) uint8."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.random((1, 3, 9, 12), np.float32))
    background = torch.nn.functional.interpolate(coarse, (height + 8, width + 8), mode="bilinear")[0]
    moved = torch.stack([background[:, t : t + height, t : t + width] for t in range(count)])
    return (moved * 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def as_images(rgb: Tensor) -> Tensor:
    """Convert frames, (T, H, W, 3) uint8, to images, (T, 3, H, W) in [0, 1]."""
    return (rgb.permute(0, 3, 1, 2).float() / 255).contiguous()


def flow_between(model: Any, clip: Tensor) -> Tensor:
    """Return the flow of a model between neighbouring images, (T - 1, 2, h, w)."""
    features = model.encode(clip)
    flow: Tensor = model.flow(tuple(level[:-1] for level in features), tuple(level[1:] for level in features))
    return flow.cpu()


def in_pieces(model: Any, rgb: Tensor, *, step: int = 99) -> Tensor:
    """Return the maps or vectors of a model that receives `step` frames at a time."""
    one_pass = model.begin()
    for start in range(0, len(rgb), step):
        one_pass.update(rgb[start : start + step])
    result = one_pass.compute()
    return (result if isinstance(result, Tensor) else result[0 : len(result)]).cpu()


@pytest.fixture(autouse=True)
def _inference() -> Any:
    with torch.inference_mode():
        yield


class TestFlow:
    @pytest.mark.parametrize("name", FLOWS)
    @pytest.mark.parametrize("size", [*ODD, UHD])
    def test_shape_dtype_and_finiteness(self, name: str, size: tuple[int, int]) -> None:
        flow = flow_between(flow_model(name), as_images(frames(2, *size)))
        assert flow.shape == (1, 2, *shrunk_size(*size, 160))
        assert flow.dtype == torch.float32
        assert flow.isfinite().all()

    @pytest.mark.parametrize("name", FLOWS)
    @pytest.mark.parametrize("channels", [1, 3])
    def test_grey_and_black_frames(self, name: str, channels: int) -> None:
        for level in (0.0, 0.5):
            flow = flow_between(flow_model(name), torch.full((2, channels, 40, 56), level))
            assert flow.isfinite().all()

    @pytest.mark.parametrize("name", FLOWS)
    def test_a_batch_equals_its_pairs_and_is_deterministic(self, name: str) -> None:
        model, clip = flow_model(name), as_images(frames(4, 64, 96))
        together = flow_between(model, clip)
        assert torch.equal(together, flow_between(model, clip))
        single = torch.cat([flow_between(model, clip[t : t + 2]) for t in range(3)])
        torch.testing.assert_close(together, single, rtol=0, atol=1e-4 * ROUNDING)


class TestDepth:
    @pytest.mark.parametrize("name", DEPTHS)
    @pytest.mark.parametrize("size", [*ODD, UHD])
    def test_shape_dtype_and_range(self, name: str, size: tuple[int, int]) -> None:
        maps = in_pieces(depth_model(name), frames(2, *size))
        assert maps.shape == (2, *shrunk_size(*size, 80))
        assert maps.dtype == torch.float32
        assert maps.isfinite().all()
        assert maps.min() >= 0

    @pytest.mark.parametrize("name", DEPTHS)
    def test_grey_and_black_frames(self, name: str) -> None:
        for level in (0, 128):
            assert in_pieces(depth_model(name), torch.full((2, 48, 64, 3), level, dtype=torch.uint8)).isfinite().all()

    @pytest.mark.parametrize("name", DEPTHS)
    def test_pieces_equal_the_whole_and_are_deterministic(self, name: str) -> None:
        model, clip = depth_model(name), frames(5, 48, 64)
        together = in_pieces(model, clip)
        assert torch.equal(together, in_pieces(model, clip))
        torch.testing.assert_close(together, in_pieces(model, clip, step=2), rtol=0, atol=1e-6 * ROUNDING)


class TestEmbedding:
    @pytest.mark.parametrize("name", EMBEDDINGS)
    @pytest.mark.parametrize("size", ODD)
    def test_shape_dtype_and_length(self, name: str, size: tuple[int, int]) -> None:
        vectors = in_pieces(embedding_model(name), frames(2, *size))
        assert vectors.shape == (2, DIMENSIONS[name])
        assert vectors.dtype == torch.float32
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))

    @pytest.mark.parametrize("name", ["clip", "dinov2"])
    def test_4k_frames_have_finite_vectors(self, name: str) -> None:
        assert in_pieces(embedding_model(name), frames(2, *UHD)).isfinite().all()

    @pytest.mark.parametrize("name", EMBEDDINGS)
    def test_grey_and_black_frames(self, name: str) -> None:
        for level in (0, 128):
            vectors = in_pieces(embedding_model(name), torch.full((2, 48, 64, 3), level, dtype=torch.uint8))
            torch.testing.assert_close(vectors[0], vectors[1])
            torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))

    @pytest.mark.parametrize("name", EMBEDDINGS)
    def test_pieces_equal_the_whole_and_are_deterministic(self, name: str) -> None:
        model, clip = embedding_model(name), frames(5, 48, 64)
        together = in_pieces(model, clip)
        assert torch.equal(together, in_pieces(model, clip))
        torch.testing.assert_close(together, in_pieces(model, clip, step=2), rtol=0, atol=1e-5 * ROUNDING)


def test_backends_leave_the_number_of_threads_alone() -> None:
    before = torch.get_num_threads()
    for load, name in ((flow_model, "raft_small"), (depth_model, "depth_pro"), (embedding_model, "clip")):
        assert load.__wrapped__(name) is not None
    in_pieces(embedding_model("clip"), frames(2, 40, 40))
    assert torch.get_num_threads() == before
