"""Large numbers of clips: `python -m benchmarks.scale`. No frame is decoded: only the work around it is measured.

- score: a million clips with a scorer that does nothing: clips/s, the driver's memory over time, and the same command
again with nothing to do. - tables: ten million score rows of ten generators to labels and splits, and a tenth of that.
- nothing to do: `hfv score` on 7,300 clips that are scored already.
"""

import argparse
import datetime
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from benchmarks.no_scorer import NoScorer
from benchmarks.resident import Resident
from hfv_builder.backends import registry
from hfv_builder.profiles.profile import load_profile
from hfv_builder.records import METRICS
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, SCORES
from pipelines.label.stage import label
from pipelines.score.stage import score
from pipelines.split.stage import split
from pipelines.workers.cluster import Cluster

T = TypeVar("T")
RESULTS = Path(__file__).parent / "results"
LITE = load_profile("lite")


def write_clips(manifests: Manifests, generator: str, count: int, seed: int) -> pa.Array:
    """Write rows of clips that do not exist, in parts of a hundred thousand, and return their ids."""
    rng = np.random.default_rng(seed)
    ids = pa.array([f"{number:016x}" for number in rng.integers(0, 1 << 63, count)])

    def parts() -> Iterator[pa.Table]:
        for start in range(0, count, 100_000):
            some = ids.slice(start, 100_000)
            known = {
                "clip_id": some,
                "path": pa.array([f"/clips/{generator}/{clip_id}.mp4" for clip_id in some.to_pylist()]),
                "is_real": pa.array([False] * len(some)),
                "status": pa.array(["ok"] * len(some)),
                "width": pa.array([1280] * len(some), pa.int32()),
                "height": pa.array([720] * len(some), pa.int32()),
            }
            columns = [known.get(field.name, pa.nulls(len(some), field.type)) for field in CLIPS.schema]
            yield pa.table(columns, schema=CLIPS.schema)

    manifests.replace(CLIPS, parts(), generator=generator)
    return ids


def write_scores(manifests: Manifests, generator: str, ids: pa.Array, seed: int) -> None:
    """Write a score for each clip and metric, as if scored by `lite`."""
    rng = np.random.default_rng(seed)
    fingerprints = registry.resolve(LITE).fingerprints
    for metric in METRICS:
        known = {
            "clip_id": ids,
            "score": pa.array(rng.random(len(ids))),
            "profile": pa.array(["lite"] * len(ids)),
            "fingerprint": pa.array([fingerprints[metric]] * len(ids)),
            "status": pa.array(["ok"] * len(ids)),
        }
        columns = [known.get(field.name, pa.nulls(len(ids), field.type)) for field in SCORES.schema]
        table = pa.table(columns, schema=SCORES.schema)
        manifests.replace(SCORES, [table], profile="lite", metric=metric.value, generator=generator)


def bench_score(root: Path, clips: int, steps: int) -> dict[str, Any]:
    """Measure the scoring stage without a scorer, with traces of `steps` values."""
    manifests = Manifests(root / "score")
    apart(write_clips, manifests, "many", clips, 0)
    found: dict[str, Any] = {"clips": clips, "steps": steps}
    with (
        Cluster().connect(imports=("pipelines.score.worker", "hfv_builder.scoring.score")) as client,
        Resident() as memory,
    ):
        client.register_plugin(NoScorer(steps))
        cluster = Cluster(client=client)
        for name in ("first", "again"):
            begun = time.perf_counter()
            outcome = score(manifests, "many", LITE, cluster=cluster)
            found[f"{name}_s"] = time.perf_counter() - begun
            if name == "first":
                found["gib_tenths"] = memory.tenths()
                found["clips_per_s"] = outcome.summary["scored_now"] / found["first_s"]
                found["gib_most"] = max(memory.seen)
    return found


def bench_tables(root: Path, rows: int) -> dict[str, float]:
    """Measure labels and splits of scored clips."""
    manifests = Manifests(root / f"tables-{rows}")
    for number in range(10):
        ids = write_clips(manifests, f"g{number}", rows // len(METRICS) // 10, number)
        write_scores(manifests, f"g{number}", ids, number)
    begun = time.perf_counter()
    label(manifests)
    split(manifests)
    spent = time.perf_counter() - begun
    return {"rows": rows, "s": spent, "gib_most": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}


def bench_nothing(root: Path, clips: int) -> dict[str, float]:
    """Measure a whole command with nothing to do."""
    manifests = Manifests(root / "nothing")
    write_scores(manifests, "done", write_clips(manifests, "done", clips, 0), 0)
    command = [sys.executable, "-m", "pipelines.cli", "score", "--generator", "done", "--profile", "lite"]
    command += ["--manifests", str(manifests.root)]
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return {"clips": clips, "s": time.perf_counter() - begun}


def apart(work: Callable[..., T], *arguments: Any) -> T:
    """Run the function in another process, whose memory is separate."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def main() -> None:
    """Measure all or some, print the results, and write them to a file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description="Large numbers of clips.")
    parser.add_argument("--only", choices=("score", "tables", "nothing"))
    parser.add_argument("--clips", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=1, help="values of each trace (default 1)")
    parser.add_argument("--rows", type=int, default=10_000_000)
    options = parser.parse_args()
    found: dict[str, Any] = {"date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")}
    with tempfile.TemporaryDirectory(prefix="hfv-scale-") as temporary:
        root = Path(temporary)
        if options.only in (None, "nothing"):
            found["nothing to do"] = apart(bench_nothing, root, 7_300)
        if options.only in (None, "tables"):
            found["tables, a tenth"] = apart(bench_tables, root, options.rows // 10)
            found["tables"] = apart(bench_tables, root, options.rows)
        if options.only in (None, "score"):
            found["score"] = apart(bench_score, root, options.clips, options.steps)
    print(json.dumps(found, indent=1))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "scale.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
