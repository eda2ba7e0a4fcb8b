"""Selection of frames and pairs: the requested number of pairs, spread evenly, and the requested rate in time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfv_builder.frames.steps import Link, Sampling, choose, select, thin
from hfv_builder.records import ClipError

COUNTS = st.integers(1, 400)
PAIRS = st.integers(0, 500)


@given(COUNTS, PAIRS, st.booleans())
def test_as_many_pairs_as_requested_are_selected(count: int, pairs: int, runs: bool) -> None:
    selection = select(np.arange(count), pairs=pairs, runs=runs)
    frames, steps = selection.frames.tolist(), np.flatnonzero(selection.link == Link.STEP)
    possible = count - 1
    assert len(steps) == (min(pairs, possible) if pairs else possible)
    assert frames == sorted(set(frames))
    assert all(frames[position] == frames[position - 1] + 1 for position in np.flatnonzero(selection.link))
    if pairs and pairs < possible:
        assert len(frames) <= (3 if runs else 2) * pairs


@given(COUNTS, PAIRS)
def test_every_pair_with_a_third_frame_is_a_run_of_three(count: int, pairs: int) -> None:
    link = select(np.arange(count), pairs=pairs, runs=True).link
    runs = (link[:-1] == Link.STEP) & (link[1:] != Link.NONE)
    assert runs.sum() == min(pairs or count, max(0, count - 2))


@given(st.integers(3, 400), st.integers(2, 400), st.booleans())
def test_pairs_are_spread_evenly_from_the_first_to_the_last(count: int, pairs: int, runs: bool) -> None:
    selection = select(np.arange(count), pairs=pairs, runs=runs)
    firsts = selection.frames[np.flatnonzero(selection.link == Link.STEP) - 1]
    gaps = np.diff(firsts)
    assert firsts[0] == 0
    assert firsts[-1] == count - (3 if runs and pairs < count - 1 else 2)
    assert len(gaps) == 0 or gaps.max() - gaps.min() <= 1


def test_adjacent_pairs_are_not_linked() -> None:
    selection = select(np.arange(33), pairs=16)
    assert selection.frames[:8].tolist() == list(range(8))
    assert selection.link[:8].tolist() == [0, 2, 0, 2, 0, 2, 0, 2]


@given(st.integers(2, 300), st.floats(1, 120), st.floats(0.1, 240))
def test_thinning_takes_the_nearest_frames_and_never_two_of_the_same(count: int, fps: float, rate: float) -> None:
    times = np.arange(count) / fps
    indices = thin(times, rate)
    assert indices[0] == 0
    assert (np.diff(indices) > 0).all()
    if rate >= fps:
        assert len(indices) == count
        return
    for tick in np.arange(len(indices)) / rate:
        if tick <= times[-1]:
            assert np.abs(times[indices] - tick).min() <= np.abs(times - tick).min() + 1e-3 / rate


@pytest.mark.parametrize("fps", [24, 30, 60, 24_000 / 1001])
def test_clips_of_usual_rates_get_the_same_times(fps: float) -> None:
    times = np.round(np.arange(round(2 * fps)) / fps, 3)  # some containers keep milliseconds
    assert np.diff(thin(times, 6)).tolist() == [round(fps / 6)] * 11


def test_irregular_times_are_thinned_by_time_and_not_by_index() -> None:
    times = np.concatenate([np.arange(20) / 40, 0.5 + np.arange(11) / 10])
    assert times[thin(times, 10)].tolist() == pytest.approx(np.arange(16) / 10)


def test_pairs_are_selected_after_thinning() -> None:
    selection = choose(np.arange(48) / 48, Sampling(pairs=3, rate=24))
    assert selection.frames.tolist() == [0, 2, 22, 24, 44, 46]
    assert selection.link.tolist() == [0, 2, 0, 2, 0, 2]


def test_a_rate_for_frames_without_times_fails_the_clip() -> None:
    with pytest.raises(ClipError, match="no times, which the profile's rate requires"):
        choose(np.full(4, np.nan), Sampling(rate=6))
