"""Clips of several formats in a generator: reported by catalog and label, and ranked by format on request."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from hfv_builder.records import METRICS
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, LABELS
from pipelines.catalog.stage import catalog
from pipelines.cli import main
from pipelines.label.stage import label
from pipelines.workers.cluster import Cluster
from tests.conftest import moving_square, write_clip
from tests.pipelines.test_label_and_split import fill


def write_two_formats(manifests: Manifests, count: int = 60) -> list[dict[str, Any]]:
    """Write clips of two formats, of which the wide ones have higher spatial scores, and return their rows."""
    rng = np.random.default_rng(3)
    scores = rng.random((count, 3))
    scores[: count // 2, 0] += 1
    ids = fill(manifests, "kling", [tuple(map(float, row)) for row in scores])
    rows: list[dict[str, Any]] = manifests.read(CLIPS, generator="kling").to_pylist()
    for row in rows:
        wide = ids.index(row["clip_id"]) < count // 2
        row |= {"width": 1280 if wide else 512, "height": 320, "fps": 24.0 if wide else 8.0, "num_frames": 48}
    manifests.replace(CLIPS, [pa.Table.from_pylist(rows, CLIPS.schema)], generator="kling")
    return rows


def test_label_reports_formats_and_their_effect_on_labels(manifests: Manifests) -> None:
    write_two_formats(manifests)
    outcome = label(manifests)
    wide, small = outcome.summary["formats"]
    assert (wide["format"], small["format"]) == ("1280x320 24 fps 48 frames", "512x320 8 fps 48 frames")
    assert wide["spatial"] > 2 * small["spatial"]
    assert sum(row[metric.value] for row in (wide, small) for metric in METRICS) == 60
    assert any("hfv label --by-format" in warning for warning in outcome.summary["warnings"])
    for text in ("labels by format", wide["format"], "warning: the format of a clip decides"):
        assert text in outcome.text


def test_by_format_ranks_every_format_by_itself(manifests: Manifests, capsys: pytest.CaptureFixture[str]) -> None:
    clips = {row["clip_id"]: row for row in write_two_formats(manifests)}
    assert main(["label", "--by-format", "--manifests", str(manifests.root)]) == 0
    printed = capsys.readouterr().out
    assert "labels by format" in printed
    assert "decides" not in printed
    labels = manifests.read(LABELS).to_pylist()
    assert {row["group_size"] for row in labels} == {30}
    for width in (1280, 512):
        of_width = [row for row in labels if clips[row["clip_id"]]["width"] == width]
        assert sorted(row["rank_spatial"] for row in of_width) == list(range(1, 31))
    label(manifests)
    assert {row["group_size"] for row in manifests.read(LABELS).to_pylist()} == {60}


def test_formats_of_few_clips_are_named(manifests: Manifests) -> None:
    write_two_formats(manifests, 12)
    (warning,) = label(manifests, by_format=True).summary["warnings"]
    assert "2 formats of kling with fewer than 10 clips" in warning
    assert label(manifests).summary["warnings"] == []


def test_a_single_format_is_not_reported(manifests: Manifests) -> None:
    fill(manifests, "kling", [(1.0, 2.0, 3.0)] * 4)
    outcome = label(manifests)
    assert outcome.summary["formats"] == []
    assert "labels by format" not in outcome.text


def test_catalog_counts_formats(manifests: Manifests, tmp_path: Path) -> None:
    for seed in range(3):
        write_clip(tmp_path / "clips" / f"{seed}.mp4", moving_square(8 + seed // 2, seed=seed))
    outcome = catalog(manifests, "mine", tmp_path / "clips", cluster=Cluster(workers=0))
    assert outcome.summary["formats"] == []
    write_clip(tmp_path / "clips" / "other.mp4", moving_square(8, width=128), fps=25)
    outcome = catalog(manifests, "mine", tmp_path / "clips", cluster=Cluster(workers=0))
    assert outcome.summary["formats"] == [
        {"format": "96x64 12 fps 8-9 frames", "clips": 3},
        {"format": "128x64 25 fps 8 frames", "clips": 1},
    ]
    assert "clips of several formats" in outcome.text
