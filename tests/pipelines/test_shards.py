"""Shards of a scoring run: their sizes, their log and the progress bar."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.compute
import pytest

from hfv_builder.profiles.profile import load_profile
from hfv_builder.records import METRICS, Metric
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS
from pipelines.catalog.stage import catalog
from pipelines.score.plan import shards_of
from pipelines.score.shard_log import pace
from pipelines.score.stage import score
from pipelines.status import status
from pipelines.workers.cluster import Cluster
from tests.pipelines.conftest import rows

Fill = Callable[..., Path]
LITE = load_profile("lite")


def test_progress_is_shown_on_a_terminal_alone(
    manifests: Manifests,
    clips_folder: Fill,
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    catalog(manifests, "kling", clips_folder(count=2), cluster=cluster)
    score(manifests, "kling", LITE, metrics=[Metric.MOTION], cluster=cluster)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    score(manifests, "kling", LITE, cluster=cluster)
    assert re.search(
        r"score kling \(lite\): 100%.* 2/2 \[\d\d:\d\d<\d\d:\d\d, +[\d.]+ ?(clip/s|s/clip), failed=0",
        capsys.readouterr().err,
    )


def test_the_log_has_a_line_for_every_shard(manifests: Manifests, clips_folder: Fill, cluster: Cluster) -> None:
    catalog(manifests, "kling", clips_folder(count=5), cluster=cluster)
    score(manifests, "kling", LITE, cluster=cluster)
    (log,) = (manifests.root / "runs").glob("*-score-kling.jsonl")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert sorted(clip for line in lines for clip in line["clips"]) == [
        row["clip_id"] for row in rows(manifests, CLIPS)
    ]
    assert all(line["decode_s"] > 0 and line["score_s"] > 0 and line["write_s"] > 0 for line in lines)
    assert pace(manifests, "kling") == pytest.approx(5 / lines[-1]["since_start_s"])
    assert pace(manifests, "kling", "lite") == pace(manifests, "kling")
    assert pace(manifests, "kling", "paper") is pace(manifests, "pika") is None
    log.write_text("\n".join([json.dumps({"clips": ["a"] * 6, "since_start_s": 3.0}), '{"clips": ["b"']))
    assert pace(manifests, "kling") == 2
    (generator,) = status(manifests).summary["generators"]
    assert generator["clips_per_s"] == 2
    log.write_text(json.dumps({"clips": ["a"], "since_start_s": 300.0}))
    assert status(manifests).summary["generators"][0]["clips_per_s"] == 0.00333  # not 0


def clips_of_lengths(frames: list[int]) -> pa.Table:
    """Return a table of clips to score with these numbers of frames."""
    count = len(frames)
    return pa.table(
        {
            "clip_id": [str(number) for number in range(count)],
            "path": ["x"] * count,
            "num_frames": frames,
            "width": [1920] * count,
            "height": [1080] * count,
            "status": ["ok"] * count,
            "error": pa.nulls(count, pa.string()),
            **{metric.value: [True] * count for metric in METRICS},
        }
    )


def test_a_shard_is_bounded_by_pixels_and_clips() -> None:
    """Long clips have shards of their own; short clips share shards."""
    run: Any = SimpleNamespace(resolved=SimpleNamespace(metrics=METRICS), shard_clips=2)
    shards = [[job.clip_id for job in shard] for shard in shards_of(clips_of_lengths([10, 10, 1000, 10, 10, 10]), run)]
    assert shards == [["0", "1"], ["2"], ["3", "4"], ["5"]]


def test_shards_get_smaller_towards_the_end() -> None:
    """Small shards at the end keep all workers busy."""
    run: Any = SimpleNamespace(resolved=SimpleNamespace(metrics=METRICS), shard_clips=8)
    sizes = [len(shard) for shard in shards_of(clips_of_lengths([1] * 100), run, shares=8)]
    assert sizes[:4] == [8] * 4
    assert sorted(sizes, reverse=True) == sizes
    assert sizes[-8:] == [1] * 8
    assert sum(sizes) == 100
