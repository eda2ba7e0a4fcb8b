"""What the scoring stage adds to a plain loop, and what a second worker takes off: `python -m benchmarks.overhead`.

Real clips are scored by `lite` in a loop that calls the scorer, by the stage with one worker, and with two.
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

from benchmarks.material import REAL_CLIPS, as_a_worker
from hfv_builder.config import load_profile
from hfv_builder.manifest import Manifests
from hfv_builder.scoring import Scorer
from hfv_builder.video import decode
from pipelines.catalog import catalog
from pipelines.cluster import Cluster
from pipelines.score import IMPORTS, score

LITE = load_profile("lite")
KINDS = ("wan21", "videophy2")


def main() -> None:
    """Score the folders three times and print the times."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description="A loop against the stage.")
    parser.add_argument("--folder", type=Path, default=REAL_CLIPS, help="real clips (default ../shared/clips)")
    options = parser.parse_args()
    as_a_worker()
    paths = [path for kind in KINDS for path in sorted((options.folder / kind).glob("*.mp4"))]
    if not paths:
        parser.error(f"there are no real clips in {options.folder}")
    with tempfile.TemporaryDirectory(prefix="hfv-overhead-") as temporary:
        manifests = Manifests(Path(temporary, "manifests"))
        for generator, some in (("warm", paths[:2]), ("all", paths)):
            folder = Path(temporary, generator)
            folder.mkdir()
            for number, path in enumerate(some):
                (folder / f"{number}.mp4").symlink_to(path.resolve())
            catalog(manifests, generator, folder, cluster=Cluster(workers=0))
        loops = [_loop(paths)]
        one, two = (_stage(manifests, workers) for workers in (1, 2))
        loops.append(_loop(paths))  # before and after: what else the machine does changes
    wall, processor = (sum(each) / len(loops) for each in zip(*loops, strict=True))
    print(f"{len(paths)} clips in a loop: {wall:.1f} s, {processor:.1f} s of the processor")
    print(f"one worker: {one[0]:.1f} s, {one[1]:.1f} s of the processor, {one[1] / processor - 1:+.1%}")
    print(f"its driver: {one[2]:.1f} s of the processor")
    print(f"two workers: {two[0]:.1f} s, {two[1]:.1f} s of the processor: {one[0] / two[0]:.2f} times as fast as one")


def _loop(paths: list[Path]) -> tuple[float, float]:
    """Seconds, and those of the processor; models loaded."""
    scorer = Scorer(LITE)
    scorer.score(decode(paths[0]))
    begun, used = time.perf_counter(), time.process_time()
    for path in paths:
        scorer.score(decode(path))
    return time.perf_counter() - begun, time.process_time() - used


def _stage(manifests: Manifests, workers: int) -> tuple[float, float, float]:
    """Seconds, and those of the processor in workers and in the driver; models loaded."""
    with Cluster(workers=workers).connect(imports=IMPORTS) as client:

        def used() -> float:
            return float(sum(client.run(time.process_time).values()))

        score(manifests, "warm", LITE, cluster=Cluster(client=client))
        begun, before, driver = time.perf_counter(), used(), time.process_time()
        score(manifests, "all", LITE, cluster=Cluster(client=client))
        spent = time.perf_counter() - begun, used() - before, time.process_time() - driver
    for name in ("scores", "evidence"):
        shutil.rmtree(manifests.local_root / name)
    return spent


if __name__ == "__main__":
    main()
