"""Effect of a cheaper way of scoring on scores and their order: `python -m benchmarks.agreement bf16|paper-fast`.

Cuts of real clips are scored by the paper profile (random weights, tiny Depth Pro) in fp32, and in the cheaper way:
with flow in bf16, or by the profile `paper-fast`. The bars of bf16: every score within 1 %, and a Spearman correlation
of each metric of 0.999.
"""

import argparse
import dataclasses
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tabulate import tabulate

from benchmarks.material import REAL_CLIPS, as_a_worker, cuts, paper
from hfv_builder.backends.registry import resolve
from hfv_builder.backends.weights import WeightsDir
from hfv_builder.frames import video
from hfv_builder.labelling.labels import label_clips
from hfv_builder.profiles.profile import Profile, load_profile
from hfv_builder.records import METRICS
from hfv_builder.scoring.scorer import Scorer
from hfv_builder.trial.spearman import spearman
from tests.checkpoints import make


def main() -> None:
    """Score the clips twice and compare."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agreement", description="A cheaper way against paper.")
    parser.add_argument("way", choices=["bf16", "paper-fast"])
    parser.add_argument("--folder", type=Path, default=REAL_CLIPS, help="real clips (default ../shared/clips)")
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--long-side", type=int, default=256, help="of flow and depth, pixels")
    options = parser.parse_args()
    as_a_worker()
    exact = paper(options.long_side, "fp32")
    with tempfile.TemporaryDirectory(prefix="hfv-bench-") as temporary:
        store = make(
            Path(temporary) / "weights", {"raft_large": "true", "clip": "tiny", "dinov2": "tiny", "depth_pro": "tiny"}
        )
        clips = cuts(options.folder, Path(temporary), clips=options.clips, frames=options.frames)
        usual, seconds = scores(exact, clips, store)
        other, fewer = scores(cheaper(options.way, exact), clips, store)
    rows = [
        [metric, np.nanmax(abs(other[metric] / usual[metric] - 1)), spearman(usual[metric], other[metric])]
        for metric in METRICS
    ]
    kept = (label_clips(usual)["auto_label"] == label_clips(other)["auto_label"]).mean()
    print(f"{len(clips)} clips of {options.frames} frames at {options.long_side} pixels, {options.way} against paper")
    print(tabulate(rows, headers=["", "largest difference", "Spearman"], floatfmt=".3g"))
    print(f"the same label: {100 * kept:.0f} % of the clips; processor time: {seconds / fewer:.2f} times less")


def cheaper(way: str, exact: Profile) -> Profile:
    """Return the profile of a way at the size of `exact`."""
    if way == "bf16":
        return paper(exact.flow.long_side, "bf16")
    fast = load_profile(way)
    return dataclasses.replace(
        exact, name=way, pairs=fast.pairs, flow=dataclasses.replace(exact.flow, updates=fast.flow.updates)
    )


def scores(profile: Profile, clips: list[Path], store: WeightsDir) -> tuple[Any, float]:
    """Return the scores of the clips as those of one generator, and the processor seconds that they took."""
    scorer = Scorer(resolve(profile, store=store), store=store)
    start = time.process_time()
    found = [scorer.score(video.decode(clip, pairs=profile.pairs)).scores for clip in clips]
    seconds = time.process_time() - start
    rows = [{metric.value: each[metric].value for metric in METRICS} for each in found]
    frame = pd.DataFrame(rows, dtype=np.float64).assign(clip_id=[clip.stem for clip in clips], generator="clips")
    return frame, seconds


if __name__ == "__main__":
    main()
