"""Submit jobs of a batch system again when they have ended, such as at their time limit; Dask itself does not."""

import contextlib
import sys
import time
from typing import Any

POLL_S = 30.0
"""Seconds between two looks at the jobs."""
GONE_S = 300.0
"""Seconds without a worker after which a job counts as ended. A nanny restarts a worker that died sooner."""


def keep_jobs(cluster: Any, *, poll_s: float = POLL_S, gone_s: float = GONE_S) -> None:
    """Submit a job again, until the cluster is closed, if its workers are gone or it could not be submitted.

    A job that waits in its queue is left alone.

    Args:
        cluster: a `distributed.SpecCluster`, whose scheduler is in this process.
        poll_s: seconds between two looks.
        gone_s: seconds without a worker after which a job counts as ended.
    """
    from distributed import Status
    from tornado.ioloop import PeriodicCallback

    last_seen: dict[Any, float] = {}

    async def look() -> None:
        now = time.monotonic()
        present = {str(worker.name) for worker in cluster.scheduler.workers.values()}
        ended = []
        for name, job in cluster.workers.items():
            group = cluster.worker_spec.get(name, {}).get("group", [""])  # a job may hold several workers
            if not present.isdisjoint(f"{name}{suffix}" for suffix in group):
                last_seen[name] = now
            elif job.status is Status.created or now - last_seen.get(name, now) >= gone_s:
                ended.append(name)
        if not ended or cluster.status is not Status.running:
            return
        print(f"{len(ended)} jobs have ended or were not submitted; submitting them again", file=sys.stderr)
        for name in ended:
            last_seen.pop(name, None)
            with contextlib.suppress(Exception):  # the batch system may not know it any more
                await cluster.workers.pop(name).close()
        try:
            await cluster._correct_state()
        except Exception as error:  # the batch system may not respond for a while
            why = (str(error).strip() or type(error).__name__).splitlines()[-1]
            print(f"the batch system does not take the jobs ({why}); trying again in {poll_s:g} s", file=sys.stderr)

    looking = PeriodicCallback(look, 1000 * poll_s)
    cluster.periodic_callbacks["keep-jobs"] = looking
    cluster.loop.add_callback(looking.start)
