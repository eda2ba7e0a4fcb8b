"""Cost of ways to run Depth Pro, and their effect on the spatial score: `python -m benchmarks.depth`.

Runs on a CPU a model of the true architecture with all 36 passes of its vision transformers, with images of half the
side length and a fraction of the width. Two real clips; the flow is that of RAFT, which is not timed.
"""

import argparse
import dataclasses
import functools
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tabulate import tabulate

from benchmarks.material import REAL_CLIPS, as_a_worker, cuts, paper
from hfv_builder.backends import depth_pro, registry
from hfv_builder.backends.registry import resolve
from hfv_builder.backends.weights import WeightsDir
from hfv_builder.frames import video
from hfv_builder.profiles.profile import Profile
from hfv_builder.records import Metric
from hfv_builder.scoring.scorer import Scorer
from tests.checkpoints import make
from tests.reference import Reference, decode

SIZES = {"raft_small": "true", "clip": "tiny", "dinov2": "tiny", "depth_pro": "reduced"}


@dataclass(frozen=True, kw_only=True)
class Way:
    """A way to run the model."""

    name: str
    depth: dict[str, Any] = dataclasses.field(default_factory=dict)
    """The values that differ in the profile's section."""
    pairs: int = 0
    batch: int = 1
    change: Callable[[Any], None] = lambda model: None
    """A change of the loaded model."""


def channels_last(model: Any) -> None:
    """Lay out the convolutions of the decoder with their channels last."""
    for part in (model._network.neck, model._network.fusion, model._network.head):
        part.to(memory_format=torch.channels_last)


def ways(pairs: int) -> list[Way]:
    """Return the ways; the first one is ours on a CPU."""
    return [
        Way(name="ours, a frame at a time"),
        Way(name="batches of 4 frames", batch=4),
        Way(name="channels last in the decoder", change=channels_last),
        Way(name="compiled", depth={"compile": True}),
        Way(name="bf16, accumulated in fp32", depth={"precision": "bf16"}),
        Way(name=f"pairs = {pairs}", pairs=pairs),
    ]


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.depth", description="Ways to run Depth Pro on a CPU.")
    parser.add_argument("--folder", type=Path, default=REAL_CLIPS, help="real clips (default ../shared/clips)")
    parser.add_argument("--clips", type=int, default=2)
    parser.add_argument("--frames", type=int, default=13, help="frames of each clip")
    parser.add_argument("--pairs", type=int, default=3, help="pairs of frames to compare in the last row")
    options = parser.parse_args()
    as_a_worker()
    with tempfile.TemporaryDirectory(prefix="hfv-depth-") as temporary:
        store = make(Path(temporary) / "weights", SIZES)
        clips = cuts(options.folder, Path(temporary), clips=options.clips, frames=options.frames)
        profile = paper(128, "fp32")
        flow = dataclasses.replace(profile.flow, backend="raft_small", updates=4)
        profile = dataclasses.replace(profile, flow=flow, evidence=False)
        library = by_the_library(Reference(profile, store), clips)
        rows: list[list[Any]] = [["the library's call, a frame at a time", library, 1.0, None]]
        usual: list[float] = []
        for way in ways(options.pairs):
            seconds, scores = by(way, profile, clips, store)
            usual = usual or scores
            change = max(abs(score / one - 1) for score, one in zip(scores, usual, strict=True))
            rows.append([way.name, seconds, library / seconds, 100 * change])
            print(f"{way.name}: {library / seconds:.2f} times as fast", flush=True)
    headers = ["", "CPU s a clip", "times as fast", "largest change of a spatial score, %"]
    print(f"{options.clips} clips of {options.frames} frames")
    print(tabulate(rows, headers=headers, floatfmt=".3g"))


def by_the_library(reference: Reference, clips: list[Path]) -> float:
    """Return the processor seconds of a clip."""
    frames = [frame for clip in clips for frame in decode(clip)]
    reference.depth(frames[0])
    start = time.process_time()
    for frame in frames:
        reference.depth(frame)
    return (time.process_time() - start) / len(clips)


def by(way: Way, profile: Profile, clips: list[Path], store: WeightsDir) -> tuple[float, list[float]]:
    """Return the processor seconds of a clip's depth maps, and the spatial scores of the clips."""
    profile = dataclasses.replace(profile, pairs=way.pairs, depth=dataclasses.replace(profile.depth, **way.depth))
    depth_pro.MOST["cpu"] = way.batch
    model = registry.load(profile.depth, "cpu", store)
    way.change(model)
    scorer = Scorer(resolve(profile, [Metric.SPATIAL], store=store), store=store)
    scorer._models["depth"] = model
    spent = 0.0

    @functools.wraps(maps := model.maps)
    def timed(frames: torch.Tensor) -> torch.Tensor:
        nonlocal spent
        start = time.process_time()
        found: torch.Tensor = maps(frames)
        spent += time.process_time() - start
        return found

    model.maps = timed
    with torch.inference_mode():
        maps(torch.from_numpy(decode(clips[0])[: way.batch]))  # the first call of a size chooses kernels
    found = [scorer.score(video.decode(clip, pairs=way.pairs)).scores[Metric.SPATIAL] for clip in clips]
    return spent / len(clips), [score.value or 0.0 for score in found]


if __name__ == "__main__":
    main()
