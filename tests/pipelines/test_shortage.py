"""Workers that die for want of memory: the run's fault until something is done, then that of the clip."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from distributed import Client

from hfv_builder.records import UsageError
from pipelines.workers import local
from pipelines.workers.cluster import Cluster
from pipelines.workers.dispatch import run_shards
from tests.pipelines.deadly import hoard


@pytest.fixture
def client(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Of one worker with 400 MB, which it has no more once it takes as much."""
    monkeypatch.setattr(local, "workers_memory", lambda: 400 << 20)
    with Cluster(workers=1).connect() as client:
        yield client


@pytest.mark.parametrize("shards", [[[1]], [[1, 2], [3, 4], [5, 6]]], ids=["a clip", "clips"])
def test_nothing_that_can_be_done_is_the_fault_of_the_run(client: Client, shards: Any) -> None:
    with pytest.raises(UsageError, match="workers with 419 MB each run out of memory before any clip is done"):
        list(run_shards(client, partial(hoard, hungry={*range(10)}), iter(shards)))


def test_where_work_was_done_before_with_as_little_the_clip_is_to_blame(client: Client) -> None:
    (done,) = run_shards(client, partial(hoard, hungry={1}), iter([[1]]), proven=True)
    assert done.items == [1]
    assert "killed its worker" in str(done.error)


def test_one_clip_that_takes_too_much_fails_alone(client: Client) -> None:
    done = list(run_shards(client, partial(hoard, hungry={1}), iter([[1, 2], [3, 4]])))
    assert [each.items for each in done if each.error] == [[1]]
    assert sorted(item for each in done if not each.error for item in each.items) == [2, 3, 4]
