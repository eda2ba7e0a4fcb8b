"""Clips of all sources made alike."""

import json
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from hfv_builder.frames.encode import h264_writer
from hfv_builder.frames.facts import probe
from hfv_builder.release import facts, sheets
from hfv_builder.release.encoding import Uniform, with_defaults
from hfv_builder.release.outputs import Output, encode
from hfv_builder.release.recipe import Recipe, make_files
from hfv_builder.release.regions import Crop, crop_of, cut_span, moved_box
from hfv_builder.release.uniform import LeftOut, choose_frames, fitted
from hfv_builder.storage.checksum import file_sha256
from tests.conftest import moving_square, write_clip


def read(table: object) -> Uniform:
    """What a release.toml with this table says."""
    return TypeAdapter(Uniform).validate_json(json.dumps(with_defaults({"uniform": table})["uniform"]))


HOW = read({"short_side": 32, "frames": 8})


def uniform(source: Path, target: Path, how: Uniform = HOW) -> Path:
    encode(source, [Output(path=target, encoding=how)], how)
    return target


def test_nothing_but_the_content_differs(tmp_path: Path) -> None:
    sources = [
        write_clip(tmp_path / "a.mp4", moving_square(30, width=128, height=72), fps=30),
        write_clip(tmp_path / "b.mkv", moving_square(14, width=60, height=90), fps=12, codec="ffv1"),
        write_clip(tmp_path / "c.avi", moving_square(8), fps=8, codec="mpeg4"),
    ]
    made = [uniform(source, tmp_path / f"{number}.mp4") for number, source in enumerate(sources)]
    known = [vars(probe(path)) | {"bit_rate": None} for path in made]
    assert known[0] == known[1] == known[2]
    assert (known[0]["width"], known[0]["height"], known[0]["num_frames"], known[0]["fps"]) == (32, 32, 8, 8.0)
    for path in made:
        with av.open(str(path)) as container:
            assert [stream.type for stream in container.streams] == ["video"]
            assert container.metadata.keys() <= {"major_brand", "minor_version", "compatible_brands", "encoder"}
            assert container.streams.video[0].average_rate == Fraction(8)


