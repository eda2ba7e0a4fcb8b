"""Release and verify thousands of clips with hard links: `python -m benchmarks.release`.

The clips are tiny: what is measured is the bookkeeping, which does not depend on their length. Then larger files, whose
verification is bound by SHA-256, against `sha256sum`.
"""

import argparse
import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from hfv_builder.frames.facts import probe
from hfv_builder.release.name import ReleaseName
from hfv_builder.storage.manifest import Manifests
from pipelines.release.stage import release
from pipelines.release.verify import verify
from tests.release import sample

NAME = ReleaseName(name="bench", version="1.0.0")
GENERATORS = len(sample.FAKE) + 1


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.release", description="A release of many clips.")
    parser.add_argument("--clips", type=int, default=7300)
    parser.add_argument("--kilobytes", type=int, default=0, help="of each clip, for verification against sha256sum")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hfv-release-") as temporary:
        root = Path(temporary)
        manifests = made(root, options.clips // GENERATORS, options.kilobytes)
        start = time.perf_counter()
        outcome = release(manifests, NAME, out=root / "out")
        print(f"released {outcome.summary['clips']} clips in {time.perf_counter() - start:.1f} s; {memory()}", flush=True)
        folder = root / "out" / f"{NAME.name}-{NAME.version}"
        start = time.perf_counter()
        problems = verify(folder).summary["problems"]
        spent = time.perf_counter() - start
        print(f"verified in {spent:.1f} s, {len(problems)} problems; {memory()}", flush=True)
        start = time.perf_counter()
        subprocess.run(["sha256sum", "--quiet", "--check", "SHA256SUMS"], cwd=folder, check=True)  # noqa: S607
        print(f"sha256sum: {time.perf_counter() - start:.1f} s; verify at {(time.perf_counter() - start) / spent:.2f}")


def made(root: Path, each: int, kilobytes: int) -> Manifests:
    """Manifests of four generators with so many clips each: one clip, with other bytes in a box that nobody reads."""
    first = sample.small_clip(root / "first.mp4", 0)
    content, facts = first.read_bytes(), probe(first)

    def write(path: Path, number: int) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        filling = number.to_bytes(8, "big") + os.urandom(1024 * kilobytes)
        path.write_bytes(content + (8 + len(filling)).to_bytes(4, "big") + b"free" + filling)
        return path

    known: Any = sample
    known.probe = lambda _: facts
    return sample.fill(root, clips=each, write=write)


def memory() -> str:
    """The most memory so far."""
    peaks = [resource.getrusage(who).ru_maxrss / 2**10 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return f"at most {peaks[0]:.0f} MiB, and {peaks[1]:.0f} MiB in a worker"


if __name__ == "__main__":
    main()
