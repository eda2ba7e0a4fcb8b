"""`make bench`: the speed of scoring against the plain implementation, at equal scores.

Random weights, since speed does not depend on them: RAFT large, CLIP B/32 and DINOv2-base of their true sizes, a tiny
Depth Pro (the true one takes a minute a frame on a CPU). One thread, as in a worker; ratios are of CPU seconds, which
depend little on other programs on the machine; wall seconds are printed beside them.
"""

import argparse
import dataclasses
import datetime
import json
import platform
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tabulate import tabulate

from benchmarks.clock import Clock, Spent, Timed, measured
from benchmarks.material import REAL_CLIPS, as_a_worker, cuts, paper
from hfv_builder.backends.registry import resolve
from hfv_builder.backends.weights import WeightsDir
from hfv_builder.frames import video
from hfv_builder.profiles.profile import Profile, load_profile
from hfv_builder.records import METRICS
from hfv_builder.scoring.scorer import Scorer
from tests.checkpoints import make
from tests.reference import Reference, decode

MODELS = {"raft_large": "true", "clip": "true", "dinov2": "true", "depth_pro": "tiny"}
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One comparison. Ratios are the CPU seconds of the plain implementation divided by ours."""

    what: str
    plain: Spent
    ours: Spent
    error: float
    """The largest difference: pixels of flow, or share of a score."""
    bar: float | None = None
    bound: float | None = None
    """The ratio if only the models and one decode took time, measured within the same run."""

    @property
    def ratio(self) -> float:
        """How many times as fast."""
        return self.plain.cpu_s / self.ours.cpu_s


class TimedReference(Reference):
    """The plain implementation, with the processor seconds of depth and embeddings."""

    def __init__(self, profile: Profile, store: WeightsDir) -> None:
        super().__init__(profile, store)
        self.clock = Clock()

    def depth(self, *arguments: Any) -> Any:
        """Depth Pro."""
        return self.clock.time(super().depth, *arguments)

    def clip_feature(self, *arguments: Any) -> Any:
        """CLIP."""
        return self.clock.time(super().clip_feature, *arguments)

    def dino_feature(self, *arguments: Any) -> Any:
        """DINOv2."""
        return self.clock.time(super().dino_feature, *arguments)


def bench_lite(clips: list[Path]) -> tuple[Row, dict[str, float]]:
    """The `lite` profile on whole clips, against separate decoding and scoring for each metric."""
    scorer = Scorer(resolve(load_profile("lite")))
    scorer.score(video.decode(clips[0]))

    def each_metric() -> list[float | None]:
        return [scorer.score(video.decode(path), [metric]).scores[metric].value for path in clips for metric in METRICS]

    def at_once() -> list[float | None]:
        return [score.value for path in clips for score in scorer.score(video.decode(path)).scores.values()]

    plain, plain_spent = measured(each_metric)
    ours, spent = measured(at_once)
    _, decoding = measured(lambda: [list(video.decode(path)) for path in clips])
    shares = {"clips_per_s": len(clips) / spent.wall_s, "decode_share": decoding.cpu_s / spent.cpu_s}
    error = 0.0 if ours == plain else float("nan")
    return Row(what="lite", plain=plain_spent, ours=spent, error=error), shares


def bench_raft(clip: Path, scorer: Scorer, reference: Reference) -> Row:
    """Flow in both directions between all adjacent frames of a clip."""
    frames = decode(clip)
    pictures = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
    model: Any = scorer._models["flow"]

    def plain(count: int = len(frames)) -> list[Any]:
        numpy = [frame.astype("float32") / 255 for frame in frames[:count]]
        pairs = [pair for t in range(count - 1) for pair in ((t, t + 1), (t + 1, t))]
        profile = reference.profile.flow.long_side
        size = tuple(max(1, round(side * min(1, profile / max(frames.shape[1:3])))) for side in frames.shape[1:3])
        return [reference.flow(numpy[a], numpy[b], (size[0], size[1])) for a, b in pairs]

    @torch.inference_mode()
    def ours(count: int = len(frames)) -> list[Any]:
        known = model.encode(pictures[:count])
        before, after = tuple(each[:-1] for each in known), tuple(each[1:] for each in known)
        both = zip(model.flow(before, after), model.flow(after, before), strict=True)
        return [flow.permute(1, 2, 0).numpy() for pair in both for flow in pair]

    plain(2), ours(3)  # the first call of a size chooses kernels
    (slow, slow_spent), (fast, fast_spent) = measured(plain), measured(ours)
    error = max(float(abs(a - b).max()) for a, b in zip(slow, fast, strict=True))
    precision = scorer.profile.flow.precision
    return Row(
        what=f"RAFT {precision} (px)", plain=slow_spent, ours=fast_spent, error=error, bar=BARS["raft", precision]
    )


class Whole:
    """All three scores of some clips, from the file on, by one of our scorers."""

    def __init__(self, what: str, scorer: Scorer, bar: float | None = None) -> None:
        self.what, self.scorer, self.bar = what, scorer, bar
        self.spent = Spent(cpu_s=0, wall_s=0)
        self.flow, self.others, self.decoding = Clock(), Clock(), Clock()
        for name, model in scorer._models.items():
            scorer._models[name] = Timed(model, self.flow if name == "flow" else self.others)
        self.error = 0.0

    def score(self, path: Path, expected: dict[str, float]) -> None:
        """Score a clip and compare the scores with those of the plain implementation."""
        found, spent = measured(lambda: self.scorer.score(self.decoding.each(video.decode(path))).scores)
        self.spent += spent
        errors = [abs((found[metric].value or 0) / expected[metric.value] - 1) for metric in METRICS]
        self.error = max(self.error, *errors)

    def row(self, plain: Spent) -> Row:
        """Return the comparison with the plain implementation."""
        needed = self.flow.spent + self.others.spent + self.decoding.spent
        bound = plain.cpu_s / needed.cpu_s
        return Row(what=self.what, plain=plain, ours=self.spent, error=self.error, bar=self.bar, bound=bound)


def bench_paper(clips: list[Path], reference: TimedReference, wholes: list[Whole]) -> list[Row]:
    """Score the clips in all ways, clip by clip, since the speed of shared machines changes from minute to minute."""
    plain = Spent(cpu_s=0, wall_s=0)
    for path in clips:
        found, spent = measured(partial(reference.score, path))
        scores = {name: score.score for name, score in found.items()}
        plain += spent
        for whole in wholes:
            whole.score(path, scores)
    others = wholes[0].others.spent
    models = Row(what="depth and embeddings", plain=reference.clock.spent, ours=others, error=float("nan"))
    return [models, *(whole.row(plain) for whole in wholes)]


BARS: dict[tuple[str, str], float] = {
    ("raft", "fp32"): 1.5,
    ("raft", "bf16"): 1.5,
    ("paper", "fp32"): 1.6,
    ("paper", "bf16"): 2.5,
}


def main() -> None:
    """Measure, print a table, and write it to a file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Speed against the plain implementation.")
    parser.add_argument("--folder", type=Path, default=REAL_CLIPS, help="real clips (default ../shared/clips)")
    parser.add_argument("--clips", type=int, default=2)
    parser.add_argument("--frames", type=int, default=9, help="frames of each clip for the paper profile")
    parser.add_argument("--long-side", type=int, default=448, help="of flow and depth, pixels")
    options = parser.parse_args()
    if not options.folder.is_dir():
        print(
            f"bench: skipped, there are no real clips in {options.folder}; name others with --folder", file=sys.stderr
        )
        return
    as_a_worker()
    with tempfile.TemporaryDirectory(prefix="hfv-bench-") as temporary:
        rows, shares = run(options, Path(temporary))
    heads = [
        "",
        "plain CPU s",
        "ours CPU s",
        "times as fast",
        "at most",
        "share",
        "bar",
        "plain wall s",
        "ours wall s",
        "largest error",
    ]
    lines = [
        [
            *(
                row.what,
                row.plain.cpu_s,
                row.ours.cpu_s,
                row.ratio,
                row.bound,
                row.bound and row.ratio / row.bound,
                row.bar,
            ),
            *(row.plain.wall_s, row.ours.wall_s, row.error),
        ]
        for row in rows
    ]
    print(tabulate(lines, headers=heads, floatfmt=".3g"))
    print(f"lite: {shares['clips_per_s']:.2f} clips/s, {shares['decode_share']:.0%} of it decoding")
    RESULTS.mkdir(exist_ok=True)
    written = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": {"processor": platform.processor() or platform.machine(), "threads": torch.get_num_threads()},
        "torch": torch.__version__,
        "options": {key: str(value) for key, value in vars(options).items()},
        "rows": [dataclasses.asdict(row) | {"ratio": row.ratio} for row in rows],
        "lite": shares,
    }
    (RESULTS / "bench.json").write_text(json.dumps(written, indent=1) + "\n")


