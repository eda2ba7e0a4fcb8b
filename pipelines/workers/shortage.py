"""Detect workers that run out of memory before any clip is done, which no clip is blamed for."""

import time
from typing import Any

from hfv_builder.records import UsageError
from pipelines.workers.limits import memory_kills

TOPIC = "worker-restart-memory"
"""Topic under which Dask's nannies report workers that they kill for using too much memory."""
REPORT_S = 0.2
"""Seconds that such a report may take to arrive after the worker has died."""
CHANCES = 3
"""Number of deaths that are tolerated before any shard completes, in addition to one per worker."""


class Shortage:
    """Count the workers that ran out of memory since this object was created."""

    def __init__(self, client: Any) -> None:
        """Start counting.

        Args:
            client: a `distributed.Client`.
        """
        self._client = client
        self._before = memory_kills()
        # Dask keeps the latest thousand reports only, of all commands: their number may not grow any more.
        self._latest = max(self._reports(), default=0.0)
        self._known: list[dict[str, Any]] = []
        self._workers()

    def deaths(self) -> int:
        """Return how many workers have died, including those that died just now."""
        time.sleep(REPORT_S)
        return sum(at > self._latest for at in self._reports()) + memory_kills() - self._before

    def is_certain(self) -> bool:
        """Return whether too many workers have died for a single clip to be the cause."""
        return self.deaths() >= CHANCES + len(self._workers())

    def error(self) -> UsageError:
        """Return the error that reports the lack of memory."""
        workers = self._workers()
        shares = [worker["memory_limit"] for worker in workers if worker["memory_limit"]]
        share = f" with {min(shares) / 1e6:.0f} MB each" if shares else ""
        cure = f"fewer workers (--workers N, now {len(workers)}) or more memory" if len(workers) > 1 else "more memory"
        return UsageError(
            f"workers{share} run out of memory before any clip is done; run with {cure}; nothing is lost, and no clip "
            "is marked as failed"
        )

    def _workers(self) -> list[dict[str, Any]]:
        """Return the workers, or the last known ones while none is connected."""
        self._known = list(self._client.scheduler_info(n_workers=-1)["workers"].values()) or self._known
        return self._known

    def _reports(self) -> list[float]:
        """Return the times of the reports of killed workers that the scheduler keeps."""
        return [at for at, _ in self._client.get_events(TOPIC)]
