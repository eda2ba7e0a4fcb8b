"""The profile without weights: exact scores of static clips, and what scores must not depend on."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfv_builder.backends.classical_depth import nearness
from hfv_builder.backends.classical_light import levelled_lab
from hfv_builder.backends.registry import resolve
from hfv_builder.frames.size import shrink
from hfv_builder.frames.video import Chunk, decode
from hfv_builder.profiles.profile import Profile, load_profile
from hfv_builder.records import METRICS, Metric
from hfv_builder.scoring.scorer import Scorer
from tests.conftest import Frames, moving_square, write_clip

LITE = dataclasses.replace(load_profile("lite"), evidence=False)
SCORER = Scorer(resolve(LITE))


def values(frames: Frames, scorer: Scorer = SCORER) -> dict[Metric, float | None]:
    chunk = Chunk(rgb=np.ascontiguousarray(frames), index=np.arange(len(frames), dtype=np.int32))
    return {metric: score.value for metric, score in scorer.score([chunk]).scores.items()}


def textured(count: int, height: int, width: int, seed: int) -> Frames:
    """Return frames of a moving texture with a disc before it that moves and changes its size."""
    rng = np.random.default_rng(seed)
    background = cv2.resize(rng.integers(0, 255, (9, 14, 3)).astype(np.uint8), (width + count, height))
    colour = tuple(int(value) for value in rng.integers(0, 255, 3))
    frames = np.stack([background[:, t : t + width] for t in range(count)])
    for t, frame in enumerate(frames):
        centre = (width // 3 + 2 * t, height // 2 + int(rng.integers(-3, 4)))
        cv2.circle(frame, centre, height // 6 + int(rng.integers(0, 6)), colour, -1)
    return frames.astype(np.uint8)


@pytest.mark.parametrize("size", [(64, 96), (90, 160), (201, 333)])
def test_a_static_clip_scores_exactly_zero(size: tuple[int, int]) -> None:
    still = np.repeat(textured(1, *size, seed=4), 12, axis=0)
    assert values(still) == dict.fromkeys(METRICS, 0.0)


def test_a_static_lossless_file_scores_exactly_zero(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "still.mkv", np.repeat(moving_square(1), 20, axis=0), codec="ffv1")
    assert {score.value for score in SCORER.score(decode(path)).scores.values()} == {0.0}


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 999), st.integers(3, 12), st.sampled_from([(64, 96), (90, 160), (97, 161), (120, 333), (20, 30)]))
def test_a_mirrored_clip_scores_the_same(seed: int, count: int, size: tuple[int, int]) -> None:
    frames = textured(count, *size, seed=seed)
    plain, mirrored = values(frames), values(frames[:, :, ::-1])
    for metric in METRICS:
        assert mirrored[metric] == pytest.approx(plain[metric], rel=1e-6, abs=1e-15)


def test_a_mirrored_real_clip_scores_the_same(real_clips: Path) -> None:
    path = min((real_clips / "wan21").glob("*.mp4"))
    frames = next(iter(decode(path))).rgb[:10]
    assert values(frames[:, :, ::-1]) == pytest.approx(values(frames), rel=1e-6)


def test_shrinking_a_mirrored_frame_mirrors_the_result() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 97, 333, 3)).astype(np.uint8)
    assert np.array_equal(shrink(frames[:, :, ::-1], 160), shrink(frames, 160)[:, :, ::-1])


@pytest.mark.parametrize("metric", METRICS)
def test_a_metric_alone_has_the_value_that_it_has_among_all(metric: Metric) -> None:
    frames = textured(9, 64, 96, seed=1)
    chunk = Chunk(rgb=frames, index=np.arange(9, dtype=np.int32))
    together = SCORER.score([chunk]).scores[metric]
    assert Scorer(resolve(LITE, metrics=[metric])).score([chunk]).scores[metric] == together
    assert SCORER.score([chunk], [metric]).scores[metric] == together


def test_steady_growth_has_the_same_nearness_in_all_frames() -> None:
    frames = np.full((12, 60, 80, 3), (40, 60, 160), np.uint8)
    for t, frame in enumerate(frames):
        frame[20 - t : 40 + t, 30 - t : 50 + t] = (200, 120, 40)
    maps = nearness(levelled_lab(frames))
    np.testing.assert_allclose(maps, 0.5, atol=2e-3)


def test_nearness_of_a_flipped_clip_is_flipped() -> None:
    lab = levelled_lab(textured(6, 45, 80, seed=2))
    assert np.array_equal(nearness(lab[:, :, ::-1].copy()), nearness(lab)[:, :, ::-1])
    assert np.array_equal(nearness(lab[:, ::-1].copy()), nearness(lab)[:, ::-1])


def test_sudden_growth_raises_the_spatial_score_more_than_the_motion_score() -> None:
    def clip(factor: float) -> Frames:
        frames = np.repeat(textured(1, 90, 160, seed=7), 18, axis=0)
        rng = np.random.default_rng(3)
        subject = rng.integers(0, 255, (10, 10, 3)).astype(np.uint8)
        for t, frame in enumerate(frames):
            side = round(36 * (factor if 6 <= t < 12 else 1.0)) // 2 * 2
            top, left = 45 - side // 2, 60 + t - side // 2
            frame[top : top + side, left : left + side] = cv2.resize(subject, (side, side))
        return frames

    steady, jumping = values(clip(1.0)), values(clip(1.4))
    ratios = {metric: (jumping[metric] or 0) / (steady[metric] or 1) for metric in METRICS}
    assert ratios[Metric.SPATIAL] > 1.5 * ratios[Metric.MOTION] > 1.5


def with_pairs(pairs: int) -> Profile:
    return dataclasses.replace(LITE, pairs=pairs)


@pytest.mark.parametrize(("count", "pairs"), [(33, 16), (40, 16), (20, 3), (20, 1), (20, 18)])
def test_runs_of_three_frames_are_decoded_for_acceleration(tmp_path: Path, count: int, pairs: int) -> None:
    path = write_clip(tmp_path / "clip.mp4", moving_square(count))
    scores = SCORER.score(decode(path, pairs=pairs, runs=with_pairs(pairs).runs)).scores
    assert {len(score.trace) for score in scores.values()} == {pairs}
    assert scores[Metric.SPATIAL].frames == scores[Metric.MOTION].frames
    assert [index + 1 for index in scores[Metric.SPATIAL].frames] == scores[Metric.APPEARANCE].frames
    all_pairs = SCORER.score(decode(path)).scores[Metric.MOTION]
    of_frame = dict(zip(all_pairs.frames, all_pairs.trace, strict=True))
    chosen = scores[Metric.MOTION]
    assert chosen.trace == pytest.approx([of_frame[index] for index in chosen.frames])


@pytest.mark.parametrize("pairs", [0, 6])
def test_a_rate_makes_clips_of_different_rates_comparable(tmp_path: Path, pairs: int) -> None:
    """The same motion at 24 and at 48 frames a second has the same scores at one rate."""
    frames = textured(24, 64, 96, seed=5)
    clips = {
        fps: write_clip(tmp_path / f"{fps}.mkv", frames[:: 48 // fps], fps=fps, codec="ffv1", pix_fmt="bgr0")
        for fps in (24, 48)
    }

    def scores(fps: int, rate: float) -> list[float]:
        results = SCORER.score(decode(clips[fps], rate=rate, pairs=pairs, runs=True)).scores
        return [score.value or 0.0 for score in results.values()]

    unchanged = scores(24, 0)
    assert scores(48, 24) == scores(24, 24) == unchanged
    assert scores(48, 0) != pytest.approx(unchanged, rel=0.05)
