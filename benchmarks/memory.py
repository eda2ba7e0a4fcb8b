"""Memory of a process that scores a long, large clip: `python -m benchmarks.memory --seconds 30`.

True RAFT large, CLIP and DINOv2, a tiny Depth Pro. RAFT makes a single update here: further updates take the same
memory and, on a CPU, hours. The highest resident memory is printed for each tenth of the time, to show that it does not
grow.
"""

import argparse
import dataclasses
import resource
import tempfile
import time
from pathlib import Path

from benchmarks.gpu import render
from benchmarks.material import as_a_worker
from benchmarks.resident import Resident
from hfv_builder.backends.registry import resolve
from hfv_builder.frames import video
from hfv_builder.profiles.profile import load_profile
from hfv_builder.scoring.scorer import Scorer
from tests.checkpoints import make


def main() -> None:
    """Score a clip and print its time and memory."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description="Peak memory of a worker.")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--fps", type=int, default=24)
    parser.add_argument("--height", type=int, default=1080)
    parser.add_argument("--width", type=int, default=1920)
    parser.add_argument("--flow", choices=("raft_large", "raft_small", "dis"), default="raft_large")
    parser.add_argument("--long-side", type=int, default=768, help="of flow, pixels; less is sooner done")
    options = parser.parse_args()
    as_a_worker()
    profile = load_profile("paper")
    flow = dataclasses.replace(profile.flow, backend=options.flow, updates=1, long_side=options.long_side)
    with tempfile.TemporaryDirectory(prefix="hfv-memory-") as temporary:
        root = Path(temporary)
        store = make(root, {"raft_large": "true", "clip": "true", "dinov2": "true", "depth_pro": "tiny"})
        frames = round(options.fps * options.seconds)
        clip = render(root / "clip.mp4", frames, options.height, options.width, 0, options.fps)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        scorer = Scorer(resolve(dataclasses.replace(profile, flow=flow), store=store), store=store)
        start = time.perf_counter()
        with Resident() as resident:
            scorer.score(video.decode(clip))
        spent = time.perf_counter() - start
    size = f"{options.width}x{options.height}, {options.flow} at {options.long_side}"
    print(f"{frames} frames of {size}: {spent:.0f} s, {before:.2f} GiB before scoring")
    print("highest GiB in each tenth of the time:", *(f"{each:.2f}" for each in resident.tenths()))


if __name__ == "__main__":
    main()
