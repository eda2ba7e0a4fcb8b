"""Scoring: a row per clip and metric, whatever happens, and the same row every time."""

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
from tests.pipelines.conftest import rows

Fill = Callable[..., Path]
LITE = load_profile("lite")


def test_a_row_for_every_clip_and_metric(manifests: Manifests, clips_folder: Fill, cluster: Cluster) -> None:
    folder = clips_folder(count=5, broken=True)
    write_clip(folder / "one.mp4", moving_square(1, seed=50))
    write_clip(folder / "two.mp4", moving_square(2, seed=51))
    catalog(manifests, "kling", folder, cluster=cluster)
    outcome = score(manifests, "kling", LITE, cluster=cluster)
    assert outcome.exit_code == 3

    names = {row["clip_id"]: Path(row["path"]).name for row in rows(manifests, CLIPS)}
    found = {(names[row["clip_id"]], row["metric"]): row for row in rows(manifests, SCORES)}
    assert len(found) == 3 * 8
    for (name, metric), row in found.items():
        assert row["profile"] == "lite"
        if name.startswith("00"):
            assert row["status"] == "ok", row["error"]
            assert row["score"] >= 0
            assert len(row["frames"]) == len(row["trace"]) == {"motion": 6}.get(metric, 7)
        elif name == "two.mp4" and metric != "motion":
            assert row["status"] == "ok"
        else:
            assert row["status"] == "failed"
            assert row["score"] is None
    assert "FFmpeg cannot read it" in found["broken.mp4", "spatial"]["error"]
    assert "1 frame; at least 2" in found["one.mp4", "appearance"]["error"]
    assert "at least 3 adjacent frames" in found["two.mp4", "motion"]["error"]
    assert len({row["fingerprint"] for row in found.values()}) == 3


