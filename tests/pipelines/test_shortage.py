"""Workers without enough memory: a usage error until a clip is done, afterwards a failure of the clip."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from types import SimpleNamespace
from typing import Any

import pytest
from distributed import Client

from hfv_builder.records import UsageError
from pipelines.workers import local
from pipelines.workers.cluster import Cluster
from pipelines.workers.dispatch import run_shards
from pipelines.workers.shortage import Shortage
from tests.pipelines.deadly import hoard, resident_bytes


@pytest.fixture
def client(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Return the client of one worker that may take 300 MB, in addition to what the fork server imported before."""
    with ProcessPoolExecutor(1, mp_context=get_context("forkserver")) as pool:
        limit = pool.submit(resident_bytes).result() + (300 << 20)
    monkeypatch.setattr(local, "workers_memory", lambda: limit)
    with Cluster(workers=1).connect() as client:
        yield client


@pytest.mark.parametrize("shards", [[[1]], [[1, 2], [3, 4], [5, 6]]], ids=["a clip", "clips"])
def test_a_run_in_which_no_clip_fits_is_a_usage_error(client: Client, shards: Any) -> None:
    with pytest.raises(UsageError, match=r"workers with \d+ MB each run out of memory before any clip is done"):
        list(run_shards(client, partial(hoard, hungry={*range(10)}), iter(shards)))


def test_a_clip_fails_if_other_clips_were_done_with_the_memory(client: Client) -> None:
    (result,) = run_shards(client, partial(hoard, hungry={1}), iter([[1]]), proven=True)
    assert result.items == [1]
    assert "killed its worker" in str(result.error)


def test_a_single_clip_that_takes_too_much_fails_alone(client: Client) -> None:
    results = list(run_shards(client, partial(hoard, hungry={1}), iter([[1, 2], [3, 4]])))
    assert [result.items for result in results if result.error] == [[1]]
    assert sorted(item for result in results if not result.error for item in result.items) == [2, 3, 4]


def test_deaths_are_counted_when_the_scheduler_keeps_no_more_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.workers.shortage.REPORT_S", 0)
    monkeypatch.setattr("pipelines.workers.shortage.memory_kills", lambda: 0)
    kept: deque[tuple[float, dict[str, str]]] = deque([(float(second), {}) for second in range(3)], maxlen=3)
    client = SimpleNamespace(get_events=lambda _: tuple(kept), scheduler_info=lambda **_: {"workers": {}})
    shortage = Shortage(client)
    kept += [(3.0, {}), (4.0, {})]
    assert shortage.deaths() == 2