def test_the_same_clip_gives_the_same_bytes(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", moving_square(30, width=128, height=72), fps=30)
    assert len({uniform(source, tmp_path / f"{number}.mp4").read_bytes() for number in range(2)}) == 1


@pytest.mark.parametrize(("count", "fps"), [(7, 8), (8, 12), (13, 15), (4, 4)])
def test_what_is_too_short_or_too_slow_is_left_out(tmp_path: Path, count: int, fps: int) -> None:
    source = write_clip(tmp_path / "a.mp4", moving_square(count), fps=fps)
    with pytest.raises(LeftOut, match="it is too short: it has no 8 different frames at 8 a second"):
        uniform(source, tmp_path / "b.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_frames_without_times_are_left_out() -> None:
    with pytest.raises(LeftOut, match="no times"):
        choose_frames(np.full(30, np.nan), fps=8, count=8)


@settings(max_examples=60)
@given(
    st.lists(st.floats(0.001, 0.5), min_size=1, max_size=60),
    st.sampled_from([4.0, 8.0, 12.5]),
    st.integers(2, 12),
)
def test_the_chosen_frames_are_the_nearest_in_time(gaps: list[float], fps: float, count: int) -> None:
    times = np.concatenate([[0.0], np.cumsum(gaps)])
    try:
        chosen = choose_frames(times, fps=fps, count=count)
    except LeftOut:
        nearest = [int(np.argmin(abs(times - number / fps))) for number in range(count)]
        assert len({*nearest}) < count or (count - 1) / fps - times[-1] > 0.5 / fps
        return
    assert len({*chosen}) == count
    assert chosen == sorted(chosen)
    for number, frame in enumerate(chosen):
        assert abs(times[frame] - number / fps) == pytest.approx(abs(times - number / fps).min())


def test_sizes() -> None:
    wide = Uniform(**vars(HOW) | {"aspect": (16, 9), "short_side": 90})
    tall = Uniform(**vars(HOW) | {"aspect": (9, 16), "short_side": 90})
    assert (wide.size, tall.size, HOW.size) == ((160, 90), (90, 160), (32, 32))
    assert fitted(moving_square(1, width=50, height=70)[0], wide).shape == (90, 160, 3)
    left = np.zeros((40, 40, 3), np.uint8)
    left[:, :10] = left[:, 30:] = 255  # pixels of twice their height show 80 x 40: the crop takes the middle half
    assert not fitted(left, HOW, shape=2.0)[:, 2:-2].any()
    assert crop_of((100, 50), (1, 1)) == Crop(left=25, top=0, width=50, height=50)


def test_marks_move_with_the_frames() -> None:
    crop = crop_of((200, 100), (1, 1))  # 50 to 150
    assert moved_box({"x": 60, "y": 10, "w": 20, "h": 40}, crop, (50, 50)) == {"x": 5, "y": 5, "w": 10, "h": 20}
    assert moved_box({"x": 40, "y": 0, "w": 300, "h": 100}, crop, (50, 50)) == {"x": 0, "y": 0, "w": 50, "h": 50}
    assert moved_box({"x": 0, "y": 0, "w": 40, "h": 100}, crop, (50, 50)) is None
    assert moved_box(None, crop, (50, 50)) is None
    assert cut_span(0.5, 3.0, 2.0) == (0.5, 2.0)
    assert cut_span(2.5, 3.0, 2.0) == (None, None)
    assert cut_span(float("nan"), float("nan"), 2.0) == (None, None)


@pytest.fixture
def wide_pixels(tmp_path: Path) -> Path:
    """A clip of 40 x 40 pixels that is shown as 80 x 40."""
    path = tmp_path / "wide.mp4"
    with h264_writer(path, width=40, height=40, fps=8, quantiser=16, shape=2.0) as writer:
        for rgb in moving_square(8, width=40, height=40):
            writer.add(rgb)
    return path


def test_marks_move_with_the_crop_of_wide_pixels(wide_pixels: Path, tmp_path: Path) -> None:
    recipe = Recipe(uniform=HOW, variants=HOW)
    placed = make_files(wide_pixels, {"": "a.mp4"}, recipe, tmp_path, expected=file_sha256(wide_pixels))
    box = {"x": 10, "y": 0, "w": 20, "h": 40}  # the middle half, as the crop
    row = {"path": "a.mp4", "width": 40, "height": 40, "t_start": 0.5, "t_end": 2.0, "box": box}
    dataset: Any = SimpleNamespace(settings=SimpleNamespace(uniform=HOW), media="uniform")
    probes = {path: each.probe for path, each in placed.items() if each.probe}
    shapes = {path: each.shape for path, each in placed.items()}
    moved = facts._marked(pd.DataFrame([row]).set_index("path", drop=False), probes, shapes, dataset)
    assert moved["box"].tolist() == [{"x": 0, "y": 0, "w": 32, "h": 32}]


def test_sheets_show_frames_as_players_do(wide_pixels: Path) -> None:
    strip = sheets._strip(wide_pixels)
    assert strip is not None
    frame = strip[:, : sheets.SIZE[0]]
    margin = (sheets.SIZE[1] - sheets.SIZE[0] // 2) // 2
    assert (frame[:margin] == 255).all()
    assert not (frame[margin:-margin] == 255).all(axis=2).all(axis=0).any()


@pytest.mark.parametrize(
    "table", [{"short_side": 33}, {"aspect": [0, 1]}, {"frames": 1}, {"preset": "best"}, {"quantiser": 0}, {"fp": 8}, 3]
)
def test_values_that_cannot_be(table: object) -> None:
    with pytest.raises(ValidationError):
        read(table)
