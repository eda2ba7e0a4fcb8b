"""Whole scores: the fast way against the plain way, truths that need no model, and what must raise which score."""

import dataclasses
import itertools
import math
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from hfv_builder.backends.base import Features
from hfv_builder.backends.registry import resolve
from hfv_builder.frames import spool
from hfv_builder.frames.video import Chunk
from hfv_builder.profiles.profile import Profile, load_profile
from hfv_builder.records import METRICS, ClipError, Metric
from hfv_builder.scoring import scorer as scoring
from hfv_builder.scoring import spatial
from hfv_builder.scoring.score import Score
from hfv_builder.scoring.scorer import ClipScores, Scorer
from tests.checkpoints import tiny_store
from tests.reference import Reference, decode

Frames = npt.NDArray[np.uint8]


def paper(*, backend: Any = "raft_small", long_side: int = 128, updates: int = 4, **depth: Any) -> Profile:
    """The paper profile at a size for tests."""
    profile = load_profile("paper")
    return dataclasses.replace(
        profile,
        flow=dataclasses.replace(profile.flow, backend=backend, long_side=long_side, updates=updates),
        depth=dataclasses.replace(profile.depth, long_side=long_side, **depth),
    )


@cache
def scorer(profile: Profile) -> Scorer:
    return Scorer(resolve(profile, store=tiny_store()), store=tiny_store())


@cache
def plain(profile: Profile) -> Reference:
    return Reference(profile, tiny_store())


def chunks(frames: Frames, *sizes: int) -> list[Chunk]:
    """The frames as one chunk, or cut into chunks of these sizes."""
    numbers = np.arange(len(frames), dtype=np.int32)
    ends = np.cumsum(sizes) if sizes else [len(frames)]
    return [
        Chunk(rgb=frames[start:end], index=numbers[start:end]) for start, end in zip([0, *ends], ends, strict=False)
    ]


