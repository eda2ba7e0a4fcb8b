"""Odd media in a folder are catalogued with correct values and a remark, and do not affect other clips."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hfv_builder.frames.facts import Probe, probe
from hfv_builder.profiles.profile import load_profile
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, SCORES
from pipelines.catalog.stage import catalog
from pipelines.catalog.worker import storable
from pipelines.score.stage import score
from pipelines.workers.cluster import Cluster
from tests.frames.made import COUNT, KINDS, make
from tests.pipelines.conftest import rows

IN_PROCESS = Cluster(workers=0)


def write_odd_clips(tmp_path: Path) -> Path:
    """Write a valid clip, a joined recording, and a clip that declares more frames than int32 can hold."""
    clips = tmp_path / "clips"
    clips.mkdir()
    kinds = {kind.name: kind for kind in KINDS}
    make(clips, kinds["libx264.mp4"])
    joined = make(clips, kinds["libx264.ts"], "b").path
    joined.write_bytes(2 * joined.read_bytes())
    overflowing = make(clips, kinds["mpeg4.avi"]).path
    data = bytearray(overflowing.read_bytes())
    offset = data.index(b"strh") + 8 + 32
    data[offset : offset + 4] = struct.pack("<I", 2**32 - 1)
    overflowing.write_bytes(data)
    return clips


def test_odd_values_of_a_file_do_not_affect_others(manifests: Manifests, tmp_path: Path) -> None:
    outcome = catalog(manifests, "mine", write_odd_clips(tmp_path), cluster=IN_PROCESS)
    assert outcome.exit_code == 0
    by_suffix = {Path(row["path"]).suffix: row for row in rows(manifests, CLIPS)}
    assert [row["status"] for row in by_suffix.values()] == ["ok"] * 3
    assert {suffix: row["num_frames"] for suffix, row in by_suffix.items()} == {
        ".mp4": COUNT,
        ".ts": 2 * COUNT,
        ".avi": COUNT,
    }
    assert by_suffix[".mp4"]["error"] is None
    assert by_suffix[".ts"]["error"].startswith(f"its timestamps jump before frame {COUNT}")
    assert by_suffix[".avi"]["error"] == f"it declares 4294967295 frames and has {COUNT}"
    assert {Path(row["file"]).suffix for row in outcome.summary["odd"]} == {".ts", ".avi"}
    assert "will be scored, with remarks" in outcome.text


def test_clips_with_a_remark_are_scored(manifests: Manifests, tmp_path: Path) -> None:
    catalog(manifests, "mine", write_odd_clips(tmp_path), cluster=IN_PROCESS)
    score(manifests, "mine", load_profile("lite"), cluster=IN_PROCESS)
    scored = rows(manifests, SCORES)
    assert len(scored) == 9
    assert {row["status"] for row in scored} == {"ok"}


def test_values_that_do_not_fit_are_null_and_reported(
    manifests: Manifests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overflowing_probe(path: Path) -> Probe:
        values: dict[str, Any] = vars(probe(path))
        return Probe(**values | {"bit_rate": 2**64, "duration_s": np.inf} if path.suffix == ".mp4" else values)

    monkeypatch.setattr("pipelines.catalog.worker.probe", overflowing_probe)
    catalog(manifests, "mine", write_odd_clips(tmp_path), cluster=IN_PROCESS)
    (row,) = (row for row in rows(manifests, CLIPS) if row["path"].endswith(".mp4"))
    assert (row["status"], row["bit_rate"], row["duration_s"], row["num_frames"]) == ("ok", None, None, COUNT)
    assert "its duration_s does not fit the table and is left out" in row["error"]
    assert "its bit_rate does not fit the table and is left out" in row["error"]


@pytest.mark.parametrize(
    ("name", "value", "fits"),
    [
        ("num_frames", 2**31 - 1, True),
        ("num_frames", 2**31, False),
        ("bit_rate", -(2**63), True),
        ("bit_rate", 2**63, False),
        ("fps", float("nan"), False),
        ("fps", None, True),
        ("codec", "h264", True),
    ],
)
def test_values_that_a_column_cannot_hold_are_null(name: str, value: Any, fits: bool) -> None:
    stored, unfit = storable({name: value})
    assert unfit == ([] if fits else [name])
    assert stored[name] == (value if fits else None)
