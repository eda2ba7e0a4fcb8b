"""A stand-in for a cluster: the work is done at once, in this thread, so that a test can stop it anywhere."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest

from hfv_builder.release import report
from pipelines.release import attach, packing, stage
from pipelines.workers.cluster import Cluster
from pipelines.workers.dispatch import Done

T = TypeVar("T")
R = TypeVar("R")


DRAWN = {name: getattr(report, name) for name in ("svg", "_composition", "_scores", "_facts", "_agreements")}
"""What draws the report. It takes longer than all else of a small release."""


@contextmanager
def inline(*, drawn: bool = False) -> Iterator[Cluster]:
    """A cluster whose client does nothing, and shards that are worked on as they come, while the block runs.

    Args:
        drawn: whether the report has its drawings.
    """

    def at_once(client: Any, work: Callable[[list[T]], R], shards: Iterable[list[T]], **_: Any) -> Iterator[Done[T, R]]:
        for shard in shards:
            yield Done(items=shard, result=work(shard))

    with pytest.MonkeyPatch.context() as patch:
        for module in (stage, packing, attach):
            patch.setattr(module, "run_shards", at_once)
        for name, draw in DRAWN.items():
            patch.setattr(report, name, draw if drawn else lambda _: "<svg></svg>")
        yield Cluster(client=object())