def walk(count: int, *, height: int = 72, width: int = 128, seed: int = 0) -> Frames:
    """A textured scene that glides by, one pixel a frame."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.random((1, 3, height // 6, width // 6), np.float32))
    ground = torch.nn.functional.interpolate(coarse, (height, width + count), mode="bicubic").clamp(0, 1)[0]
    pictures = torch.stack([ground[:, :, t : t + width] for t in range(count)])
    frames: Frames = (pictures * 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    return frames


def values(scores: ClipScores) -> list[float]:
    found = [scores.scores[metric].value for metric in METRICS]
    assert None not in found
    return [float(value or 0) for value in found]


def assert_as_plain(profile: Profile, frames: Frames) -> None:
    fast = scorer(profile).score(chunks(frames)).scores
    reference = plain(profile)
    slow = {
        Metric.SPATIAL: reference.spatial(frames),
        Metric.APPEARANCE: reference.appearance(frames),
        Metric.MOTION: reference.motion(frames),
    }
    for metric, expected in slow.items():
        assert expected.score > 1e-7, metric
        # A score of nearly nothing is the difference of numbers near one: there 1e-6 of those is what counts.
        margin = 1e-6 if metric is Metric.APPEARANCE else 0
        assert fast[metric].value == pytest.approx(expected.score, rel=1e-5, abs=margin), metric
        np.testing.assert_allclose(np.array(fast[metric].trace, float), expected.trace, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "profile",
    [
        paper(),
        paper(flow_on="rgb", align="scale"),
        paper(scale="none", align="scale"),
        paper(backend="raft_large", updates=2),
    ],
    ids=["paper", "rgb-aligned", "unscaled", "large"],
)
def test_the_fast_way_is_the_plain_way(profile: Profile) -> None:
    frames = walk(5)
    frames[3] = np.roll(frames[3], 4, axis=1)
    assert_as_plain(profile, frames)


def test_flow_shrunk_and_scaled_back_is_that_of_the_plain_way() -> None:
    assert_as_plain(paper(), walk(3, height=150, width=210))


@pytest.mark.parametrize("folder", ["real", "wan21"])
def test_real_clips(folder: str, real_clips: Path) -> None:
    path = min((real_clips / folder).glob("*.mp4"))
    assert_as_plain(paper(long_side=160), np.ascontiguousarray(decode(path)[:12:3]))


@pytest.mark.parametrize("name", ["raft_small", "raft_large"])
def test_flow_is_torchvisions_own(name: str) -> None:
    profile = paper(backend=name, updates=12)
    frames = walk(3)
    pictures = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
    model = scorer(profile)._models["flow"]
    with torch.inference_mode():
        known = model.encode(pictures)
        fast = model.flow(tuple(each[:-1] for each in known), tuple(each[1:] for each in known))
    for t in range(2):
        first, second = (frames[t + i].astype(np.float32) / 255 for i in range(2))
        slow = plain(profile).flow(first, second, frames.shape[1:3])
        assert np.abs(slow).mean() > 0.01
        np.testing.assert_allclose(fast[t].permute(1, 2, 0).numpy(), slow, atol=1e-3)


@pytest.mark.parametrize("name", ["raft_small", "raft_large"])
def test_flow_in_bf16_is_nearly_that_in_fp32(name: str) -> None:
    pictures = torch.from_numpy(walk(2)).permute(0, 3, 1, 2).float() / 255
    flows = []
    for precision in ("fp32", "bf16"):
        profile = paper(backend=name, updates=3)
        settled = dataclasses.replace(profile, flow=dataclasses.replace(profile.flow, precision=precision))
        model = scorer(settled)._models["flow"]
        with torch.inference_mode():
            known = model.encode(pictures)
            flows.append(model.flow(tuple(each[:1] for each in known), tuple(each[1:] for each in known)))
    exact, rounded = flows
    assert exact.abs().mean() > 0.01
    assert not torch.equal(exact, rounded)
    assert (exact - rounded).abs().mean() < 0.05 * exact.abs().mean()


@pytest.mark.parametrize("profile", [paper(), paper(flow_on="rgb")], ids=["paper", "rgb"])
def test_neither_chunks_nor_batches_nor_the_spool_change_a_score(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = walk(7)
    together = scorer(profile).score(chunks(frames)).scores
    for module in (spatial, scoring):
        monkeypatch.setattr(module, "AT_ONCE", {"cpu": 2 * 72 * 128})
    monkeypatch.setattr(spool, "IN_MEMORY", {"cpu": 1000})
    cut = scorer(profile).score(chunks(frames, 1, 4, 2)).scores
    for metric in METRICS:
        assert cut[metric].frames == together[metric].frames
        np.testing.assert_allclose(np.array(cut[metric].trace), np.array(together[metric].trace), rtol=2e-4, atol=1e-9)


@pytest.mark.filterwarnings("ignore:Guards may run slower:RuntimeWarning")  # Python 3.13.0 alone
def test_a_compiled_model_gives_the_same_score(monkeypatch: pytest.MonkeyPatch) -> None:
    """Captured as a graph, but run by the usual kernels: those that are made on purpose take minutes to make."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    usual = paper(updates=2)
    changed = dataclasses.replace(usual, flow=dataclasses.replace(usual.flow, compile=True))
    both = [
        Scorer(resolve(each, metrics=[Metric.MOTION], store=tiny_store()), store=tiny_store())
        for each in (usual, changed)
    ]
    plain, compiled = (each.score(chunks(walk(3))).scores[Metric.MOTION].value for each in both)
    assert compiled == pytest.approx(plain, rel=1e-6)


def test_chosen_pairs_are_compared_and_no_others() -> None:
    frames = walk(6)
    (chunk,) = chunks(frames)
    chosen = np.array([0, 1, 3, 4])
    gaps = Chunk(rgb=frames[chosen], index=chosen.astype(np.int32))
    for profile in (paper(), paper(flow_on="rgb")):
        found, whole = (scorer(profile).score([each]).scores for each in (gaps, chunk))
        assert found[Metric.MOTION].frames == [0, 3]
        assert found[Metric.SPATIAL].frames == [0, 3]
        expected = [whole[Metric.MOTION].trace[at] for at in (0, 3)]
        np.testing.assert_allclose(np.array(found[Metric.MOTION].trace), np.array(expected), rtol=1e-4)


