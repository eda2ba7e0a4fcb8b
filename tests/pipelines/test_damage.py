"""Damaged clips are scored if enough frames decode, missing frames are reported, and no pair spans a gap."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from hfv_builder.backends.registry import resolve
from hfv_builder.frames import video
from hfv_builder.frames.facts import probe, read_timeline
from hfv_builder.frames.steps import Link
from hfv_builder.frames.video import decode
from hfv_builder.profiles.profile import load_profile
from hfv_builder.records import METRICS, ClipError, Metric
from hfv_builder.scoring.scorer import Scorer
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import SCORES
from pipelines.catalog.stage import catalog
from pipelines.score.stage import score
from pipelines.workers.cluster import Cluster
from review_ui.proxies import make_proxy
from tests.conftest import moving_square, write_clip
from tests.pipelines.conftest import rows

LITE = load_profile("lite")


def damaged(path: Path, frames: int, lost: list[int], *, codec: str = "png") -> Path:
    """Write a clip with zeros in place of some of its packets."""
    write_clip(path, moving_square(frames), codec=codec, pix_fmt="rgb24" if codec == "png" else "yuv420p")
    with av.open(str(path)) as container:
        packets: list[Any] = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for index in lost:
        start, size = packets[index]
        data[start : start + size] = bytes(size)
    path.write_bytes(data)
    return path


def test_frames_after_a_damaged_packet_keep_their_indices(tmp_path: Path) -> None:
    path = damaged(tmp_path / "clip.mov", 50, [7, 20, 21])
    intact = list(decode(damaged(tmp_path / "whole.mov", 50, [])))
    (chunk,) = decode(path)
    indices = [index for index in range(50) if index not in (7, 20, 21)]
    assert chunk.index.tolist() == indices
    assert chunk.missing == 3
    assert np.array_equal(chunk.rgb, intact[0].rgb[indices])
    assert [frame.index for frame in video.frames(path)] == indices


def test_no_pair_spans_a_gap(tmp_path: Path) -> None:
    (chunk,) = decode(damaged(tmp_path / "clip.mov", 30, [10, 11]))
    assert chunk.link is not None
    assert chunk.index[chunk.link == Link.NONE].tolist() == [0, 12]
    scores = Scorer(resolve(LITE)).score([chunk]).scores
    assert scores[Metric.SPATIAL].frames == [n for n in range(29) if n not in (9, 10, 11)]
    assert scores[Metric.APPEARANCE].frames == [n for n in range(1, 30) if n not in (10, 11, 12)]
    assert scores[Metric.MOTION].frames == [n for n in range(28) if n not in (8, 9, 10, 11)]


def test_pairs_of_a_missing_frame_are_left_out(tmp_path: Path) -> None:
    path = damaged(tmp_path / "clip.mov", 30, [14])
    (chunk,) = decode(path, pairs=3)
    assert chunk.link is not None
    assert chunk.index.tolist() == [0, 1, 15, 28, 29]
    assert chunk.link.tolist() == [0, 2, 0, 0, 2]


def test_a_damaged_packet_of_h264_costs_few_frames(tmp_path: Path) -> None:
    (chunk,) = decode(damaged(tmp_path / "clip.mp4", 50, [25], codec="libx264"))
    assert len(chunk.index) + chunk.missing == 50
    assert 1 <= chunk.missing <= 5


@pytest.mark.parametrize("cut", [0.4, 0.8])
def test_too_few_frames_fail_the_clip_with_figures(tmp_path: Path, cut: float) -> None:
    frames = 120
    path = damaged(tmp_path / "clip.mov", frames, list(range(round(cut * frames), frames)))
    with pytest.raises(
        ClipError, match=f"^{round(cut * frames)} of 120 frames can be decoded; the profile requires 90 %$"
    ):
        list(decode(path))
    assert sum(len(chunk.index) for chunk in decode(path, min_decoded=0.3)) == round(cut * frames)


def test_frames_of_a_truncated_file_are_counted_by_its_index(tmp_path: Path) -> None:
    path = tmp_path / "clip.mov"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream: Any = container.add_stream("png", rate=12)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "rgb24"
        for frame in moving_square(40):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ClipError, match=r"^\d+ of 40 frames can be decoded"):
        list(decode(path))


def test_the_first_frame_may_be_missing(tmp_path: Path) -> None:
    path = damaged(tmp_path / "clip.mov", 30, [0])
    (chunk,) = decode(path)
    assert chunk.index.tolist() == list(range(1, 30))
    assert probe(path).num_frames == 30


def test_the_proxy_keeps_the_times_of_frames(tmp_path: Path) -> None:
    path = damaged(tmp_path / "clip.mov", 30, [10, 11])
    make_proxy(path, tmp_path / "proxy.mp4")
    assert read_timeline(tmp_path / "proxy.mp4").times == pytest.approx([index / 12 for index in range(30)], abs=1e-3)
    rgb = [frame.rgb for frame in video.frames(tmp_path / "proxy.mp4")]
    assert np.abs(rgb[9].astype(int) - rgb[11]).mean() < 1 < np.abs(rgb[9].astype(int) - rgb[12]).mean()


def test_rows_report_missing_frames(tmp_path: Path, manifests: Manifests, cluster: Cluster) -> None:
    folder = tmp_path / "clips"
    damaged(folder / "scored.mov", 50, [7, 20])
    damaged(folder / "failed.mov", 40, list(range(10, 40)))
    catalog(manifests, "kling", folder, cluster=cluster)
    outcome = score(manifests, "kling", LITE, cluster=cluster)
    records = rows(manifests, SCORES)
    assert len(records) == 2 * len(METRICS)
    for row in records:
        if row["status"] == "ok":
            assert dict(row["components"])["frames_missing"] == 2
        else:
            assert row["error"] == "10 of 40 frames can be decoded; the profile requires 90 %"
    (suspicious,) = outcome.summary["suspicious"]
    assert suspicious["file"].endswith("scored.mov")
    assert suspicious["why"] == "2 frames cannot be decoded"
