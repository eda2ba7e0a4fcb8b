"""Overlays are found on rendered clips that have a watermark, and on no others."""

from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from hfv_builder.audit.leakage import NEAR
from hfv_builder.audit.overlays import LEAST, Box, find_overlays
from hfv_builder.audit.watermarks import watermarks
from hfv_builder.frames.fixed_edges import SIDE, edge_directions, fixed_edges
from tests.audit.test_near import Frames, scene, signals

COUNT = 12


def marked(frames: Frames, strength: float) -> Frames:
    """The frames with translucent letters at the lower right."""
    found = frames.copy()
    for frame in found:
        over = frame.copy()
        cv2.putText(over, "KLING", (128, 134), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 2, cv2.LINE_AA)
        frame[:] = cv2.addWeighted(over, strength, frame, 1 - strength, 0)
    return found


def maps(strength: float, *, clean: int = 0) -> list[bytes]:
    """The fixed edges of clips with a watermark, and of some without."""
    found = []
    for seed in range(COUNT):
        frames = scene(seed, 16)
        packed = signals(frames if seed < clean or not strength else marked(frames, strength)).fixed
        assert packed is not None
        found.append(packed)
    return found


@pytest.fixture(scope="module")
def plain() -> list[bytes]:
    return maps(0)


@pytest.fixture(scope="module")
def opaque() -> list[bytes]:
    return maps(0.9)


def test_clips_without_a_watermark_have_no_overlay(plain: list[bytes]) -> None:
    found = find_overlays(plain, np.arange(COUNT))
    assert found is not None
    assert found.boxes == ()
    assert not found.shows.any()


@pytest.mark.parametrize("strength", [0.35, 0.9])
def test_a_watermark_is_found_where_it_is(strength: float, opaque: list[bytes]) -> None:
    found = find_overlays(opaque if strength == 0.9 else maps(strength), np.arange(COUNT))
    assert found is not None
    assert found.shows.all()
    assert len(found.boxes) == 1
    box = found.boxes[0]
    assert 0.6 < box.left < box.right <= 1
    assert 0.75 < box.top < box.bottom < 1
    assert box.cut == ("bottom", 1 - box.top)


def test_clips_that_lack_it_are_told_from_those_that_show_it() -> None:
    found = find_overlays(maps(0.9, clean=2), np.arange(COUNT))
    assert found is not None
    assert found.shows.tolist() == [False] * 2 + [True] * (COUNT - 2)


def test_the_same_content_counts_once(opaque: list[bytes], plain: list[bytes]) -> None:
    """Copies of one clip share all their edges, and are no sign of a watermark."""
    copies = [plain[0]] * COUNT
    assert find_overlays(copies, np.zeros(COUNT, np.int64)) is None
    found = find_overlays(plain + copies, np.array([*range(COUNT), *[0] * COUNT]))
    assert found is not None
    assert found.boxes == ()
    assert find_overlays(opaque[: LEAST - 1], np.arange(LEAST - 1)) is None


def test_the_order_of_clips_decides_nothing(opaque: list[bytes]) -> None:
    order = np.random.default_rng(0).permutation(COUNT)
    one, other = (find_overlays([opaque[place] for place in each], each) for each in (np.arange(COUNT), order))
    assert one is not None
    assert other is not None
    assert one.boxes == other.boxes


def table(generators: dict[str, list[bytes]], **columns: Any) -> pd.DataFrame:
    rows = [
        {"clip_id": f"{name}{number}", "generator": name, "width": 192, "height": 144, "fixed": packed, "border": 0.0}
        for name, own in generators.items()
        for number, packed in enumerate(own)
    ]
    return pd.DataFrame(rows).assign(**{NEAR: None}, **columns)


def test_a_watermark_is_an_error_with_its_place_and_a_cure(plain: list[bytes], opaque: list[bytes]) -> None:
    findings, places = watermarks(table({"kling": opaque, "pika": plain}))
    kling, pika = findings
    assert (kling.severity.value, pika.severity.value) == ("error", "ok")
    assert {*kling.clips} == {f"kling{number}" for number in range(COUNT)}
    assert "hfv review --clips LIST" in kling.advice
    assert "% of the bottom off all clips of all sources alike" in kling.advice
    assert [place.subject for place in places] == ["kling, 1.33 : 1"]


def test_a_mark_in_the_middle_cannot_be_cut_off(plain: list[bytes]) -> None:
    assert Box(top=0.4, bottom=0.6, left=0.4, right=0.65).cut == ("bottom", 0.6)
    codes = np.stack([np.frombuffer(packed, np.uint8) for packed in plain]).reshape(COUNT, SIDE, SIDE // 2).copy()
    codes[:, 60:70, 30:36] = 0x11
    findings, _ = watermarks(table({"kling": [packed.tobytes() for packed in codes]}))
    assert "cut" not in findings[0].advice


def test_bars_and_too_few_clips_are_left_out(opaque: list[bytes]) -> None:
    for clips in (table({"kling": opaque}, border=0.2), table({"kling": opaque[: LEAST - 1]})):
        findings, places = watermarks(clips)
        assert [(each.estimate, each.severity.value) for each in findings] == [(None, "note")]
        assert places == []


def test_directions_are_those_in_which_the_brightness_rises() -> None:
    ramp = np.repeat(np.arange(0, 256, 2, dtype=np.uint8)[None], SIDE, axis=0)
    for image, (down, across) in {
        "right": (ramp, (0, 1)),
        "left": (ramp[:, ::-1], (0, -1)),
        "down": (ramp.T, (1, 0)),
        "up": (ramp.T[::-1], (-1, 0)),
    }.values():
        packed = fixed_edges(np.repeat(np.ascontiguousarray(image)[None] // 1, 4, axis=0))
        assert packed is None or len(packed) == SIDE * SIDE // 2
        steep = np.repeat(np.ascontiguousarray(np.clip(image.astype(int) * 4 - 400, 0, 255))[None], 4, axis=0)
        packed = fixed_edges(steep.astype(np.uint8))
        assert packed is not None
        vector = edge_directions(packed)[:, SIDE // 2, SIDE // 2]
        assert vector @ np.array([down, across]) > 0.9
    assert fixed_edges(np.zeros((3, SIDE, SIDE), np.uint8)) is None