@pytest.mark.parametrize("profile", [paper(backend="dis"), load_profile("lite")], ids=["paper", "lite"])
def test_a_static_clip_scores_nothing(profile: Profile) -> None:
    """With classical flow, since RAFT of random weights sees motion where there is none."""
    still = np.repeat(walk(1), 6, axis=0)
    found = scorer(profile).score(chunks(still))
    assert values(found) == pytest.approx([0, 0, 0], abs=1e-9)
    assert all(math.isfinite(part) for score in found.scores.values() for part in score.components.values())


@pytest.mark.parametrize("profile", [paper(), paper(flow_on="rgb"), load_profile("lite")], ids=["paper", "rgb", "lite"])
@pytest.mark.parametrize("nonsense", [math.nan, math.inf])
def test_a_flow_that_is_nonsense_fails_the_clip(
    profile: Profile, nonsense: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once is enough, here for the last pair: a flow that is no number must not pass for one with nothing in sight."""
    ours = scorer(profile)
    flow = ours._models["flow"].flow

    def broken(first: Features, second: Features) -> torch.Tensor:
        found: torch.Tensor = flow(first, second).clone()
        found[-1, 0, 0, 0] = nonsense
        return found

    monkeypatch.setattr(ours._models["flow"], "flow", broken)
    found = ours.score(chunks(walk(4)), [Metric.SPATIAL, Metric.MOTION]).scores
    assert [score.value for score in found.values()] == [None, None]
    assert all("not finite" in str(score.error) for score in found.values())
    assert all(value is None or math.isfinite(value) for score in found.values() for value in score.trace)


@pytest.mark.parametrize("nonsense", [math.nan, math.inf])
@pytest.mark.parametrize("flow_on", ["depth", "rgb"])
@pytest.mark.parametrize("masked", [True, False])
def test_a_backward_flow_that_is_nonsense_fails_what_looks_at_it(
    masked: bool, flow_on: str, nonsense: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Motion without occlusion does not look, though spatial has it made."""
    usual = paper(flow_on=flow_on)
    profile = dataclasses.replace(usual, motion=dataclasses.replace(usual.motion, occlusion=masked), evidence=False)
    ours = scorer(profile)
    flow, calls = ours._models["flow"].flow, itertools.count(1 if masked or flow_on == "rgb" else 0)

    def broken(first: Features, second: Features) -> torch.Tensor:
        """Every second flow is a backward one, after that of motion alone."""
        found: torch.Tensor = flow(first, second).clone()
        if next(calls) in (2, 4):
            found[-1, 0, 0, 0] = nonsense
        return found

    valid = ours.score(chunks(walk(4)), [Metric.MOTION]).scores
    monkeypatch.setattr(ours._models["flow"], "flow", broken)
    found = ours.score(chunks(walk(4)), [Metric.MOTION, Metric.SPATIAL]).scores
    assert "not finite" in str(found[Metric.SPATIAL].error)
    if masked:
        assert "not finite" in str(found[Metric.MOTION].error)
    else:
        assert found[Metric.MOTION] == valid[Metric.MOTION]


def test_an_embedding_that_is_nonsense_fails_the_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = scorer(paper())
    embed = ours._models["subject"].embed

    def broken(frames: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = embed(frames).clone()
        found[-1, 0] = math.nan
        return found

    monkeypatch.setattr(ours._models["subject"], "embed", broken)
    found = ours.score(chunks(walk(4)), [Metric.APPEARANCE]).scores[Metric.APPEARANCE]
    assert found == Score(error="an embedding of its frames is not finite")


@pytest.mark.parametrize("profile", [paper(), paper(flow_on="rgb")], ids=["paper", "rgb"])
@pytest.mark.parametrize("size", [(17, 33), (64, 640)])
def test_odd_sizes_and_two_frames_have_scores(profile: Profile, size: tuple[int, int]) -> None:
    found = scorer(profile).score(chunks(walk(2, height=size[0], width=size[1]))).scores
    assert all(score.error is None or "visible" in score.error for score in found.values())
    assert [len(score.trace) for score in found.values()] == [1, 1, 1]


@pytest.mark.parametrize("level", [0, 128])
def test_flat_frames_have_scores(level: int) -> None:
    found = scorer(paper()).score(chunks(np.full((3, 48, 64, 3), level, np.uint8))).scores
    assert all(score.error is None for score in found.values())


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_frames_are_an_error(count: int) -> None:
    with pytest.raises(ClipError, match=f"{count} frame"):
        scorer(paper()).score(chunks(walk(4)[:count]))


@pytest.mark.parametrize("occlusion", [True, False])
@pytest.mark.parametrize(
    ("depth", "error"),
    [
        ({}, "its depth is not finite everywhere"),
        ({"scale": "none", "flow_on": "rgb"}, "the score is not finite"),
        ({"scale": "none", "flow_on": "rgb", "align": "scale"}, "the score is not finite"),
    ],
    ids=["paper", "unscaled", "aligned"],
)
def test_depth_that_is_not_finite_is_an_error_and_not_a_score(
    depth: dict[str, Any], error: str, occlusion: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = paper(**depth)
    made = scorer(dataclasses.replace(usual, spatial=dataclasses.replace(usual.spatial, occlusion=occlusion)))
    whole = type(made._models["depth"]).maps

    def broken(self: Any, frames: torch.Tensor) -> torch.Tensor:
        maps: torch.Tensor = whole(self, frames).clone()
        maps[0, maps.shape[1] // 2, maps.shape[2] // 2] = torch.nan
        return maps

    monkeypatch.setattr(type(made._models["depth"]), "maps", broken)
    found = made.score(chunks(walk(3))).scores
    assert found[Metric.SPATIAL].value is None
    assert found[Metric.SPATIAL].error == error
    assert found[Metric.MOTION].value is not None


def test_clips_embeddings_come_along() -> None:
    frames = walk(5)
    found = scorer(paper()).score(chunks(frames, 3, 2))
    (vectors,) = found.embeddings.values()
    assert list(found.embeddings) == ["clip"]
    assert vectors.frames == [0, 1, 2, 3, 4]
    assert vectors.vectors.dtype == np.float16
    expected = np.stack([plain(paper()).clip_feature(frame) for frame in frames])
    np.testing.assert_allclose(vectors.vectors, expected, atol=1e-3)
    assert scorer(paper()).score(chunks(frames), [Metric.MOTION]).embeddings == {}
    assert list(scorer(load_profile("lite")).score(chunks(frames)).embeddings) == ["lab_histogram"]


def test_noise_raises_all_three() -> None:
    clean = walk(6)
    noise = np.random.default_rng(1).normal(0, 25, clean.shape)
    noisy = np.clip(clean + noise, 0, 255).astype(np.uint8)
    made = scorer(paper(flow_on="rgb"))
    assert np.all(np.array(values(made.score(chunks(noisy)))) > values(made.score(chunks(clean))))


def test_swapped_frames_and_a_jump_raise_motion_and_appearance() -> None:
    clean = walk(8)
    swapped = clean[[0, 1, 5, 3, 4, 2, 6, 7]]
    jump = np.concatenate([clean[:4], walk(4, seed=5)])
    made = scorer(paper())
    before = made.score(chunks(clean)).scores
    for changed in (swapped, jump):
        after = made.score(chunks(np.ascontiguousarray(changed))).scores
        for metric in (Metric.APPEARANCE, Metric.MOTION):
            assert (after[metric].value or 0) > (before[metric].value or 0), metric


def test_results_are_the_same_to_the_last_bit_every_time() -> None:
    frames = walk(5)
    first, second = (scorer(paper()).score(chunks(frames)).scores for _ in range(2))
    assert first == second
