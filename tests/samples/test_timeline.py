"""Timelines: an anomaly changes the controls of its family alone, and more with larger severity."""

from dataclasses import fields

import numpy as np
import pytest

from hfv_builder.samples.anomalies import FAMILIES, kinds_of, make_timeline
from hfv_builder.samples.timeline import Timeline, random_pieces, smooth_step

GROUPS = {"spatial": "geometry", "appearance": "identity", "motion": "kinematics"}
KINDS = [(family, kind) for family in FAMILIES for kind in kinds_of(family)]
NUM_FRAMES = 30


def changed_controls(timeline: Timeline, group: str) -> set[str]:
    """Return the controls of a group that differ from those of a clean clip."""
    normal, actual = getattr(Timeline.normal(NUM_FRAMES), group), getattr(timeline, group)
    names = set()
    for field in fields(normal):
        value = getattr(actual, field.name)
        same = not value if isinstance(value, dict) else np.array_equal(value, getattr(normal, field.name))
        names |= set() if same else {field.name}
    return names


@pytest.mark.parametrize(("family", "kind"), KINDS)
def test_a_kind_changes_the_controls_of_its_family_alone(family: str, kind: str) -> None:
    timeline = make_timeline(family, kind, seed=3, num_frames=NUM_FRAMES, severity=0.7)
    for other, group in GROUPS.items():
        assert bool(changed_controls(timeline, group)) == (other == family)


@pytest.mark.parametrize(("family", "kind"), KINDS)
@pytest.mark.parametrize("severity", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("num_frames", [5, 36])
def test_controls_have_a_value_for_every_frame(family: str, kind: str, severity: float, num_frames: int) -> None:
    timeline = make_timeline(family, kind, seed=4, num_frames=num_frames, severity=severity)
    for group in GROUPS.values():
        controls = getattr(timeline, group)
        for field in fields(controls):
            value = getattr(controls, field.name)
            for track in value.values() if isinstance(value, dict) else [value]:
                assert len(track) == num_frames
                assert np.isfinite(track).all()


def test_the_same_arguments_give_the_same_timeline() -> None:
    turns = [
        make_timeline("motion", "spin", seed=seed, num_frames=NUM_FRAMES, severity=0.5).kinematics.turn
        for seed in (1, 1, 2)
    ]
    assert np.array_equal(turns[0], turns[1])
    assert not np.array_equal(turns[0], turns[2])


def test_a_clean_clip_has_no_changed_controls() -> None:
    timeline = make_timeline("clean", "none", seed=1, num_frames=NUM_FRAMES, severity=0.0)
    assert not any(changed_controls(timeline, group) for group in GROUPS.values())


def test_larger_severity_changes_controls_more() -> None:
    mild, bad = (
        make_timeline("spatial", "object_scale", seed=5, num_frames=NUM_FRAMES, severity=severity)
        for severity in (0.2, 1.0)
    )
    assert bad.geometry.object_scale.max() > mild.geometry.object_scale.max() > 1


def test_random_pieces_are_numbered_from_zero() -> None:
    pieces = random_pieces(np.random.default_rng(1), 20, 4)
    assert pieces[0] == 0
    assert pieces[-1] == 4
    assert set(np.diff(pieces)) == {0, 1}
    assert random_pieces(np.random.default_rng(1), 5, 40).tolist() == [0, 0, 1, 2, 2]


def test_smooth_step_rises_from_zero_to_one() -> None:
    steps = smooth_step(np.array([-1.0, 0.0, 0.25, 0.5, 1.0, 2.0]))
    assert steps.tolist() == [0, 0, pytest.approx(0.15625), 0.5, 1, 1]
