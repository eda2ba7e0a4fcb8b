"""Scores of clips: compared with the reference, exact for static clips, and higher for known faults."""

import dataclasses
import math
from copy import copy
from functools import cache, partial
from itertools import islice
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from hfv_builder.backends.registry import load, resolve
from hfv_builder.frames import spool
from hfv_builder.frames.media import open_media
from hfv_builder.frames.video import Chunk
from hfv_builder.profiles.profile import Precision, Profile, load_profile
from hfv_builder.records import METRICS, Metric
from hfv_builder.scoring import flow_pairs, spatial
from hfv_builder.scoring import scorer as scoring
from hfv_builder.scoring.scorer import Scorer
from hfv_builder.trial.certificate import TOLERANCES
from tests.checkpoints import tiny_store
from tests.device import DEVICE, ROUNDING
from tests.reference import Reference, load_raft
from tests.scoring.material import Frames, chunks, paper, scorer, values, walk
from tests.slim import slim_raft, slim_store


@cache
def reference_with(backend: str) -> Reference:
    with slim_raft():
        return Reference(paper(backend=backend), slim_store())


def reference_of(profile: Profile) -> Reference:
    """Return the reference for the profile, which shares its models with the others of the same flow."""
    reference = copy(reference_with(profile.flow.backend))
    reference.profile = profile
    return reference


def assert_equals_reference(profile: Profile, frames: Frames) -> None:
    fast = scorer(profile).score(chunks(frames)).scores
    reference = reference_of(profile)
    expected_scores = {
        Metric.SPATIAL: reference.spatial(frames),
        Metric.APPEARANCE: reference.appearance(frames),
        Metric.MOTION: reference.motion(frames),
    }
    for metric, expected in expected_scores.items():
        assert expected.score > 1e-7, metric
        # A small appearance score is a difference of values near one, so rounding is 1e-6 of those.
        margin = 1e-6 if metric is Metric.APPEARANCE else 0
        assert fast[metric].value == pytest.approx(expected.score, rel=1e-5 * ROUNDING, abs=margin * ROUNDING), metric
        np.testing.assert_allclose(
            np.array(fast[metric].trace, float), expected.trace, rtol=1e-4 * ROUNDING, atol=1e-6 * ROUNDING
        )


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
def test_scores_equal_the_reference(profile: Profile) -> None:
    frames = walk(4)
    frames[2] = np.roll(frames[2], 4, axis=1)
    assert_equals_reference(profile, frames)


def test_scores_of_shrunk_flow_equal_the_reference() -> None:
    assert_equals_reference(paper(), walk(3, height=150, width=210))


@pytest.mark.parametrize("folder", ["real", "wan21"])
def test_scores_of_real_clips_equal_the_reference(folder: str, real_clips: Path) -> None:
    with open_media(min((real_clips / folder).glob("*.mp4"))) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in islice(container.decode(video=0), 7)]
    assert_equals_reference(paper(long_side=160), np.stack(frames[::3]))


@pytest.mark.parametrize("name", ["raft_small", "raft_large"])
def test_flow_equals_torchvisions(name: str) -> None:
    profile = paper(backend=name, updates=12)
    frames = walk(3)
    images = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
    model = load(profile.flow, DEVICE, tiny_store())
    reference = reference_of(profile)
    reference.flow_model = load_raft(name, tiny_store()).to(DEVICE)
    with torch.inference_mode():
        features = model.encode(images)
        fast = model.flow(tuple(level[:-1] for level in features), tuple(level[1:] for level in features))
    for t in range(2):
        first, second = (frames[t + i].astype(np.float32) / 255 for i in range(2))
        slow = reference.flow(first, second, frames.shape[1:3])
        assert np.abs(slow).mean() > 0.01
        np.testing.assert_allclose(fast[t].permute(1, 2, 0).cpu().numpy(), slow, atol=1e-3)


