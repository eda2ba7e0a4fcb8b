"""Which frames are taken and which are compared: exactly as many pairs as asked for, spread evenly; rates in time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfv_builder.frames.steps import Link, Sampling, choose, select, thin
from hfv_builder.records import ClipError

COUNTS = st.integers(1, 400)
PAIRS = st.integers(0, 500)


@given(COUNTS, PAIRS, st.booleans())
def test_exactly_as_many_pairs_as_asked_for(count: int, pairs: int, runs: bool) -> None:
    found = select(np.arange(count), pairs=pairs, runs=runs)
    frames, steps = found.frames.tolist(), np.flatnonzero(found.link == Link.STEP)
    possible = count - 1
    assert len(steps) == (min(pairs, possible) if pairs else possible)
    assert frames == sorted(set(frames))
    assert all(frames[at] == frames[at - 1] + 1 for at in np.flatnonzero(found.link))
    if pairs and pairs < possible:
        assert len(frames) <= (3 if runs else 2) * pairs


@given(COUNTS, PAIRS)
def test_a_run_of_three_for_every_pair_that_has_a_third_frame(count: int, pairs: int) -> None:
    link = select(np.arange(count), pairs=pairs, runs=True).link
    runs = (link[:-1] == Link.STEP) & (link[1:] != Link.NONE)
    assert runs.sum() == min(pairs or count, max(0, count - 2))


@given(st.integers(3, 400), st.integers(2, 400), st.booleans())
def test_pairs_are_spread_evenly_from_the_first_to_the_last(count: int, pairs: int, runs: bool) -> None:
    found = select(np.arange(count), pairs=pairs, runs=runs)
    firsts = found.frames[np.flatnonzero(found.link == Link.STEP) - 1]
    gaps = np.diff(firsts)
    assert firsts[0] == 0
    assert firsts[-1] == count - (3 if runs and pairs < count - 1 else 2)
    assert len(gaps) == 0 or gaps.max() - gaps.min() <= 1


def test_pairs_that_touch_make_none_between_them() -> None:
    found = select(np.arange(33), pairs=16)
    assert found.frames[:8].tolist() == list(range(8))
    assert found.link[:8].tolist() == [0, 2, 0, 2, 0, 2, 0, 2]


@given(st.integers(2, 300), st.floats(1, 120), st.floats(0.1, 240))
def test_thinning_takes_the_nearest_frames_and_never_two_of_the_same(count: int, fps: float, rate: float) -> None:
    times = np.arange(count) / fps
    found = thin(times, rate)
    assert found[0] == 0
    assert (np.diff(found) > 0).all()
    if rate >= fps:
        assert len(found) == count
        return
    for tick in np.arange(len(found)) / rate:
        if tick <= times[-1]:
            assert np.abs(times[found] - tick).min() <= np.abs(times - tick).min() + 1e-3 / rate


@pytest.mark.parametrize("fps", [24, 30, 60, 24_000 / 1001])
def test_clips_of_usual_rates_get_the_same_times(fps: float) -> None:
    times = np.round(np.arange(round(2 * fps)) / fps, 3)  # some containers keep milliseconds
    assert np.diff(thin(times, 6)).tolist() == [round(fps / 6)] * 11


def test_irregular_times_are_thinned_in_time_and_not_by_number() -> None:
    times = np.concatenate([np.arange(20) / 40, 0.5 + np.arange(11) / 10])
    assert times[thin(times, 10)].tolist() == pytest.approx(np.arange(16) / 10)


def test_pairs_are_taken_of_what_a_rate_leaves() -> None:
    found = choose(np.arange(48) / 48, Sampling(pairs=3, rate=24))
    assert found.frames.tolist() == [0, 2, 22, 24, 44, 46]
    assert found.link.tolist() == [0, 2, 0, 2, 0, 2]


def test_a_rate_without_times_is_the_clips_failure() -> None:
    with pytest.raises(ClipError, match="no times, which the profile's rate requires"):
        choose(np.full(4, np.nan), Sampling(rate=6))
