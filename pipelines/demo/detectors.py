"""The last step of the demo: a detector trained on its release, and the table of it beside the floors."""

import shutil
from pathlib import Path

from hfv_builder.storage.manifest import Manifests
from pipelines.detect.evaluate import evaluate_runs
from pipelines.detect.prepare import Workplace
from pipelines.detect.train import train
from pipelines.outcome import Outcome

DETECTOR, VALUES = "clip-svm", {"target": "binary"}


def train_and_evaluate(manifests: Manifests, release: Path, out: Path, *, threads: int | None) -> Outcome:
    """Train `clip-svm` to tell real from fake, and evaluate it; run and results of an earlier demo are replaced.

    Args:
        manifests: of the demo; the embeddings in them are used.
        release: the folder of the release.
        out: the folder of the demo.
        threads: clips that are read at the same time; None: one for each core.
    """
    run = out / "runs" / f"{DETECTOR}-binary"
    shutil.rmtree(run, ignore_errors=True)
    place = Workplace(cache=out / "features", device="cpu", threads=threads, manifests=manifests)
    train(DETECTOR, release, values=VALUES, out=run, place=place)
    return evaluate_runs([run], release, out=out / "results", place=place)
