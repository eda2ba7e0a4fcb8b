"""The dispatch of shards to workers: a bounded number at a time, each counted once, whatever dies."""

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from distributed import Client, Future

from pipelines.workers import dispatch, tasks
from pipelines.workers.cluster import Cluster
from pipelines.workers.dispatch import IN_FLIGHT, run_shards
from tests.pipelines.deadly import add, noted, slow_again
from tests.review_ui.browser import until


@pytest.fixture(scope="module")
def lone(cluster: Cluster) -> Iterator[Client]:
    """Return the client of one worker, which finds the imports of the other cluster done."""
    with Cluster(workers=1).connect() as client:
        yield client


def test_an_item_that_kills_its_worker_fails_alone(lone: Client) -> None:
    shards: Any = ([start, start + 1, start + 2, start + 3] for start in range(0, 12, 4))
    results = list(run_shards(lone, partial(add, deadly=6), shards))
    lost = [result for result in results if result.error]
    assert [result.items for result in lost] == [[6]]
    assert "killed its worker" in str(lost[0].error)
    assert sorted(item for result in results if not result.error for item in result.items) == [*range(6), *range(7, 12)]


def test_only_a_window_of_shards_is_submitted(cluster: Cluster) -> None:
    submitted = 0

    def shards() -> Iterator[list[int]]:
        nonlocal submitted
        for submitted in range(1, 60):
            yield [submitted]

    with cluster.connect() as client:
        for done, _ in enumerate(run_shards(client, sum, shards())):
            assert submitted <= done + IN_FLIGHT * 2
    assert submitted == 59


def test_an_item_that_kills_its_worker_late_fails_alone(lone: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker dies later than the driver waits at a time, as when a deadline ends a hang."""
    monkeypatch.setattr("pipelines.workers.dispatch.SILENCE_S", 0.2)
    results = list(run_shards(lone, partial(add, deadly=1, after_s=1), iter([[1], [2]])))
    assert sorted((result.items, result.error is None) for result in results) == [([1], False), ([2], True)]


def test_a_worker_is_restarted_however_long_it_takes(lone: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dask looks some time after a death whether the worker is back, and closes its nanny if it is not."""
    own: Any = lone.cluster
    loop = own.loop.asyncio_loop
    later = loop.call_later

    def look_soon(delay: float, look: Any, *arguments: Any, **options: Any) -> Any:
        soon = getattr(look, "__qualname__", "").startswith("SpecCluster")
        return later(delay / 1000 if soon else delay, look, *arguments, **options)

    monkeypatch.setattr(loop, "call_later", look_soon)
    monkeypatch.setattr(dispatch, "SILENCE_S", 1)
    results = run_shards(lone, partial(add, deadly=2), [[1], [2], [3]], wait_s=30)
    assert sorted(result.items[0] for result in results if result.error is None) == [1, 3]


def test_an_error_of_the_task_is_raised_and_holds_up_no_later_run(cluster: Cluster, tmp_path: Path) -> None:
    lock = tmp_path, "score-kling"
    with cluster.connect() as client:
        with pytest.raises(ZeroDivisionError) as kept:
            list(run_shards(client, lambda items: 1 // 0, [[1], [2]], lock=lock))
        assert [done.result for done in run_shards(client, sum, [[1, 2]], lock=lock)] == [3]
    assert kept.traceback  # it refers to the tasks


@pytest.mark.usefixtures("cluster")
def test_a_result_that_was_taken_is_not_computed_again_when_its_worker_dies(tmp_path: Path) -> None:
    with Cluster(workers=2).connect() as client:
        results = run_shards(client, partial(noted, held=1, folder=tmp_path), iter([[0], [1]]))
        process = next(results).result
        assert isinstance(process, int)
        os.kill(process, signal.SIGKILL)
        until(lambda: process not in client.run(os.getpid, on_error="ignore").values())
        client.wait_for_workers(2, timeout=60)
        (tmp_path / "let-go").touch()
        assert [result.items for result in results] == [[1]]
    assert [path.stem for path in sorted(tmp_path.glob("*.run"))] == ["0-0", "1-0"]


def test_no_task_runs_after_the_last_result(lone: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker dies after the driver has taken its result and before it releases it: Dask computes it again."""
    result = Future.result

    def result_of_a_dying_worker(future: Future[int], timeout: float | None = None) -> int:
        process: int = result(future, timeout)
        os.kill(process, signal.SIGKILL)
        until(lambda: (tmp_path / "begun-1").exists())
        return process

    monkeypatch.setattr(Future, "result", result_of_a_dying_worker)
    (done,) = run_shards(lone, partial(slow_again, folder=tmp_path), iter([[0]]))
    assert done.error is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["begun-0", "begun-1", "ended-0", "ended-1"]


def test_a_command_waits_for_the_tasks_of_a_dead_one_with_its_lock(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Dask releases the tasks of a dead driver, but a worker cannot stop one."""
    work = partial(noted, held=1, folder=tmp_path)
    begun: list[bool] = []

    def let_go(_: float) -> None:
        begun.append((tmp_path / "2-0.run").exists())
        (tmp_path / "let-go").touch()

    with cluster.connect() as client:
        dead = run_shards(client, work, iter([[0], [1]]), lock=(tmp_path, "score-kling"))
        next(dead)
        until(lambda: (tmp_path / "1-0.run").exists())
        dead.close()  # type: ignore[attr-defined]
        tasks.wait_for_the_end(client, tasks.name_of((tmp_path, "score-pika")))  # not for another lock
        monkeypatch.setattr(tasks, "TELL_S", 0)
        monkeypatch.setattr(tasks, "time", SimpleNamespace(monotonic=time.monotonic, sleep=let_go))
        try:
            assert list(run_shards(client, work, iter([[2]]), lock=(tmp_path, "score-kling")))
        finally:
            (tmp_path / "let-go").touch()
    assert begun[:1] == [False]
    assert "still run tasks of a command that has ended" in capsys.readouterr().err


def test_workers_that_do_not_answer_are_waited_for(
    lone: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ((address, process),) = lone.run(os.getpid).items()
    monkeypatch.setattr(tasks, "ANSWER_S", 0.1)
    go_on = SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: os.kill(process, signal.SIGCONT))
    monkeypatch.setattr(tasks, "time", go_on)
    os.kill(process, signal.SIGSTOP)
    tasks.wait_for_the_end(lone, tasks.name_of(None))
    assert "do not answer; waiting for them" in capsys.readouterr().err
    assert lone.run(os.getpid) == {address: process}
