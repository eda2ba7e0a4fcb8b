"""Scoring writes a row per clip and metric in every case, and the same row every time."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pytest
from distributed import Client

from hfv_builder.frames import video
from hfv_builder.frames.checks import Watch
from hfv_builder.profiles.profile import load_profile
from hfv_builder.records import METRICS, ClipError, Metric, UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, SCORES
from pipelines.catalog.stage import catalog
from pipelines.score.stage import score
from pipelines.workers.cluster import Cluster
from tests.conftest import moving_square, write_clip
from tests.pipelines.conftest import FIRST_SHARD, rows

Fill = Callable[..., Path]
LITE = load_profile("lite")


def test_every_clip_and_metric_has_a_row(manifests: Manifests, clips_folder: Fill, cluster: Cluster) -> None:
    folder = clips_folder(count=5, frames=4, broken=True)
    write_clip(folder / "one.mp4", moving_square(1, seed=50))
    write_clip(folder / "two.mp4", moving_square(2, seed=51))
    catalog(manifests, "kling", folder, cluster=cluster)
    outcome = score(manifests, "kling", LITE, cluster=cluster)
    assert outcome.exit_code == 3

    names = {row["clip_id"]: Path(row["path"]).name for row in rows(manifests, CLIPS)}
    records = {(names[row["clip_id"]], row["metric"]): row for row in rows(manifests, SCORES)}
    assert len(records) == 3 * 8
    for (name, metric), row in records.items():
        assert row["profile"] == "lite"
        if name.startswith("00"):
            assert row["status"] == "ok", row["error"]
            assert row["score"] >= 0
            assert len(row["frames"]) == len(row["trace"]) == {"motion": 2}.get(metric, 3)
        elif name == "two.mp4" and metric != "motion":
            assert row["status"] == "ok"
        else:
            assert row["status"] == "failed"
            assert row["score"] is None
    assert "FFmpeg cannot read it" in records["broken.mp4", "spatial"]["error"]
    assert "1 frame; at least 2" in records["one.mp4", "appearance"]["error"]
    assert "at least 3 adjacent frames" in records["two.mp4", "motion"]["error"]
    assert len({row["fingerprint"] for row in records.values()}) == 3


def test_nothing_is_scored_twice(manifests: Manifests, clips_folder: Fill, cluster: Cluster) -> None:
    folder = clips_folder(count=3, frames=4)
    catalog(manifests, "kling", folder, cluster=cluster)
    assert score(manifests, "kling", LITE, metrics=[Metric.MOTION], cluster=cluster).summary["scored_now"] == 3
    before = rows(manifests, SCORES)
    assert score(manifests, "kling", LITE, cluster=cluster).summary["scored_now"] == 3  # the other two metrics
    assert rows(manifests, SCORES, metric="motion") == before
    files = sorted((p, p.stat().st_mtime_ns) for p in (manifests.local_root / "scores").rglob("*.parquet"))
    assert score(manifests, "kling", LITE, cluster=cluster).summary["scored_now"] == 0
    assert files == sorted((p, p.stat().st_mtime_ns) for p in (manifests.local_root / "scores").rglob("*.parquet"))

    write_clip(folder / "new.mp4", moving_square(8, seed=77))
    catalog(manifests, "kling", folder, cluster=cluster)
    assert score(manifests, "kling", LITE, cluster=cluster).summary["scored_now"] == 1


def test_rows_do_not_depend_on_workers_order_or_names(clips_folder: Fill, cluster: Cluster, tmp_path: Path) -> None:
    folder = clips_folder(count=4, frames=4, broken=True)
    shuffled = tmp_path / "shuffled"
    shuffled.mkdir()
    for number, path in enumerate(sorted(folder.iterdir(), reverse=True)):
        shutil.copy(path, shuffled / f"{number}.mp4")
    contents: list[list[bytes]] = []
    with Client(processes=False, n_workers=1, threads_per_worker=4, dashboard_address="127.0.0.1:0") as threads:  # type: ignore[no-untyped-call]
        for workers, source in (
            (cluster, shuffled),  # two workers
            (Cluster(workers=3), folder),
            (Cluster(workers=0), folder),
            (Cluster(client=threads), shuffled),
        ):
            manifests = Manifests(tmp_path / f"manifests-{len(contents)}")
            catalog(manifests, "kling", source, cluster=Cluster(workers=0))
            score(manifests, "kling", LITE, cluster=workers)
            contents.append([p.read_bytes() for p in sorted((manifests.local_root / "scores").rglob("*.parquet"))])
    assert len(contents[0]) == 3
    assert all(content == contents[0] for content in contents)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> tuple[Path, Manifests]:
    """Return a folder of clips and the manifests with their scores; tests must not change them."""
    folder, manifests = tmp_path_factory.mktemp("kling"), Manifests(tmp_path_factory.mktemp("undisturbed"))
    for seed in range(12):
        write_clip(folder / f"{seed:03d}.mp4", moving_square(6, seed=seed))
    catalog(manifests, "kling", folder, cluster=cluster)
    score(manifests, "kling", LITE, cluster=cluster)
    return folder, manifests


def test_a_killed_run_resumes_to_the_same_rows(
    manifests: Manifests, undisturbed: tuple[Path, Manifests], cluster: Cluster
) -> None:
    folder, expected = undisturbed
    catalog(manifests, "kling", folder, cluster=cluster)
    command = [sys.executable, "-c", FIRST_SHARD, "score", "--generator", "kling", "--profile", "lite"]
    command += ["--workers", "1", "--manifests", str(manifests.root)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.time() + 90
    while time.time() < deadline and not list((manifests.local_root / "scores").rglob("part-*")):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = len({row["clip_id"] for row in rows(manifests, SCORES)})
    assert 0 < done < 12
    score(manifests, "kling", LITE, cluster=cluster)
    for metric in METRICS:
        (part,), (undisturbed_part,) = (
            target.parts(SCORES, profile="lite", metric=metric.value, generator="kling")
            for target in (manifests, expected)
        )
        assert part.read_bytes() == undisturbed_part.read_bytes()


def test_a_killed_worker_loses_no_row(
    manifests: Manifests, undisturbed: tuple[Path, Manifests], cluster: Cluster
) -> None:
    folder, expected = undisturbed
    catalog(manifests, "kling", folder, cluster=cluster)

    def kill(process: int) -> None:
        deadline = time.time() + 60
        while time.time() < deadline and not list((manifests.local_root / "scores").rglob("part-*")):
            time.sleep(0.02)
        os.kill(process, signal.SIGKILL)

    with Cluster(workers=2).connect() as client:
        first, _ = client.run(os.getpid).values()
        killing = threading.Thread(target=kill, args=[first])
        killing.start()
        outcome = score(manifests, "kling", LITE, cluster=Cluster(client=client))
        killing.join()
        assert first not in client.run(os.getpid).values()
    assert (outcome.exit_code, outcome.summary["failed"]) == (0, 0)
    assert rows(manifests, SCORES) == rows(expected, SCORES)


def test_two_commands_cannot_work_on_one_generator(manifests: Manifests, clips_folder: Fill, cluster: Cluster) -> None:
    folder = clips_folder(count=1)
    with manifests.lock("catalog-kling"), pytest.raises(UsageError, match="another hfv is at work on catalog-kling"):
        catalog(manifests, "kling", folder, cluster=cluster)
    catalog(manifests, "kling", folder, cluster=cluster)
    with manifests.lock("score-kling"), pytest.raises(UsageError, match="another hfv is at work on score-kling"):
        score(manifests, "kling", LITE, cluster=cluster)


def test_a_failed_clip_is_tried_again_on_request(
    manifests: Manifests, clips_folder: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_process = Cluster(workers=0)
    catalog(manifests, "kling", clips_folder(count=2, frames=4), cluster=in_process)
    decode = video.decode

    def failing(path: Path, **options: Any) -> Iterator[Any]:
        if path.name == "000.mp4":
            raise ClipError(reason)
        return decode(path, **options)

    monkeypatch.setattr(video, "decode", failing)
    for reason in ("no good", "no better"):
        outcome = score(manifests, "kling", LITE, retry_failed=True, cluster=in_process)
        assert [failure["reason"] for failure in outcome.summary["failures"]] == [reason]
    monkeypatch.undo()
    assert score(manifests, "kling", LITE, cluster=in_process).summary["scored_now"] == 0
    again = score(manifests, "kling", LITE, retry_failed=True, cluster=in_process)
    assert (again.summary["scored_now"], again.summary["failed"], again.exit_code) == (1, 0, 0)
    assert len(rows(manifests, SCORES)) == 6


def test_an_unknown_generator_is_a_usage_error(manifests: Manifests, clips_folder: Fill, cluster: Cluster) -> None:
    with pytest.raises(UsageError, match=r"'klnig' has no clips.*which is empty.*hfv catalog"):
        score(manifests, "klnig", LITE)
    catalog(manifests, "kling", clips_folder(count=1), cluster=cluster)
    with pytest.raises(UsageError, match="it knows kling"):
        score(manifests, "klnig", LITE)


def test_odd_real_media_have_rows_and_reasons(real_clips: Path, manifests: Manifests, cluster: Cluster) -> None:
    """Every odd or broken file has its rows, with a reason in words."""
    passed_over = catalog(manifests, "odd", real_clips / "odd", cluster=cluster).details["passed_over_files"]
    clips = rows(manifests, CLIPS)
    files = [path for path in (real_clips / "odd").rglob("*") if path.is_file()]
    assert len(clips) + len(passed_over) == len(files)
    small = dataclasses.replace(LITE, long_side=32)  # all frames are decoded, which is what this test is about
    outcome = score(manifests, "odd", small, metrics=[Metric.MOTION], cluster=cluster)
    expected = {row["clip_id"] for row in clips if row["status"] != "duplicate"}
    scored = rows(manifests, SCORES)
    assert {row["clip_id"] for row in scored} == expected
    assert len(scored) == len(expected)
    failed = [row["error"] for row in scored if row["status"] != "ok"]
    assert 8 < len(failed) < 25
    assert not [error for error in failed if "Error:" in error or "Traceback" in error]
    assert sorted(Path(item["file"]).name for item in outcome.summary["suspicious"]) == [
        "decord__tests__test_data__corrupted__5e5bec.mp4",
        "made__black.mp4",
        "made__broken_bitflips.mp4",
        "made__static.mp4",
    ]
    assert pa.compute.all(pa.compute.is_finite(pa.array([row["score"] for row in scored if row["status"] == "ok"])))


def test_a_frozen_clip_is_scored_and_reported_as_suspicious(
    manifests: Manifests, clips_folder: Fill, cluster: Cluster
) -> None:
    folder = clips_folder(count=2, frames=4)
    moving = moving_square(4, seed=60)
    write_clip(folder / "frozen.mp4", np.concatenate([moving, np.repeat(moving[-1:], 20, axis=0)]))
    catalog(manifests, "kling", folder, cluster=cluster)
    outcome = score(manifests, "kling", LITE, cluster=cluster)
    assert outcome.exit_code == 0
    (suspicious,) = outcome.summary["suspicious"]
    assert Path(suspicious["file"]).name == "frozen.mp4"
    assert "frames in a row repeat the one before" in suspicious["why"]
    assert "suspicious, scored all the same: 1" in outcome.text


def test_a_clip_with_fewer_frames_than_declared_is_scored_and_reported(
    manifests: Manifests, clips_folder: Fill, cluster: Cluster
) -> None:
    catalog(manifests, "kling", clips_folder(count=1), cluster=cluster)
    declared = manifests.read(CLIPS)
    column = declared.schema.get_field_index("num_frames")
    manifests.replace(CLIPS, [declared.set_column(column, "num_frames", pa.array([13]))], generator="kling")
    outcome = score(manifests, "kling", LITE, cluster=cluster)
    assert outcome.exit_code == 0
    assert [item["why"] for item in outcome.summary["suspicious"]] == ["declares 13 frames, has 8"]


def test_missing_frames_and_long_repeats_are_suspicious() -> None:
    """Fewer frames than declared and long repeats are suspicious; nothing else is."""
    frames = np.arange(12, dtype=np.uint8)[:, None, None, None].repeat(4, axis=1)
    valid_chunk = partial(SimpleNamespace, missing=0, damaged=0)
    clip_chunks = [valid_chunk(rgb=frames[:6]), valid_chunk(rgb=frames[6:])]
    watch = Watch(clip_chunks)
    assert list(watch) == clip_chunks
    assert watch.suspicions(None) == watch.suspicions(12) == {}
    assert watch.suspicions(20) == {"frames_declared": 20, "frames_decoded": 12}
    repeating = Watch([valid_chunk(rgb=frames[:1].repeat(5, axis=0))] * 2)
    assert len(list(repeating)) == 2
    assert repeating.suspicions(10) == {"frames_repeated": 9}
