"""Manifests and clips in an S3 store: the same rows as in a folder, whatever becomes of a command or an upload."""

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
from hfv_builder.storage.places import Place, local_copy, place, put, reach, read, status
from hfv_builder.storage.processes import machine
from hfv_builder.storage.schema import CLIPS, LABELS, SCORES, SPLITS
from pipelines.catalog.folder import list_clips
from pipelines.cli import main
from tests.pipelines.conftest import kept, rows

Fill = Callable[..., Path]


def test_the_stages_give_the_rows_that_they_give_in_a_folder(
    bucket: Place,
    clips_folder: Fill,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipelines.catalog.stage.CLOCK_SLACK_NS", 0)
    folder = clips_folder(count=4, broken=True)
    (folder / "notes.txt").write_text("no clip")
    for path in folder.iterdir():
        put(bucket / "clips" / path.name, path.read_bytes())
    prompts = tmp_path / "prompts.csv"
    prompts.write_text("file,prompt\n000.mp4,a dance\n")
    found = []
    for root, clips in ((str(tmp_path / "here"), str(folder)), (str(bucket / "manifests"), str(bucket / "clips"))):
        where = ["--generator", "kling", "--manifests", root]
        assert main(["catalog", *where, "--clips", clips, "--prompts", str(prompts), "--workers", "2"]) == 3
        assert main(["score", *where, "--profile", "lite", "--workers", "2"]) == 3
        assert main(["label", *where]) == 0
        assert main(["split", *where]) == 0
        capsys.readouterr()
        assert main(["catalog", *where, "--clips", clips, "--prompts", str(prompts), "--json"]) == 3
        assert json.loads(capsys.readouterr().out)["read"] == 0
        assert main(["score", *where, "--profile", "lite", "--json"]) == 3
        again = json.loads(capsys.readouterr().out)
        assert (again["scored_now"], again["failed"]) == (0, 1)
        assert main(["status", "--manifests", root, "--json"]) == 0
        status = json.loads(capsys.readouterr().out)
        assert [score["left"] for score in status["scores"]] == [0, 0, 0]
        manifests = Manifests(place(root))
        clips_rows = [row | {"path": Path(row["path"]).name} for row in rows(manifests, CLIPS)]
        found.append([clips_rows, *(rows(manifests, table) for table in (SCORES, LABELS, SPLITS))])
        assert sorted(
            path.name for path in manifests.root.glob("evidence/profile=lite/generator=kling/*-motion.webp")
        ) == sorted(
            f"{row['clip_id']}-motion.webp" for row in rows(manifests, SCORES, metric="motion") if row["status"] == "ok"
        )
    here, there = found
    assert there == here
    assert sum(row["prompt"] == "a dance" for row in there[0]) == 1
    assert not list(bucket.glob("manifests/.lock-*"))


def test_scoring_into_a_store_is_killed_and_goes_on(bucket: Place, clips_folder: Fill, tmp_path: Path) -> None:
    folder = clips_folder(count=4, frames=12)
    for path in folder.iterdir():
        put(bucket / "clips" / path.name, path.read_bytes())
    manifests = Manifests(bucket / "m")
    catalogue = ["catalog", "--generator", "kling", "--workers", "0", "--clips"]
    assert main([*catalogue, str(bucket / "clips"), "--manifests", str(manifests.root)]) == 0
    command = ["score", "--generator", "kling", "--profile", "lite", "--workers", "1", "--manifests"]
    running = [sys.executable, "-m", "pipelines.cli", *command, str(manifests.root)]
    process = subprocess.Popen(running, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    until = time.time() + 90
    while time.time() < until and not any(key.startswith("m/scores/") for key in kept(bucket)):
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = {row["clip_id"] for row in rows(manifests, SCORES)}
    assert 0 < len(done) < 4
    command[command.index("1")] = "0"
    assert main([*command, str(manifests.root)]) == 0

    here = str(tmp_path / "here")
    assert main([*catalogue, str(folder), "--manifests", here]) == 0
    assert main([*command, here]) == 0
    assert rows(manifests, SCORES) == rows(Manifests(Path(here)), SCORES)


def test_copies_that_killed_processes_left_are_swept_away(
    bucket: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    here = machine()
    left, held, others = (
        tmp_path / f".hfv-{name}-x" for name in (f"{here}-{ended.pid}", f"{here}-{os.getpid()}", f"far-{ended.pid}")
    )
    for folder in (left, held, others):
        folder.mkdir()
        (folder / "clip.mp4").write_bytes(b"1")
    put(bucket / "a.mp4", b"2")
    with local_copy(bucket / "a.mp4") as copy:
        assert copy.read_bytes() == b"2"
        assert copy.is_relative_to(tmp_path)
        assert [folder.exists() for folder in (left, held, others)] == [False, True, True]
    assert not copy.exists()


def test_a_changed_clip_in_the_store_is_read_again(bucket: Place, clips_folder: Fill) -> None:
    folder = clips_folder(count=3)
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
    put(bucket / "clips" / "000.mp4", clips_folder("pika", 4).joinpath("003.mp4").read_bytes())
    (bucket / "clips" / "001.mp4").unlink()
    assert main(["catalog", *where]) == 0
    after = {row["path"]: row["clip_id"] for row in rows(Manifests(bucket / "m"), CLIPS)}
    assert sorted(after) == [str(bucket / "clips/000.mp4"), str(bucket / "clips/002.mp4")]
    assert after[str(bucket / "clips/000.mp4")] != before[str(bucket / "clips/000.mp4")]
    assert after[str(bucket / "clips/002.mp4")] == before[str(bucket / "clips/002.mp4")]


def test_a_store_that_does_not_answer_stops_the_run(
    bucket: Place, clips_folder: Fill, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in clips_folder(count=2).iterdir():
        put(bucket / "clips" / path.name, path.read_bytes())
    where = ["--generator", "kling", "--manifests", str(bucket / "m"), "--workers", "0"]
    assert main(["catalog", *where, "--clips", str(bucket / "clips")]) == 0

    async def silent(*_: Any, **__: Any) -> None:
        raise ConnectionError("no route")

    store: Any = type(bucket.fs)  # type: ignore[union-attr]
    with monkeypatch.context() as patch:
        patch.setattr(store, "_get_file", silent)
        store.clear_instance_cache()  # each holds the methods that it was made with
        assert main(["score", *where, "--profile", "lite"]) == 2
        assert "cannot be fetched: no route; nothing is lost" in capsys.readouterr().err
    store.clear_instance_cache()
    assert rows(Manifests(bucket / "m"), SCORES) == []
    (bucket / "clips" / "000.mp4").unlink()
    assert main(["score", *where, "--profile", "lite"]) == 3  # gone for good: the clip alone fails
    assert sorted(row["status"] for row in rows(Manifests(bucket / "m"), SCORES, metric="motion")) == ["failed", "ok"]


class SlowLink:
    """Passes bytes on to a server, and holds back all that come after the first `limit` to it."""

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


def test_an_upload_killed_half_way_leaves_what_was_there(bucket: Place, server: str) -> None:
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


def test_what_a_store_cannot_do_is_one_sentence(
    bucket: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["catalog", "--generator", "kling", "--manifests", str(bucket), "--clips", str(bucket / "none")]) == 2
    assert "/none does not exist" in capsys.readouterr().err
    assert main(["status", "--manifests", "nostore://x"]) == 2
    assert "nostore://x cannot be used" in capsys.readouterr().err
    assert main(["review", "--manifests", str(bucket / "m")]) == 2
    assert "copy" in capsys.readouterr().err
    with pytest.raises(FileNotFoundError), local_copy(bucket / "gone.mp4"):
        pass
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    type(place("s3://b").fs).clear_instance_cache()  # type: ignore[union-attr]
    with pytest.raises(UsageError, match="s3://elsewhere/ cannot be reached"):
        reach(place("s3://elsewhere"))


class ClientError(Exception):
    """As a store's own client raises it, unknown to us."""


def failing(monkeypatch: pytest.MonkeyPatch, bucket: Place, error: Exception) -> None:
    """Let every call to the store raise the error."""

    async def fail(*_: Any, **__: Any) -> None:
        raise error

    store: Any = type(bucket.fs)  # type: ignore[union-attr]
    monkeypatch.setattr(store, "_call_s3", fail)


@pytest.mark.parametrize("error", [ClientError("no credentials"), PermissionError("Access Denied"), TimeoutError()])
@pytest.mark.parametrize(
    "work",
    [
        reach,
        read,
        status,
        lambda path: put(path, b"x"),
        lambda path: list(walk(path)),
        list_clips,
        lambda path: local_copy(path).__enter__(),
        lambda path: Manifests(path).lock("x").__enter__(),
    ],
)
def test_a_store_that_refuses_is_one_sentence(
    bucket: Place, monkeypatch: pytest.MonkeyPatch, work: Callable[[Any], Any], error: Exception
) -> None:
    failing(monkeypatch, bucket, error)
    with pytest.raises(UsageError, match=r"/x.* cannot be .*; nothing is lost: check the connection"):
        work(bucket / "x")


def test_an_outage_while_parts_are_read_is_no_reason_to_delete_them(
    bucket: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pa.Table.from_pylist([dict.fromkeys(LABELS.schema.names)], schema=LABELS.schema)
    part = Manifests(bucket).add(LABELS, rows, name="1", generator="kling")
    failing(monkeypatch, bucket, TimeoutError())
    with pytest.raises(UsageError, match=r"cannot be read: \w+; nothing is lost"):
        Manifests(bucket).read_part(LABELS, part)


def test_what_stands_for_a_folder_is_no_clip(bucket: Place) -> None:
    put(bucket / "clips" / "000.mp4", b"a clip")
    for key in ("clips/", "clips/more/"):
        bucket.fs.pipe_file(f"{bucket.path}{key}", b"")  # type: ignore[union-attr]
    assert [entry.path for entry in walk(bucket / "clips")] == [str(bucket / "clips/000.mp4")]


def test_a_bucket_that_is_not_there_is_one_sentence(bucket: Place, capsys: pytest.CaptureFixture[str]) -> None:
    command: list[Any] = ["catalog", "--generator", "kling", "--manifests", "s3://no-such-bucket/m"]
    put(bucket / "a.mp4", b"no video")
    assert main([*command, "--clips", str(bucket), "--workers", "0"]) == 2
    assert "no-such-bucket" in capsys.readouterr().err