@pytest.mark.parametrize("name", ["raft_small", "raft_large"])
def test_flow_in_bf16_is_nearly_that_in_fp32(name: str) -> None:
    images = torch.from_numpy(walk(2)).permute(0, 3, 1, 2).float() / 255
    flows = []
    for precision in ("fp32", "bf16"):
        flow = dataclasses.replace(paper(backend=name, updates=3).flow, precision=precision)
        model = load(flow, DEVICE, tiny_store())
        with torch.inference_mode():
            features = model.encode(images)
            flows.append(model.flow(tuple(level[:1] for level in features), tuple(level[1:] for level in features)))
    exact, rounded = flows
    assert exact.abs().mean() > 0.01
    assert not torch.equal(exact, rounded)
    assert (exact - rounded).abs().mean() < 0.05 * exact.abs().mean()


def test_scores_in_half_precision_are_near_those_in_fp32() -> None:
    """The tolerances are those for a comparison of two machines; random weights do not enlarge rounding errors."""
    exact = paper(backend="raft_large")
    names = ("flow", "depth", "background", "subject")
    precision: Precision = "bf16" if DEVICE == "cpu" else "fp16"
    half = {name: dataclasses.replace(getattr(exact, name), precision=precision) for name in names}
    both = [
        values(Scorer(resolve(profile, device=DEVICE, store=tiny_store()), store=tiny_store()).score(chunks(walk(2))))
        for profile in (exact, dataclasses.replace(exact, **half))
    ]
    assert both[0] != both[1]
    assert both[1] == pytest.approx(both[0], rel=TOLERANCES[precision])


