"""Time of the scoring stage against a plain loop, with one and two workers: `python -m benchmarks.overhead`.

Real clips are scored by `lite` in a loop that calls the scorer, by a plain pool of two processes, which is the upper
limit of the machine, and by the stage with one worker and with two; in turn, several times. Only the ratios within a
round count, since the speed of shared machines varies over time; the order changes from round to round.
"""

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

from tabulate import tabulate

from benchmarks.material import REAL_CLIPS, as_a_worker
from hfv_builder.backends.registry import resolve
from hfv_builder.frames.video import decode
from hfv_builder.profiles.profile import load_profile
from hfv_builder.scoring.scorer import Scorer
from hfv_builder.storage.manifest import Manifests
from pipelines.catalog.stage import catalog
from pipelines.score.execution import IMPORTS
from pipelines.score.stage import score
from pipelines.workers.cluster import Cluster

LITE = load_profile("lite")
RESULTS = Path(__file__).parent / "results"
KINDS = ("wan21", "videophy2")
Spent = tuple[float, float]
"""Wall seconds, and processor seconds with those of the driver."""
Times = dict[str, Spent]
scorer: Any = None
"""Of this process."""


def main() -> None:
    """Score the folders again and again and print the times."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description="A loop against the stage.")
    parser.add_argument("--folder", type=Path, default=REAL_CLIPS, help="real clips (default ../shared/clips)")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    as_a_worker()
    paths = [path for kind in KINDS for path in sorted((options.folder / kind).glob("*.mp4"))]
    if not paths:
        parser.error(f"there are no real clips in {options.folder}")
    _load()
    with tempfile.TemporaryDirectory(prefix="hfv-overhead-") as temporary:
        manifests = Manifests(Path(temporary, "manifests"))
        for generator, some in (("warm", paths[:2]), ("all", paths)):
            folder = Path(temporary, generator)
            folder.mkdir()
            for number, path in enumerate(some):
                (folder / f"{number}.mp4").symlink_to(path.resolve())
            catalog(manifests, generator, folder, cluster=Cluster(workers=0))
        rounds = [_round(manifests, paths, backwards=number % 2 == 1) for number in range(options.rounds)]
    lines = []
    for name in rounds[0]:
        wall, processor = (median(each[name][column] for each in rounds) for column in (0, 1))
        lines.append([name, wall, processor, _ratio(rounds, name, "loop", 0), _ratio(rounds, name, "loop", 1)])
    print(f"{len(paths)} clips, medians of {len(rounds)} rounds; ratios are of the same round")
    headers = ["", "s", "s of the processor", "s, times the loop's", "of the processor"]
    print(tabulate(lines, headers=headers, floatfmt=".3g"))
    print(f"a pool of two: {1 / _ratio(rounds, 'pool of two', 'loop'):.2f} times as fast as the loop")
    print(f"two workers: {_ratio(rounds, 'stage, one worker', 'stage, two workers'):.2f} times as fast as one")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "overhead.json").write_text(json.dumps(rounds, indent=1) + "\n")


def _round(manifests: Manifests, paths: list[Path], *, backwards: bool) -> Times:
    """Run each way once, with loaded models."""
    ways: dict[str, Callable[[], Spent]] = {
        "loop": partial(_loop, paths),
        "pool of two": partial(_pool, paths),
        "stage, one worker": partial(_stage, manifests, 1),
        "stage, two workers": partial(_stage, manifests, 2),
    }
    return {name: ways[name]() for name in (reversed(ways) if backwards else ways)}


def _loop(paths: list[Path]) -> Spent:
    begun, used = time.perf_counter(), time.process_time()
    for path in paths:
        _score(path)
    return time.perf_counter() - begun, time.process_time() - used


def _pool(paths: list[Path]) -> Spent:
    with ProcessPoolExecutor(2, get_context("forkserver"), initializer=_load) as pool:
        list(pool.map(_score, paths[:4]))
        begun = time.perf_counter()
        processor = sum(pool.map(_score, paths))
        return time.perf_counter() - begun, processor


def _ratio(rounds: list[Times], name: str, to: str, column: int = 0) -> float:
    """Return the median over the rounds of the ratio of two ways, of wall (0) or processor seconds (1)."""
    return median(each[name][column] / each[to][column] for each in rounds)


def _load() -> None:
    global scorer
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    scorer = Scorer(resolve(LITE))


def _score(path: Path) -> float:
    """Return the processor seconds of a clip."""
    begun = time.process_time()
    scorer.score(decode(path))
    return time.process_time() - begun


def _stage(manifests: Manifests, workers: int) -> Spent:
    with Cluster(workers=workers).connect(imports=IMPORTS) as client:

        def used() -> float:
            return float(sum(client.run(time.process_time).values())) + time.process_time()

        score(manifests, "warm", LITE, cluster=Cluster(client=client))
        begun, before = time.perf_counter(), used()
        score(manifests, "all", LITE, cluster=Cluster(client=client))
        spent = time.perf_counter() - begun, used() - before
    for name in ("scores", "embeddings", "evidence"):
        shutil.rmtree(manifests.local_root / name)
    return spent


if __name__ == "__main__":
    main()
