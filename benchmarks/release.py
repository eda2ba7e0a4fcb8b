"""Release and verify thousands of clips with hard links: `python -m benchmarks.release`.

By default the clips are tiny, so that hashing and copying take no time. With `--kilobytes` they are larger, and the
time of the verification is compared with that of `sha256sum`, which reads the same bytes.
"""

import argparse
import contextlib
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.resident import processor_s
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
        with timed("release"):
            outcome = release(manifests, NAME, out=root / "out")
        folder = root / "out" / f"{NAME.name}-{NAME.version}"
        with timed("verify"):
            problems = verify(folder).summary["problems"]
        with timed("sha256sum"):
            subprocess.run(["sha256sum", "--quiet", "--check", "SHA256SUMS"], cwd=folder, check=True)
    print(f"{outcome.summary['clips']} clips released, {len(problems)} problems found")


@contextlib.contextmanager
def timed(what: str) -> Iterator[None]:
    """Print the seconds that a block takes, by the clock and of processors, and the most memory so far."""
    wall, cpu = time.perf_counter(), processor_s()
    yield
    peaks = [resource.getrusage(who).ru_maxrss / 2**10 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    spent = f"{time.perf_counter() - wall:.1f} s, {processor_s() - cpu:.1f} s of processors"
    print(f"{what}: {spent}; at most {peaks[0]:.0f} MiB, and {peaks[1]:.0f} MiB in a worker", flush=True)


def made(root: Path, each: int, kilobytes: int) -> Manifests:
    """Return manifests of four generators with `each` clips.

    The clips are copies of one, with different bytes in an MP4 box that no decoder reads.
    """
    first = sample.small_clip(root / "first.mp4", 0)
    content, facts = first.read_bytes(), probe(first)

    def write(path: Path, number: int) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        filling = number.to_bytes(8, "big") + os.urandom(1024 * kilobytes)
        path.write_bytes(content + (8 + len(filling)).to_bytes(4, "big") + b"free" + filling)
        return path

    module: Any = sample
    module.probe = lambda _: facts  # equal for all copies
    return sample.fill(root, clips=each, write=write)


if __name__ == "__main__":
    main()
