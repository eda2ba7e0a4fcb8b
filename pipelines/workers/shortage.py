"""Want of memory: workers that die of it before anything is done are the fault of the run, not of a clip."""

import time
from typing import Any

from hfv_builder.records import UsageError
from pipelines.workers.limits import memory_kills

TOPIC = "worker-restart-memory"
"""Under which Dask's nannies report that they end a worker that has more than its share."""
REPORT_S = 0.2
"""How long such a report may be on its way after the worker has ended."""
CHANCES = 3
"""Deaths beside one for each worker that are borne before anything is done."""


class Shortage:
    """Counts the workers that died for want of memory since it was made."""

    def __init__(self, client: Any) -> None:
        """Begin to count.

        Args:
            client: a `distributed.Client`.
        """
        self._client = client
        self._before = self._count()
        self._known: list[dict[str, Any]] = []
        self._workers()

    def deaths(self) -> int:
        """Return how many have died, of those that just died too."""
        time.sleep(REPORT_S)
        return self._count() - self._before

    def is_certain(self) -> bool:
        """Return whether so many have died that no single clip can be the cause."""
        return self.deaths() >= CHANCES + len(self._workers())

    def error(self) -> UsageError:
        """Return the sentence that says so."""
        workers = self._workers()
        shares = [worker["memory_limit"] for worker in workers if worker["memory_limit"]]
        share = f" with {min(shares) / 1e6:.0f} MB each" if shares else ""
        cure = f"fewer workers (--workers N, now {len(workers)}) or more memory" if len(workers) > 1 else "more memory"
        return UsageError(
            f"workers{share} run out of memory before a single clip is done: give the run {cure}; nothing is lost, "
            "and no clip is blamed"
        )

    def _workers(self) -> list[dict[str, Any]]:
        """The workers, or those of before while the last of them is being replaced."""
        self._known = list(self._client.scheduler_info(n_workers=-1)["workers"].values()) or self._known
        return self._known

    def _count(self) -> int:
        return len(self._client.get_events(TOPIC)) + memory_kills()
