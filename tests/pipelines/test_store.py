"""Manifests and clips in an S3 store have the same rows as in a folder, also after kills and outages."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from hfv_builder.records import UsageError
from hfv_builder.storage.folders import walk
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.places import Place, local_copy, place, put, read
from hfv_builder.storage.processes import machine
from hfv_builder.storage.schema import CLIPS, LABELS, SCORES, SPLITS
from pipelines.cli import main
from tests.pipelines.conftest import FIRST_SHARD, keys_of, rows

Fill = Callable[..., Path]


def test_rows_in_a_store_equal_those_in_a_folder(
    bucket: Place,
    clips_folder: Fill,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipelines.catalog.stage.CLOCK_SLACK_NS", 0)
    folder = clips_folder(count=3, frames=4, broken=True)
    (folder / "notes.txt").write_text("no clip")
    for path in folder.iterdir():
        put(bucket / "clips" / path.name, path.read_bytes())
    prompts = tmp_path / "prompts.csv"
    prompts.write_text("file,prompt\n000.mp4,a dance\n")
    results = []
    for root, clips, workers in (
        (str(tmp_path / "here"), str(folder), "0"),
        (str(bucket / "manifests"), str(bucket / "clips"), "2"),
    ):
        where = ["--generator", "kling", "--manifests", root]
        assert main(["catalog", *where, "--clips", clips, "--prompts", str(prompts), "--workers", workers]) == 3
        assert main(["score", *where, "--profile", "lite", "--workers", workers]) == 3
        assert main(["label", *where]) == 0
        assert main(["split", *where]) == 0
        capsys.readouterr()
        assert main(["catalog", *where, "--clips", clips, "--prompts", str(prompts), "--json"]) == 3
        assert json.loads(capsys.readouterr().out)["read"] == 0
        assert main(["score", *where, "--profile", "lite", "--json"]) == 3
        summary = json.loads(capsys.readouterr().out)
        assert (summary["scored_now"], summary["failed"]) == (0, 1)
        assert main(["status", "--manifests", root, "--json"]) == 0
        status = json.loads(capsys.readouterr().out)
        assert [score["left"] for score in status["scores"]] == [0, 0, 0]
        manifests = Manifests(place(root))
        clips_rows = [row | {"path": Path(row["path"]).name} for row in rows(manifests, CLIPS)]
        results.append([clips_rows, *(rows(manifests, table) for table in (SCORES, LABELS, SPLITS))])
        assert sorted(
            path.name for path in manifests.root.glob("evidence/profile=lite/generator=kling/*-motion.webp")
        ) == sorted(
            f"{row['clip_id']}-motion.webp" for row in rows(manifests, SCORES, metric="motion") if row["status"] == "ok"
        )
    in_folder, in_store = results
    assert in_store == in_folder
    assert sum(row["prompt"] == "a dance" for row in in_store[0]) == 1
    assert not list(bucket.glob("manifests/.lock-*"))


def test_a_killed_run_resumes_in_a_store(bucket: Place, clips_folder: Fill, tmp_path: Path) -> None:
    folder = clips_folder(count=3, frames=4)
    for path in folder.iterdir():
        put(bucket / "clips" / path.name, path.read_bytes())
    manifests = Manifests(bucket / "m")
    catalogue = ["catalog", "--generator", "kling", "--workers", "0", "--clips"]
    assert main([*catalogue, str(bucket / "clips"), "--manifests", str(manifests.root)]) == 0
    command = ["score", "--generator", "kling", "--profile", "lite", "--workers", "1", "--manifests"]
    argv = [sys.executable, "-c", FIRST_SHARD, *command, str(manifests.root)]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.time() + 90
    while time.time() < deadline and not any(key.startswith("m/scores/") for key in keys_of(bucket)):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = {row["clip_id"] for row in rows(manifests, SCORES)}
    assert 0 < len(done) < 3
    command[command.index("1")] = "0"
    assert main([*command, str(manifests.root)]) == 0

    local_manifests = str(tmp_path / "here")
    assert main([*catalogue, str(folder), "--manifests", local_manifests]) == 0
    assert main([*command, local_manifests]) == 0
    assert rows(manifests, SCORES) == rows(Manifests(Path(local_manifests)), SCORES)


def test_local_copies_of_killed_processes_are_deleted(
    bucket: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    this_machine = machine()
    of_ended, of_running, of_other_machine = (
        tmp_path / f".hfv-{name}-x"
        for name in (f"{this_machine}-{ended.pid}", f"{this_machine}-{os.getpid()}", f"far-{ended.pid}")
    )
    for folder in (of_ended, of_running, of_other_machine):
        folder.mkdir()
        (folder / "clip.mp4").write_bytes(b"1")
    put(bucket / "a.mp4", b"2")
    with local_copy(bucket / "a.mp4") as copy:
        assert copy.read_bytes() == b"2"
        assert copy.is_relative_to(tmp_path)
        assert [folder.exists() for folder in (of_ended, of_running, of_other_machine)] == [False, True, True]
    assert not copy.exists()


def test_names_that_only_stores_allow_are_read(bucket: Place, clips_folder: Fill) -> None:
    names = ["a::b.mp4", f"{'l' * 300}.mp4", "a#b.mp4", "a?b.mp4", "a*b.mp4", "a[1] %20.mp4"]
    names += ["c/d.mp4", "c//d.mp4", "./e.mp4"]
    for name, path in zip(names, sorted(clips_folder(count=len(names), frames=2).iterdir()), strict=True):
        put(bucket / "run[1]" / name, path.read_bytes())
    root = bucket / "m[1]"
    clips = ["--generator", "kling", "--manifests", str(root), "--clips", str(bucket / "run[1]"), "--workers", "0"]
    for _ in range(2):
        assert main(["catalog", *clips]) == 0
    found = {row["path"]: row["status"] for row in rows(Manifests(root), CLIPS)}
    assert found == {f"{bucket}run[1]/{name}": "ok" for name in names}
    assert main(["status", "--manifests", str(root)]) == 0
    with pytest.raises(UsageError, match="without '::'"):
        Manifests(place(f"{bucket}m::n"))


def test_a_changed_clip_in_the_store_is_read_again(bucket: Place, clips_folder: Fill) -> None:
    folder = clips_folder(count=3, frames=2)
    for path in folder.iterdir():
        put(bucket / "clips" / path.name, path.read_bytes())
    where = [
        "--generator",
        "kling",
        "--manifests",
        str(bucket / "m"),
        "--clips",
        str(bucket / "clips"),
        "--workers",
        "0",
    ]
    assert main(["catalog", *where]) == 0
    before = {row["path"]: row["clip_id"] for row in rows(Manifests(bucket / "m"), CLIPS)}
    put(bucket / "clips" / "000.mp4", clips_folder("pika", 4, frames=2).joinpath("003.mp4").read_bytes())
    (bucket / "clips" / "001.mp4").unlink()
    assert main(["catalog", *where]) == 0
    after = {row["path"]: row["clip_id"] for row in rows(Manifests(bucket / "m"), CLIPS)}
    assert sorted(after) == [str(bucket / "clips/000.mp4"), str(bucket / "clips/002.mp4")]
    assert after[str(bucket / "clips/000.mp4")] != before[str(bucket / "clips/000.mp4")]
    assert after[str(bucket / "clips/002.mp4")] == before[str(bucket / "clips/002.mp4")]


def test_a_store_that_does_not_answer_stops_the_run(
    bucket: Place, clips_folder: Fill, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in clips_folder(count=2, frames=3).iterdir():
        put(bucket / "clips" / path.name, path.read_bytes())
    where = ["--generator", "kling", "--manifests", str(bucket / "m"), "--workers", "0"]
    assert main(["catalog", *where, "--clips", str(bucket / "clips")]) == 0

    async def unreachable(*_: Any, **__: Any) -> None:
        raise ConnectionError("no route")

    store: Any = type(bucket.fs)  # type: ignore[union-attr]
    with monkeypatch.context() as patch:
        patch.setattr(store, "_get_file", unreachable)
        store.clear_instance_cache()  # instances keep the methods of their creation
        assert main(["score", *where, "--profile", "lite"]) == 2
        assert "cannot be fetched: no route; nothing is lost" in capsys.readouterr().err
    store.clear_instance_cache()
    assert rows(Manifests(bucket / "m"), SCORES) == []
    (bucket / "clips" / "000.mp4").unlink()
    assert main(["score", *where, "--profile", "lite"]) == 3  # a deleted clip fails alone
    assert sorted(row["status"] for row in rows(Manifests(bucket / "m"), SCORES, metric="motion")) == ["failed", "ok"]


class SlowLink:
    """Passes bytes on to a server, but holds back all after the first `limit`."""

    def __init__(self, server: str, limit: int) -> None:
        host, port = server.removeprefix("http://").split(":")
        self._server, self._limit = (host, int(port)), limit
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.stuck = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            client, _ = self._listening.accept()
            upstream = socket.create_connection(self._server)
            threading.Thread(target=self._pass, args=(upstream, client, 1 << 40), daemon=True).start()
            threading.Thread(target=self._pass, args=(client, upstream, self._limit), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, limit: int) -> None:
        passed = 0
        with contextlib.suppress(OSError), target:
            while data := source.recv(1 << 14):
                passed += len(data)
                if passed > limit:
                    self.stuck.set()
                    continue
                target.sendall(data)


def test_a_killed_upload_keeps_the_old_file(bucket: Place, server: str) -> None:
    put(bucket / "part.parquet", b"before")
    link = SlowLink(server, limit=1 << 20)
    code = "from hfv_builder.storage.places import place, put; put(place('{}'), b'x' * (8 << 20))"
    uploading = subprocess.Popen(
        [sys.executable, "-c", code.format(bucket / "part.parquet")],
        env=os.environ | {"AWS_ENDPOINT_URL": link.url},
    )
    assert link.stuck.wait(60)
    uploading.send_signal(signal.SIGKILL)
    uploading.wait()
    time.sleep(0.2)
    assert read(bucket / "part.parquet") == b"before"
    put(bucket / "part.parquet", b"after")
    assert read(bucket / "part.parquet") == b"after"


def test_a_partition_is_listed_and_an_object_is_read_in_one_request(
    bucket: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifests = Manifests(bucket)
    table = pa.Table.from_pylist([dict.fromkeys(LABELS.schema.names)], schema=LABELS.schema)
    part = manifests.add(LABELS, table, name="1", generator="kling")
    store: Any = type(bucket.fs)  # type: ignore[union-attr]
    call, methods = store._call_s3, list[str]()

    async def counted(self: Any, method: str, *args: Any, **options: Any) -> Any:
        methods.append(method)
        return await call(self, method, *args, **options)

    monkeypatch.setattr(store, "_call_s3", counted)
    assert manifests.parts(LABELS, generator="kling") == [part]
    assert methods == ["list_objects_v2"]
    methods.clear()
    read(part)
    assert methods == ["get_object"]
    journal = {"owner": "x", "new": [part.name], "old": [], "whole": False}
    put(part.parent / ".replacing.json", json.dumps(journal))
    assert manifests.parts(LABELS, generator="kling") == []
    assert manifests.parts(LABELS, generator="none") == []


def test_objects_that_represent_folders_are_no_clips(bucket: Place) -> None:
    put(bucket / "clips" / "000.mp4", b"a clip")
    for key in ("clips/", "clips/more/"):
        bucket.fs.pipe_file(f"{bucket.path}{key}", b"")  # type: ignore[union-attr]
    assert [entry.path for entry in walk(bucket / "clips")] == [str(bucket / "clips/000.mp4")]
