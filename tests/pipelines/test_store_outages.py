"""An object store that does not respond, or refuses, is a usage error of one sentence."""

import socket
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from hfv_builder.records import UsageError
from hfv_builder.storage.file_status import status
from hfv_builder.storage.folders import walk
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.places import Place, local_copy, place, put, reach, read, remove
from hfv_builder.storage.schema import LABELS
from pipelines.catalog.folder import list_clips
from pipelines.cli import main


def test_errors_of_stores_are_one_sentence(
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
    """An exception of a store's client that the project does not know."""


def make_calls_fail(monkeypatch: pytest.MonkeyPatch, bucket: Place, error: Exception) -> None:
    """Make every call to the store raise the error."""

    async def fail(*_: Any, **__: Any) -> None:
        raise error

    store: Any = type(bucket.fs)  # type: ignore[union-attr]
    monkeypatch.setattr(store, "_call_s3", fail)


@pytest.mark.parametrize(
    "work",
    [
        reach,
        read,
        status,
        remove,
        lambda path: put(path, b"x"),
        lambda path: list(walk(path)),
        list_clips,
        lambda path: local_copy(path).__enter__(),
        lambda path: Manifests(path).lock("x").__enter__(),
        lambda path: Manifests(path).parts(LABELS, generator="kling"),
        lambda path: Manifests(path).read(LABELS),
        lambda path: Manifests(path).partitions(LABELS),
        lambda path: Manifests(path).replace(LABELS, [], generator="kling"),
    ],
)
def test_a_store_that_refuses_is_a_usage_error(
    bucket: Place, monkeypatch: pytest.MonkeyPatch, work: Callable[[Any], Any]
) -> None:
    for error in (ClientError("no credentials"), PermissionError("Access Denied"), TimeoutError()):
        make_calls_fail(monkeypatch, bucket, error)
        with pytest.raises(UsageError, match=r"/x.* cannot be .*; nothing is lost: check the connection"):
            work(bucket / "x")


def test_an_outage_is_not_reported_as_a_damaged_part(bucket: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = pa.Table.from_pylist([dict.fromkeys(LABELS.schema.names)], schema=LABELS.schema)
    part = Manifests(bucket).add(LABELS, rows, name="1", generator="kling")
    make_calls_fail(monkeypatch, bucket, TimeoutError())
    with pytest.raises(UsageError, match=r"cannot be read: \w+; nothing is lost"):
        Manifests(bucket).read_part(LABELS, part)


def test_a_missing_bucket_is_a_usage_error(bucket: Place, capsys: pytest.CaptureFixture[str]) -> None:
    command: list[Any] = ["catalog", "--generator", "kling", "--manifests", "s3://no-such-bucket/m"]
    put(bucket / "a.mp4", b"no video")
    assert main([*command, "--clips", str(bucket), "--workers", "0"]) == 2
    assert "no-such-bucket" in capsys.readouterr().err
