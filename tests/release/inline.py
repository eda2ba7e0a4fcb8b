"""A stand-in for a cluster: the work is done at once, in this thread, so that a test can stop it anywhere."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest

from pipelines.release import attach, packing, stage
from pipelines.workers.cluster import Cluster
from pipelines.workers.dispatch import Done

T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def inline() -> Iterator[Cluster]:
    """A cluster whose client does nothing, and shards that are worked on as they come, while the block runs."""

    def at_once(client: Any, work: Callable[[list[T]], R], shards: Iterable[list[T]], **_: Any) -> Iterator[Done[T, R]]:
        for shard in shards:
            yield Done(items=shard, result=work(shard))

    with pytest.MonkeyPatch.context() as patch:
        for module in (stage, packing, attach):
            patch.setattr(module, "run_shards", at_once)
        yield Cluster(client=object())
