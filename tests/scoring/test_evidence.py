"""Evidence: a small image of the worst moment for every metric that has a score."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from hfv_builder.backends.registry import resolve
from hfv_builder.frames.video import Chunk
from hfv_builder.profiles.profile import load_profile
from hfv_builder.records import METRICS, Metric
from hfv_builder.scoring.evidence import GAP, MOST_BYTES, SIDE
from hfv_builder.scoring.scorer import Scorer
from tests.conftest import Frames, moving_square

LITE = load_profile("lite")
IMAGES_PER_PANEL = {Metric.SPATIAL: 5, Metric.APPEARANCE: 3, Metric.MOTION: 4}


def chunk(frames: Frames) -> Chunk:
    return Chunk(rgb=frames, index=np.arange(len(frames), dtype=np.int32))


def decoded(data: bytes) -> Frames:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.mark.parametrize(("height", "width"), [(64, 96), (200, 40), (720, 1280)])
def test_a_panel_for_every_metric(height: int, width: int) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (6, height, width, 3)).astype(np.uint8)
    evidence = Scorer(resolve(LITE)).score([chunk(noise)]).evidence
    assert set(evidence) == set(METRICS)
    for metric, data in evidence.items():
        image = decoded(data)
        assert len(data) <= MOST_BYTES
        cell = round(width * SIDE / max(height, width))
        assert image.shape[1] == IMAGES_PER_PANEL[metric] * cell + (IMAGES_PER_PANEL[metric] - 1) * GAP


def test_evidence_shows_the_worst_moment() -> None:
    frames = moving_square(16)
    frames[9:] = 255 - frames[9:]  # the clip turns into its negative between frames 8 and 9
    scores = Scorer(resolve(LITE)).score([chunk(frames)])
    image = decoded(scores.evidence[Metric.MOTION]).astype(int)
    cell = SIDE + GAP
    first, second, third = (image[:, start : start + SIDE] for start in (0, cell, 2 * cell))
    assert max(np.abs(first - second).mean(), np.abs(second - third).mean()) > 40


def test_evidence_is_deterministic() -> None:
    first, second = (Scorer(resolve(LITE)).score([chunk(moving_square(8))]).evidence for _ in range(2))
    assert first == second


def test_a_profile_can_turn_evidence_off() -> None:
    without_evidence = dataclasses.replace(LITE, evidence=False)
    plain, illustrated = (
        Scorer(resolve(profile)).score([chunk(moving_square(8))]) for profile in (without_evidence, LITE)
    )
    assert plain.evidence == {}
    assert plain.scores == illustrated.scores


def test_a_metric_without_a_score_has_no_evidence() -> None:
    assert set(Scorer(resolve(LITE)).score([chunk(moving_square(2))]).evidence) == {Metric.SPATIAL, Metric.APPEARANCE}


def test_pixels_that_are_not_square_are_shown_square() -> None:
    frames = moving_square(6)
    stretched = dataclasses.replace(chunk(frames), shape=0.5)
    result = Scorer(resolve(LITE)).score([stretched])
    assert decoded(result.evidence[Metric.APPEARANCE]).shape[:2] == (SIDE, 3 * 192 + 2 * GAP)
    assert result.scores == Scorer(resolve(LITE)).score([chunk(frames)]).scores
