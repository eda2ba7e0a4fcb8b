"""What bf16 in RAFT does to the scores and their order: `python -m benchmarks.precision`.

Sixty cuts of real clips are scored by the paper profile (random weights, tiny Depth Pro) with flow in fp32 and in bf16.
The bars: every score within 1 %, and the order of each metric within a Spearman correlation of 0.999.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from tabulate import tabulate

from benchmarks.material import REAL_CLIPS, as_a_worker, cuts, paper
from hfv_builder.backends.registry import resolve
from hfv_builder.frames import video
from hfv_builder.records import METRICS
from hfv_builder.scoring.scorer import Scorer
from tests.checkpoints import make


def main() -> None:
    """Score the folder twice and compare."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.precision", description="bf16 against fp32.")
    parser.add_argument("--folder", type=Path, default=REAL_CLIPS, help="real clips (default ../shared/clips)")
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--long-side", type=int, default=256, help="of flow and depth, pixels")
    options = parser.parse_args()
    as_a_worker()
    with tempfile.TemporaryDirectory(prefix="hfv-bench-") as temporary:
        store = make(
            Path(temporary) / "weights", {"raft_large": "true", "clip": "tiny", "dinov2": "tiny", "depth_pro": "tiny"}
        )
        clips = cuts(options.folder, Path(temporary), clips=options.clips, frames=options.frames)
        found = {}
        for precision in ("fp32", "bf16"):
            scorer = Scorer(resolve(paper(options.long_side, precision), store=store), store=store)
            scores = [scorer.score(video.decode(clip)).scores for clip in clips]
            found[precision] = np.array([[each[metric].value for metric in METRICS] for each in scores], np.float64)
    lines = []
    for column, metric in enumerate(METRICS):
        exact, rounded = found["fp32"][:, column], found["bf16"][:, column]
        lines.append([metric.value, np.nanmax(abs(rounded / exact - 1)), _spearman(exact, rounded)])
    print(f"{len(clips)} clips of {options.frames} frames at {options.long_side} pixels, flow in bf16 against fp32")
    print(tabulate(lines, headers=["", "largest difference", "Spearman"], floatfmt=".3g"))


def _spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Rank correlation; the scores of a folder do not tie."""
    known = np.isfinite(a) & np.isfinite(b)
    ranks = [each[known].argsort().argsort() for each in (a, b)]
    return float(np.corrcoef(ranks)[0, 1])


if __name__ == "__main__":
    main()
