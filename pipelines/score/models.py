"""The models that a worker keeps from one task to the next."""

import socket
import threading
from typing import Any

from hfv_builder.backends import registry
from hfv_builder.records import UsageError
from pipelines.score.run import ScoringRun
from pipelines.versions import packages

_local = threading.local()


def scorer_of(run: ScoringRun) -> Any:
    """Return the scorer of this thread; its models are loaded at the first call, and again when the run differs.

    Models are too large to travel and not thread-safe. They are kept while tasks ask for the same scores, fingerprints
    included, so that weights that were replaced on disk are loaded again.

    Raises:
        UsageError: packages or weights differ from those of the run.
    """
    if getattr(_local, "resolved", None) != run.resolved:
        import cv2
        import torch

        from hfv_builder.scoring.scorer import Scorer

        _local.resolved = _local.scorer = None  # frees their memory first
        _check_same(run)
        # One thread a worker: no oversubscription, and sums that do not depend on the number of workers.
        torch.set_num_threads(1)
        cv2.setNumThreads(1)
        _local.scorer = Scorer(run.resolved)
        _check_same(run)  # nobody replaced the weights while they were loaded
        _local.resolved = run.resolved
    return _local.scorer


def _check_same(run: ScoringRun) -> None:
    """Check that this process has the packages and weights that decide the scores of the run.

    Raises:
        UsageError: a package or a model's weights differ.
    """
    differing = [f"{name} {version}" for name, version in packages().items() if run.packages.get(name) != version]
    ours = run.resolved
    if not differing and registry.resolve(ours.profile, ours.metrics, device=ours.device) != ours:
        differing = ["other weights"]
    if differing:
        raise UsageError(
            f"a worker on {socket.gethostname()} would give other scores than this command's machine, for it has "
            f"{', '.join(differing)}: set it up in the same way"
        )
