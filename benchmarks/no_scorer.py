"""A scorer for workers that does nothing; in a separate module, which workers import by name."""

import contextlib
from typing import Any

from distributed import WorkerPlugin

from hfv_builder.records import METRICS


class NoScorer(WorkerPlugin):
    """A scorer that gives every clip the scores 1, 2 and 3 without reading frames."""

    def __init__(self, steps: int = 1) -> None:
        """Args:
        steps: values of a clip's trace.
        """
        self.steps = steps

    def setup(self, worker: Any) -> None:
        """Replace decoder and models in a worker."""
        from hfv_builder.frames import video
        from hfv_builder.scoring.score import Score
        from hfv_builder.scoring.scorer import ClipScores
        from pipelines.score import worker as score_worker

        scores = {
            metric: Score(value=float(number), frames=list(range(self.steps)), trace=[0.5] * self.steps)
            for number, metric in enumerate(METRICS, 1)
        }

        class Nothing:
            def score(self, chunks: Any, metrics: Any) -> Any:
                for _ in chunks:
                    pass
                return ClipScores(scores=scores)

        patched: Any = score_worker
        patched.scorer_of = lambda run: Nothing()
        patched._file = lambda job: contextlib.nullcontext()
        video.decode = lambda path, **_: iter(())
