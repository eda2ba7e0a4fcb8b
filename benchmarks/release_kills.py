"""kill -9 of `hfv release` at random moments, until the release is whole: `python -m benchmarks.release_kills`.

Small clips with two variants of each evaluation set, with one worker and with two. In turn the command and all its
processes are killed, its workers first, and the command alone, whose workers are left to find out. The same command
goes on where it was, and every file must have the bytes of a release that nobody disturbed.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.kills import KILLED, kill, start
from hfv_builder.storage.checksum import file_sha256
from tests.release import sample

NAME, VERSION = "kills", "1.0.0"


def make(root: Path, out: Path, workers: int) -> subprocess.Popen[bytes]:
    """Make the release, or go on making it."""
    where = ["--manifests", str(root / "manifests"), "--out", str(out), "--workers", str(workers)]
    return start(["release", NAME, "--version", VERSION, "--variants", "control,mixed", *where])


def content(out: Path) -> dict[str, str]:
    """SHA-256 of every file below the folder but the locks."""
    files = sorted(path for path in out.rglob("*") if path.is_file() and not path.name.endswith(".lock"))
    return {path.relative_to(out).as_posix(): file_sha256(path) for path in files}


def main() -> None:
    """Kill until enough kills hit an unfinished release, let it end, compare."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.release_kills", description="kill -9, until it is made."
    )
    parser.add_argument("--clips", type=int, default=40, help="of each of four generators")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)  # noqa: S311 (no secret)
    equal = True
    with tempfile.TemporaryDirectory(prefix="hfv-release-kills-") as temporary:
        root = Path(temporary)
        sample.fill(root, clips=options.clips)
        started = time.monotonic()
        make(root, root / "calm", 2).wait()
        longest = time.monotonic() - started
        expected = content(root / "calm")
        print(f"undisturbed: {len(expected)} files in {longest:.1f} s", flush=True)
        for workers in (1, 2):
            out = root / f"disturbed-{workers}"
            for number in range(options.kills):
                process = make(root, out, workers)
                moment = chance.uniform(longest * number / options.kills, longest * (number + 1) / options.kills)
                time.sleep(moment)
                count = kill(process, *KILLED[number % len(KILLED)])
                whole = (out / f"{NAME}-{VERSION}").exists()
                made = len(list(out.rglob("*.mp4")))
                print(
                    f"{workers} workers: {count} processes killed after {moment:.1f} s, {made} clips made", flush=True
                )
                if whole:
                    break
            if not whole:
                make(root, out, workers).wait()
            found = content(out)
            print(f"{workers} workers: {len(found)} files: {'equal' if found == expected else 'DIFFERENT'}", flush=True)
            equal = equal and found == expected
    sys.exit(not equal)


if __name__ == "__main__":
    main()