@pytest.mark.parametrize("profile", [paper(), paper(flow_on="rgb")], ids=["paper", "rgb"])
def test_neither_chunks_nor_batches_nor_the_spool_change_a_score(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = walk(7)
    together = scorer(profile).score(chunks(frames)).scores
    for module in (spatial, scoring):
        monkeypatch.setattr(module, "AT_ONCE", {"cpu": 2 * 72 * 128, DEVICE: 2 * 72 * 128})
    monkeypatch.setattr(flow_pairs, "AT_ONCE", 1)
    monkeypatch.setattr(spool, "IN_MEMORY", {"cpu": 1000})
    cut = scorer(profile).score(chunks(frames, 1, 4, 2)).scores
    for metric in METRICS:
        assert cut[metric].frames == together[metric].frames
        np.testing.assert_allclose(np.array(cut[metric].trace), np.array(together[metric].trace), rtol=2e-4, atol=1e-9)


@pytest.mark.filterwarnings("ignore:Guards may run slower:RuntimeWarning")  # Python 3.13.0 alone
def test_a_compiled_model_gives_the_same_score(monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph is captured but run by the usual kernels, since generating kernels takes minutes.

    Processors without AVX-512 round the captured graph differently; the score is the difference of cosines from 1.
    """
    compile_function = Mock(wraps=partial(torch.compile, backend="eager"))
    monkeypatch.setattr(torch, "compile", compile_function)
    usual = paper()
    changed = dataclasses.replace(usual, background=dataclasses.replace(usual.background, compile=True))
    both = [
        Scorer(resolve(profile, metrics=[Metric.APPEARANCE], store=slim_store()), store=slim_store())
        for profile in (usual, changed)
    ]
    usual_value, compiled_value = (model.score(chunks(walk(3))).scores[Metric.APPEARANCE].value for model in both)
    compile_function.assert_called_once()
    assert compiled_value == pytest.approx(usual_value, abs=1e-6)


def test_chosen_pairs_are_compared_and_no_others() -> None:
    frames = walk(6)
    (chunk,) = chunks(frames)
    chosen = np.array([0, 1, 3, 4])
    gaps = Chunk(rgb=frames[chosen], index=chosen.astype(np.int32))
    for profile in (paper(), paper(flow_on="rgb")):
        result, whole = (scorer(profile).score([part]).scores for part in (gaps, chunk))
        assert result[Metric.MOTION].frames == [0, 3]
        assert result[Metric.SPATIAL].frames == [0, 3]
        expected = [whole[Metric.MOTION].trace[pair] for pair in (0, 3)]
        np.testing.assert_allclose(np.array(result[Metric.MOTION].trace), np.array(expected), rtol=1e-4)


@pytest.mark.parametrize("profile", [paper(backend="dis"), load_profile("lite")], ids=["paper", "lite"])
def test_a_static_clip_scores_zero(profile: Profile) -> None:
    """The flow is classical, since RAFT with random weights finds motion in static clips."""
    still = np.repeat(walk(1), 6, axis=0)
    result = scorer(profile).score(chunks(still))
    assert values(result) == pytest.approx([0, 0, 0], abs=1e-9)
    assert all(math.isfinite(part) for score in result.scores.values() for part in score.components.values())


def test_the_warp_error_of_all_pixels_is_a_component() -> None:
    frames = walk(4)
    masked = paper(backend="dis")
    unmasked = dataclasses.replace(masked, motion=dataclasses.replace(masked.motion, occlusion=False))
    score, other = (
        scorer(profile).score(chunks(frames), [Metric.MOTION]).scores[Metric.MOTION] for profile in (masked, unmasked)
    )
    assert score.components["unmasked_warp_error"] == pytest.approx(other.value)
    assert score.value != pytest.approx(other.value)
    assert "unmasked_warp_error" not in other.components


def test_flow_acceleration_is_a_component_and_changes_no_score() -> None:
    frames = walk(6)
    warped = paper(backend="dis")
    accelerated = dataclasses.replace(
        warped, motion=dataclasses.replace(warped.motion, metric="flow_acceleration", occlusion=False)
    )
    score, other = (
        scorer(profile).score(chunks(frames), [Metric.MOTION]).scores[Metric.MOTION]
        for profile in (warped, accelerated)
    )
    assert score.components["flow_acceleration"] == other.value
    assert score.value != other.value
    assert "flow_acceleration" not in scorer(warped).score(chunks(frames[:2])).scores[Metric.MOTION].components


def test_clip_embeddings_are_returned() -> None:
    frames = walk(5)
    result = scorer(paper()).score(chunks(frames, 3, 2))
    (vectors,) = result.embeddings.values()
    assert list(result.embeddings) == ["clip"]
    assert vectors.frames == [0, 1, 2, 3, 4]
    assert vectors.vectors.dtype == np.float16
    expected = np.stack([reference_of(paper()).clip_feature(frame) for frame in frames])
    np.testing.assert_allclose(vectors.vectors, expected, atol=1e-3 if DEVICE == "cpu" else 5e-3)
    assert scorer(paper()).score(chunks(frames), [Metric.MOTION]).embeddings == {}
    assert list(scorer(load_profile("lite")).score(chunks(frames)).embeddings) == ["lab_histogram"]


def test_noise_raises_all_three_scores() -> None:
    clean = walk(6)
    noise = np.random.default_rng(1).normal(0, 25, clean.shape)
    noisy = np.clip(clean + noise, 0, 255).astype(np.uint8)
    clip_scorer = scorer(paper(flow_on="rgb"))
    assert np.all(np.array(values(clip_scorer.score(chunks(noisy)))) > values(clip_scorer.score(chunks(clean))))


def test_swapped_frames_and_a_jump_raise_motion_and_appearance() -> None:
    clean = walk(8)
    swapped = clean[[0, 1, 5, 3, 4, 2, 6, 7]]
    jump = np.concatenate([clean[:4], walk(4, seed=5)])
    clip_scorer = scorer(paper())
    metrics = (Metric.APPEARANCE, Metric.MOTION)
    before = clip_scorer.score(chunks(clean), metrics).scores
    for changed in (swapped, jump):
        after = clip_scorer.score(chunks(np.ascontiguousarray(changed)), metrics).scores
        for metric in metrics:
            assert (after[metric].value or 0) > (before[metric].value or 0), metric


def test_scores_are_deterministic() -> None:
    frames = walk(3)
    first, second = (scorer(paper()).score(chunks(frames)).scores for _ in range(2))
    assert first == second
