"""Peak memory of a process that scores a long, large clip: `python -m benchmarks.memory --seconds 30`.

True RAFT large, CLIP and DINOv2, a tiny Depth Pro. RAFT makes a single update here: the others take the same memory
and, on a CPU, hours.
"""

import argparse
import dataclasses
import resource
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.checkpoints import make
from benchmarks.gpu import render
from hfv_builder import video
from hfv_builder.config import load_profile
from hfv_builder.scoring import Scorer


def main() -> None:
    """Score a clip and print what it took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description="Peak memory of a worker.")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--height", type=int, default=1080)
    parser.add_argument("--width", type=int, default=1920)
    parser.add_argument("--flow", choices=("raft_large", "raft_small", "dis"), default="raft_large")
    options = parser.parse_args()
    torch.set_num_threads(1)
    profile = load_profile("paper")
    flow = dataclasses.replace(profile.flow, backend=options.flow, updates=1)
    with tempfile.TemporaryDirectory(prefix="hfv-memory-") as temporary:
        root = Path(temporary)
        store = make(root, {"raft_large": "true", "clip": "true", "dinov2": "true", "depth_pro": "tiny"})
        frames = round(24 * options.seconds)
        clip = render(root / "clip.mp4", frames, options.height, options.width, 0)
        before = _peak()
        scorer = Scorer(dataclasses.replace(profile, flow=flow), store=store)
        start = time.perf_counter()
        scorer.score(video.decode(clip))
        spent = time.perf_counter() - start
    print(
        f"{frames} frames of {options.width}x{options.height}, {options.flow}: peak {_peak():.2f} GiB "
        f"({before:.2f} GiB of it from making clip and weights), {spent:.0f} s"
    )


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
