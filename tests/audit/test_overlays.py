"""Overlays are found on rendered clips with a watermark, and on no others."""

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


def with_watermark(frames: Frames, strength: float) -> Frames:
    """Return the frames with translucent letters at the lower right."""
    copies = frames.copy()
    for frame in copies:
        overlay = frame.copy()
        cv2.putText(overlay, "KLING", (128, 134), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 2, cv2.LINE_AA)
        frame[:] = cv2.addWeighted(overlay, strength, frame, 1 - strength, 0)
    return copies


def edges_of_clips(strength: float, *, clean: int = 0) -> list[bytes]:
    """Return the fixed edges of clips with a watermark, of which the first `clean` have none."""
    edges = []
    for seed in range(COUNT):
        frames = scene(seed, 16)
        packed = signals(frames if seed < clean or not strength else with_watermark(frames, strength)).fixed
        assert packed is not None
        edges.append(packed)
    return edges


@pytest.fixture(scope="module")
def without_watermark() -> list[bytes]:
    return edges_of_clips(0)


@pytest.fixture(scope="module")
def with_opaque_watermark() -> list[bytes]:
    return edges_of_clips(0.9)


def test_clips_without_a_watermark_have_no_overlay(without_watermark: list[bytes]) -> None:
    overlays = find_overlays(without_watermark, np.arange(COUNT))
    assert overlays is not None
    assert overlays.boxes == ()
    assert not overlays.shows.any()


@pytest.mark.parametrize("strength", [0.35, 0.9])
def test_a_watermark_is_found_where_it_is(strength: float, with_opaque_watermark: list[bytes]) -> None:
    overlays = find_overlays(with_opaque_watermark if strength == 0.9 else edges_of_clips(strength), np.arange(COUNT))
    assert overlays is not None
    assert overlays.shows.all()
    assert len(overlays.boxes) == 1
    box = overlays.boxes[0]
    assert 0.6 < box.left < box.right <= 1
    assert 0.75 < box.top < box.bottom < 1
    assert box.cut == ("bottom", 1 - box.top)


def test_clips_without_the_watermark_are_told_apart() -> None:
    overlays = find_overlays(edges_of_clips(0.9, clean=2), np.arange(COUNT))
    assert overlays is not None
    assert overlays.shows.tolist() == [False] * 2 + [True] * (COUNT - 2)


def test_the_same_content_counts_once(with_opaque_watermark: list[bytes], without_watermark: list[bytes]) -> None:
    """Copies of a clip share all edges and are no sign of a watermark."""
    copies = [without_watermark[0]] * COUNT
    assert find_overlays(copies, np.zeros(COUNT, np.int64)) is None
    overlays = find_overlays(without_watermark + copies, np.array([*range(COUNT), *[0] * COUNT]))
    assert overlays is not None
    assert overlays.boxes == ()
    assert find_overlays(with_opaque_watermark[: LEAST - 1], np.arange(LEAST - 1)) is None


def test_overlays_do_not_depend_on_the_order_of_clips(with_opaque_watermark: list[bytes]) -> None:
    order = np.random.default_rng(0).permutation(COUNT)
    result, shuffled = (
        find_overlays([with_opaque_watermark[index] for index in indices], indices)
        for indices in (np.arange(COUNT), order)
    )
    assert result is not None
    assert shuffled is not None
    assert result.boxes == shuffled.boxes


def table(generators: dict[str, list[bytes]], **columns: Any) -> pd.DataFrame:
    rows = [
        {"clip_id": f"{name}{number}", "generator": name, "width": 192, "height": 144, "fixed": packed, "border": 0.0}
        for name, own in generators.items()
        for number, packed in enumerate(own)
    ]
    return pd.DataFrame(rows).assign(**{NEAR: None}, **columns)


def test_a_watermark_is_an_error_with_its_place_and_advice(
    without_watermark: list[bytes], with_opaque_watermark: list[bytes]
) -> None:
    findings, places = watermarks(table({"kling": with_opaque_watermark, "pika": without_watermark}))
    kling, pika = findings
    assert (kling.severity.value, pika.severity.value) == ("error", "ok")
    assert {*kling.clips} == {f"kling{number}" for number in range(COUNT)}
    assert "hfv review --clips LIST" in kling.advice
    assert "% of the bottom off all clips of all sources alike" in kling.advice
    assert [place.subject for place in places] == ["kling, 1.33 : 1"]


def test_a_mark_in_the_middle_cannot_be_cut_off(without_watermark: list[bytes]) -> None:
    assert Box(top=0.4, bottom=0.6, left=0.4, right=0.65).cut == ("bottom", 0.6)
    codes = (
        np.stack([np.frombuffer(packed, np.uint8) for packed in without_watermark])
        .reshape(COUNT, SIDE, SIDE // 2)
        .copy()
    )
    codes[:, 60:70, 30:36] = 0x11
    findings, _ = watermarks(table({"kling": [packed.tobytes() for packed in codes]}))
    assert "cut" not in findings[0].advice


def rare_shapes(clips: pd.DataFrame, first: int) -> pd.DataFrame:
    """Give all clips but the first ones a shape of their own."""
    return clips.assign(width=[192 if number < first else 200 + 10 * number for number in range(len(clips))])


def test_the_finding_says_how_many_clips_were_not_examined(without_watermark: list[bytes]) -> None:
    (finding,), _ = watermarks(rare_shapes(table({"kling": without_watermark}), COUNT - 1))
    assert finding.severity.value == "ok"
    assert "not examined: 1 other with borders, without edges or of a rare shape" in finding.says


def test_letterboxed_and_too_few_clips_are_not_examined(
    without_watermark: list[bytes], with_opaque_watermark: list[bytes]
) -> None:
    for clips in (
        table({"kling": with_opaque_watermark}, border=0.2),
        table({"kling": with_opaque_watermark[: LEAST - 1]}),
        rare_shapes(table({"kling": without_watermark + with_opaque_watermark}), COUNT - 1),
    ):
        findings, places = watermarks(clips)
        assert [(finding.estimate, finding.severity.value) for finding in findings] == [(None, "note")]
        assert places == []


def test_edges_point_to_where_the_brightness_rises() -> None:
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