def test_nothing_is_scored_twice(
    manifests: Manifests, clips_folder: Fill, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = clips_folder(count=3)
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


def test_the_same_rows_whatever_the_workers_order_and_names(
    clips_folder: Fill, cluster: Cluster, tmp_path: Path
) -> None:
    folder = clips_folder(count=5, broken=True)
    shuffled = tmp_path / "shuffled"
    shuffled.mkdir()
    for number, path in enumerate(sorted(folder.iterdir(), reverse=True)):
        shutil.copy(path, shuffled / f"{number}.mp4")
    found: list[list[bytes]] = []
    with Client(processes=False, n_workers=1, threads_per_worker=4, dashboard_address=None) as threads:  # type: ignore[no-untyped-call]
        for workers, where in (
            (cluster, shuffled),  # two
            (Cluster(workers=3), folder),
            (Cluster(workers=0), folder),
            (Cluster(client=threads), shuffled),
        ):
            manifests = Manifests(tmp_path / f"manifests-{len(found)}")
            catalog(manifests, "kling", where, cluster=workers)
            score(manifests, "kling", LITE, cluster=workers)
            found.append([p.read_bytes() for p in sorted((manifests.local_root / "scores").rglob("*.parquet"))])
    assert len(found[0]) == 3
    assert all(each == found[0] for each in found)


def test_killed_and_run_again(manifests: Manifests, clips_folder: Fill, cluster: Cluster, tmp_path: Path) -> None:
    folder = clips_folder(count=24, frames=24)
    catalog(manifests, "kling", folder, cluster=cluster)
    command = [sys.executable, "-m", "pipelines.cli", "score", "--generator", "kling", "--profile", "lite"]
    command += ["--workers", "1", "--manifests", str(manifests.root)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.time() + 90
    while time.time() < deadline and not list((manifests.local_root / "scores").rglob("part-*")):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = len({row["clip_id"] for row in rows(manifests, SCORES)})
    assert 0 < done < 24
    score(manifests, "kling", LITE, cluster=cluster)

    undisturbed = Manifests(tmp_path / "undisturbed")
    catalog(undisturbed, "kling", folder, cluster=cluster)
    score(undisturbed, "kling", LITE, cluster=cluster)
    for metric in METRICS:
        (one,), (two,) = (
            each.parts(SCORES, profile="lite", metric=metric.value, generator="kling")
            for each in (manifests, undisturbed)
        )
        assert one.read_bytes() == two.read_bytes()


def test_a_worker_that_is_killed_costs_nothing(
    manifests: Manifests, clips_folder: Fill, cluster: Cluster, tmp_path: Path
) -> None:
    folder = clips_folder(count=12, frames=24)
    undisturbed = Manifests(tmp_path / "undisturbed")
    for where in (manifests, undisturbed):
        catalog(where, "kling", folder, cluster=cluster)
    score(undisturbed, "kling", LITE, cluster=cluster)

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
    assert rows(manifests, SCORES) == rows(undisturbed, SCORES)


def test_two_commands_do_not_work_on_one_generator(manifests: Manifests, clips_folder: Fill, cluster: Cluster) -> None:
    folder = clips_folder(count=1)
    with manifests.lock("catalog-kling"), pytest.raises(UsageError, match="another hfv is at work on catalog-kling"):
        catalog(manifests, "kling", folder, cluster=cluster)
    catalog(manifests, "kling", folder, cluster=cluster)
    with manifests.lock("score-kling"), pytest.raises(UsageError, match="another hfv is at work on score-kling"):
        score(manifests, "kling", LITE, cluster=cluster)


def test_a_failed_clip_is_tried_again_when_asked(
    manifests: Manifests, clips_folder: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Cluster(workers=0)
    catalog(manifests, "kling", clips_folder(count=2), cluster=here)
    decode = video.decode

    def failing(path: Path, **options: Any) -> Iterator[Any]:
        if path.name == "000.mp4":
            raise ClipError(why)
        return decode(path, **options)

    monkeypatch.setattr(video, "decode", failing)
    for why in ("no good", "no better"):
        outcome = score(manifests, "kling", LITE, retry_failed=True, cluster=here)
        assert [each["reason"] for each in outcome.summary["failures"]] == [why]
    monkeypatch.undo()
    assert score(manifests, "kling", LITE, cluster=here).summary["scored_now"] == 0
    again = score(manifests, "kling", LITE, retry_failed=True, cluster=here)
    assert (again.summary["scored_now"], again.summary["failed"], again.exit_code) == (1, 0, 0)
    assert len(rows(manifests, SCORES)) == 6


def test_unknown_generator(manifests: Manifests, clips_folder: Fill, cluster: Cluster) -> None:
    with pytest.raises(UsageError, match=r"'klnig' has no clips.*which is empty.*hfv catalog"):
        score(manifests, "klnig", LITE)
    catalog(manifests, "kling", clips_folder(count=1), cluster=cluster)
    with pytest.raises(UsageError, match="it knows kling"):
        score(manifests, "klnig", LITE)


def test_real_media(real_clips: Path, manifests: Manifests, cluster: Cluster) -> None:
    """Every odd and broken file gets its rows, and a reason that a person understands."""
    passed_over = catalog(manifests, "odd", real_clips / "odd", cluster=cluster).details["passed_over_files"]
    clips = rows(manifests, CLIPS)
    files = [path for path in (real_clips / "odd").rglob("*") if path.is_file()]
    assert len(clips) + len(passed_over) == len(files)
    outcome = score(manifests, "odd", LITE, metrics=[Metric.MOTION], cluster=cluster)
    wanted = {row["clip_id"] for row in clips if row["status"] != "duplicate"}
    scored = rows(manifests, SCORES)
    assert {row["clip_id"] for row in scored} == wanted
    assert len(scored) == len(wanted)
    failed = [row["error"] for row in scored if row["status"] != "ok"]
    assert 8 < len(failed) < 25
    assert not [error for error in failed if "Error:" in error or "Traceback" in error]
    assert sorted(Path(each["file"]).name for each in outcome.summary["suspicious"]) == [
        "decord__tests__test_data__corrupted__5e5bec.mp4",
        "made__black.mp4",
        "made__broken_bitflips.mp4",
        "made__static.mp4",
    ]
    assert pa.compute.all(pa.compute.is_finite(pa.array([row["score"] for row in scored if row["status"] == "ok"])))


def test_a_frozen_clip_is_scored_and_told(manifests: Manifests, clips_folder: Fill, cluster: Cluster) -> None:
    folder = clips_folder(count=2)
    moving = moving_square(4, seed=60)
    write_clip(folder / "frozen.mp4", np.concatenate([moving, np.repeat(moving[-1:], 20, axis=0)]))
    catalog(manifests, "kling", folder, cluster=cluster)
    outcome = score(manifests, "kling", LITE, cluster=cluster)
    assert outcome.exit_code == 0
    (told,) = outcome.summary["suspicious"]
    assert Path(told["file"]).name == "frozen.mp4"
    assert "frames in a row repeat the one before" in told["why"]
    assert "suspicious, scored all the same: 1" in outcome.text


def test_a_clip_that_keeps_less_than_it_promised_is_scored_and_told(
    manifests: Manifests, clips_folder: Fill, cluster: Cluster
) -> None:
    catalog(manifests, "kling", clips_folder(count=1), cluster=cluster)
    promised = manifests.read(CLIPS)
    at = promised.schema.get_field_index("num_frames")
    manifests.replace(CLIPS, [promised.set_column(at, "num_frames", pa.array([13]))], generator="kling")
    outcome = score(manifests, "kling", LITE, cluster=cluster)
    assert outcome.exit_code == 0
    assert [each["why"] for each in outcome.summary["suspicious"]] == ["declares 13 frames, has 8"]


def test_what_is_suspicious_of_a_clip() -> None:
    """Frames that the file promised and did not keep, and long repeats; nothing else."""
    frames = np.arange(12, dtype=np.uint8)[:, None, None, None].repeat(4, axis=1)
    valid = partial(SimpleNamespace, missing=0, damaged=0)
    chunk = [valid(rgb=frames[:6]), valid(rgb=frames[6:])]
    watch = Watch(chunk)
    assert list(watch) == chunk
    assert watch.suspicions(None) == watch.suspicions(12) == {}
    assert watch.suspicions(20) == {"frames_declared": 20, "frames_decoded": 12}
    still = Watch([valid(rgb=frames[:1].repeat(5, axis=0))] * 2)
    assert len(list(still)) == 2
    assert still.suspicions(10) == {"frames_repeated": 9}
