"""Odd media in a folder: catalogued with right values and a remark, and never in the way of the others."""

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

HERE = Cluster(workers=0)


def folder_of(tmp_path: Path) -> Path:
    """A good clip, a joined one, and one that declares more frames than a table of int32 can hold."""
    clips = tmp_path / "clips"
    clips.mkdir()
    kinds = {kind.name: kind for kind in KINDS}
    make(clips, kinds["libx264.mp4"])
    joined = make(clips, kinds["libx264.ts"], "b").path
    joined.write_bytes(2 * joined.read_bytes())
    wild = make(clips, kinds["mpeg4.avi"]).path
    data = bytearray(wild.read_bytes())
    at = data.index(b"strh") + 8 + 32
    data[at : at + 4] = struct.pack("<I", 2**32 - 1)
    wild.write_bytes(data)
    return clips


def test_no_value_of_one_file_stops_the_others(manifests: Manifests, tmp_path: Path) -> None:
    outcome = catalog(manifests, "mine", folder_of(tmp_path), cluster=HERE)
    assert outcome.exit_code == 0
    found = {Path(row["path"]).suffix: row for row in rows(manifests, CLIPS)}
    assert [row["status"] for row in found.values()] == ["ok"] * 3
    assert {suffix: row["num_frames"] for suffix, row in found.items()} == {
        ".mp4": COUNT,
        ".ts": 2 * COUNT,
        ".avi": COUNT,
    }
    assert found[".mp4"]["error"] is None
    assert found[".ts"]["error"].startswith(f"its timestamps jump before frame {COUNT}")
    assert found[".avi"]["error"] == f"it declares 4294967295 frames and has {COUNT}"
    assert {Path(row["file"]).suffix for row in outcome.summary["odd"]} == {".ts", ".avi"}
    assert "will be scored, with remarks" in outcome.text


def test_a_remark_is_no_reason_not_to_score(manifests: Manifests, tmp_path: Path) -> None:
    catalog(manifests, "mine", folder_of(tmp_path), cluster=HERE)
    score(manifests, "mine", load_profile("lite"), cluster=HERE)
    scored = rows(manifests, SCORES)
    assert len(scored) == 9
    assert {row["status"] for row in scored} == {"ok"}


def test_values_that_do_not_fit_are_null_and_reported(
    manifests: Manifests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wild(path: Path) -> Probe:
        values: dict[str, Any] = vars(probe(path))
        return Probe(**values | {"bit_rate": 2**64, "duration_s": np.inf} if path.suffix == ".mp4" else values)

    monkeypatch.setattr("pipelines.catalog.worker.probe", wild)
    catalog(manifests, "mine", folder_of(tmp_path), cluster=HERE)
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
def test_what_a_column_can_hold(name: str, value: Any, fits: bool) -> None:
    kept, unfit = storable({name: value})
    assert unfit == ([] if fits else [name])
    assert kept[name] == (value if fits else None)
