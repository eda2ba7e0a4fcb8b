"""Frame times from presentation times, decoding times or a rate, and across jumps of the timestamps."""

import numpy as np
import pytest

from hfv_builder.frames.timeline import Stamps, Timeline, agree, rebuild

NAN = np.nan


def timeline_of(
    shown: list[float],
    *,
    decoded: list[float] | None = None,
    lasting: float | list[float] = 0.0,
    segment: list[int] | None = None,
    rate: float | None = None,
) -> Timeline:
    count = len(shown)
    stamps = Stamps(
        shown=np.array(shown, np.float64),
        decoded=np.array(decoded if decoded is not None else [NAN] * count, np.float64),
        lasting=np.broadcast_to(np.array(lasting, np.float64), (count,)),
        segment=np.array(segment if segment is not None else [0] * count),
    )
    return rebuild(stamps, rate)


def test_presentation_times_in_the_order_of_display() -> None:
    timeline = timeline_of([5.0, 5.3, 5.1, 5.2], lasting=0.1)
    np.testing.assert_allclose(timeline.times, [0, 0.1, 0.2, 0.3])
    assert timeline.duration_s == pytest.approx(0.4)
    assert timeline.jumps == ()


def test_decoding_times_replace_missing_presentation_times() -> None:
    timeline = timeline_of([0.0, NAN, 0.2], decoded=[-0.1, 0.0, 0.2])
    np.testing.assert_allclose(timeline.times, [0, 0.1, 0.3])


@pytest.mark.parametrize("rate", [20.0, None])
def test_without_any_times_frames_are_evenly_spaced(rate: float | None) -> None:
    timeline = timeline_of([NAN] * 3, lasting=0.05, rate=rate)
    np.testing.assert_allclose(timeline.times, [0, 0.05, 0.1])
    assert timeline.duration_s == pytest.approx(0.15)


def test_without_times_and_rate_times_are_nan() -> None:
    timeline = timeline_of([NAN] * 3)
    assert np.isnan(timeline.times[1:]).all()
    assert np.isnan(timeline.duration_s)


def test_segments_follow_one_another_at_the_frame_interval() -> None:
    timeline = timeline_of([7.0, 7.1, 7.2, 1.0, 1.2, 1.1, 900.0], segment=[0, 0, 0, 1, 1, 1, 2])
    np.testing.assert_allclose(timeline.times, np.arange(7) / 10)
    assert timeline.jumps == (3, 6)


def test_equal_times_are_spread_evenly() -> None:
    np.testing.assert_allclose(timeline_of([0.0, 0.1, 0.1, 0.3, 0.3]).times, [0, 0.1, 0.2, 0.3, 0.45])
    assert (np.diff(timeline_of([1.0] * 4, rate=10).times) > 0).all()


def test_the_last_frame_lasts_as_its_packet_says_if_packets_agree_with_times() -> None:
    assert timeline_of([0.0, 0.04, 0.08], lasting=[0.04, 0.04, 1.0]).last_s == pytest.approx(1.0)
    assert timeline_of([0.0, 0.04, 0.08], lasting=0.001).last_s == pytest.approx(0.04)
    assert timeline_of([0.0, 0.04, 0.08]).last_s == pytest.approx(0.04)


@pytest.mark.parametrize(("lasting", "rate", "last"), [(0.1, None, 0.1), (0.0, 10.0, 0.1), (0.0, None, NAN)])
def test_a_single_frame_lasts_as_its_packet_or_rate_says(lasting: float, rate: float | None, last: float) -> None:
    timeline = timeline_of([3.0], lasting=lasting, rate=rate)
    assert timeline.times.tolist() == [0.0]
    np.testing.assert_equal(timeline.last_s, last)


def test_a_timeline_without_frames_is_empty() -> None:
    assert len(timeline_of([])) == 0
    assert np.isnan(timeline_of([]).duration_s)


def test_times_after_the_last_known_frame_continue_at_its_duration() -> None:
    timeline = timeline_of([0.0, 0.1], lasting=0.1)
    assert [timeline.time(index) for index in range(4)] == pytest.approx([0, 0.1, 0.2, 0.3])


@pytest.mark.parametrize(
    ("declared", "measured", "slack", "agrees"),
    [(2.0, 2.01, 0, True), (2.0, 2.05, 0, False), (2.0, 2.05, 0.04, True), (None, 2.0, 0, False), (0.0, 2.0, 0, False)],
)
def test_declared_values_agree_within_one_percent(
    declared: float | None, measured: float, slack: float, agrees: bool
) -> None:
    assert agree(declared, measured, slack) == agrees
