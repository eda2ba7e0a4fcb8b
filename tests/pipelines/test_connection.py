"""Schedulers that do not respond, refuse or do not exist are usage errors, and leave nothing behind."""

import gc
import threading
from pathlib import Path
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from hfv_builder.records import UsageError
from pipelines.workers.cluster import Cluster


def test_a_missing_scheduler_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.workers.cluster.PATIENCE", "1s")
    with (
        pytest.raises(UsageError, match="no Dask scheduler responds at"),
        Cluster(scheduler="tcp://127.0.0.1:9").connect(),
    ):
        pass


@pytest.mark.parametrize("content", [b"", b"\xff", b"[1]", b"{}", b'"tcp://127.0.0.1:9"', b"{", b"[" * 100_000])
def test_a_file_that_no_scheduler_wrote_is_a_usage_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "scheduler.json").write_bytes(content)
    with (
        pytest.raises(UsageError, match=r"scheduler\.json is not a scheduler file: start the scheduler with"),
        Cluster(scheduler=str(tmp_path / "scheduler.json")).connect(),
    ):
        pass


def test_a_client_without_certificates_is_refused_and_does_not_delay_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="needs certificates"), Cluster(scheduler="tls://127.0.0.1:9").connect():
        pass
    current, collected = IOLoop.current, list[int]()

    def collecting(*args: Any, **options: Any) -> Any:
        """Collect garbage in the thread of a new event loop, as may happen there at any time."""
        if not collected and threading.current_thread() is not threading.main_thread():
            collected.append(gc.collect())
        return current(*args, **options)

    monkeypatch.setattr(IOLoop, "current", collecting)
    with Cluster(workers=0).connect() as client:
        assert client.status == "running"
    assert collected