def run(options: argparse.Namespace, temporary: Path) -> tuple[list[Row], dict[str, float]]:
    """Yield all comparisons."""
    store = make(temporary / "weights", MODELS)
    short = cuts(options.folder, temporary, clips=options.clips, frames=options.frames)
    (temporary / "long").mkdir()
    lite, shares = bench_lite(cuts(options.folder, temporary / "long", clips=4, frames=45))
    rows = [told(lite)]
    reference = TimedReference(paper(options.long_side, "fp32"), store)
    precisions = ["fp32"] + (["bf16"] if torch.ops.mkldnn._is_mkldnn_bf16_supported() else [])
    wholes = []
    for precision in precisions:
        profile = paper(options.long_side, precision)
        scorer = Scorer(resolve(profile, store=store), store=store)
        rows.append(told(bench_raft(short[0], scorer, reference)))
        # The plain implementation makes no evidence images.
        bare = Scorer(resolve(dataclasses.replace(profile, evidence=False), store=store), store=store)
        for each in (scorer, bare):
            each.score(video.decode(short[0]))  # the first call of a size chooses kernels
        wholes.append(Whole(f"paper {precision}", scorer, BARS["paper", precision]))
        wholes.append(Whole(f"paper {precision}, no evidence", bare))
    reference.clock = Clock()
    rows += map(told, bench_paper(short, reference, wholes))
    return rows, shares


def told(row: Row) -> Row:
    """Print a row as soon as it is measured, in case the run is interrupted later."""
    print(f"{row.what}: {row.ratio:.2f} times as fast", file=sys.stderr, flush=True)
    return row


if __name__ == "__main__":
    main()
