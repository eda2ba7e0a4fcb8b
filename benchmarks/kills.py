"""kill -9 at random moments, again and again: `python -m benchmarks.kills`.

`hfv catalog` and `hfv score` are started on a folder of real clips, each time in manifests that the kill before left as
they were: in turn the command and all its processes, its workers first, and the command alone, whose workers are left
to find out. After the last round the command runs to its end, and its rows must equal, to the last bit, those of a run
nobody disturbed.
"""

import argparse
import contextlib
import os
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa

from benchmarks.material import REAL_CLIPS
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.places import read
from hfv_builder.storage.schema import CLIPS, SCORES

KILLED = (("",), ("forkserver", ""), ("pipelines.cli",))
"""What is killed: words in commands, one after another; all have the empty one."""


def score(folder: Path, manifests: Path) -> subprocess.Popen[bytes]:
    """Catalogue and score."""
    where = ["--generator", "real", "--manifests", str(manifests)]
    return start(["catalog", *where, "--clips", str(folder)], ["score", *where, "--profile", "lite"])


def start(*stages: list[str]) -> subprocess.Popen[bytes]:
    """Run stages one after another, in a session of their own."""
    commands = (shlex.join([sys.executable, "-m", "pipelines.cli", *stage]) for stage in stages)
    return subprocess.Popen(
        ["sh", "-c", "; ".join(commands)],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def processes_of(session: int) -> list[tuple[int, str]]:
    """The processes of a session and their commands."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ProcessLookupError):
            if os.getsid(int(entry.name)) == session:
                found.append((int(entry.name), (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()))
    return found


def kill(process: subprocess.Popen[bytes], *words: str) -> int:
    """Kill -9 its processes whose commands have one of these words, after one another; how many that were."""
    killed = 0
    for word in words:
        for pid, command in sorted(processes_of(process.pid)):  # the shell first, lest it begins the next stage
            if word in command:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
        time.sleep(0.5)
    process.wait()
    return killed


def content(root: Path) -> tuple[pa.Table, dict[str, bytes]]:
    """The rows of the clips, whose parts say when they were written, and the very bytes of the scores."""
    manifests = Manifests(root)
    parts = (part for keys in manifests.partitions(SCORES) for part in manifests.parts(SCORES, **keys))
    return manifests.read(CLIPS), {str(part)[len(str(root)) :]: read(part) for part in parts}


def main() -> None:
    """Kill, run to the end, compare."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description="kill -9, again and again.")
    parser.add_argument("--folder", type=Path, default=REAL_CLIPS)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--longest", type=float, default=10, help="seconds between a start and its kill, at most")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)  # noqa: S311 (no secret)
    with tempfile.TemporaryDirectory(prefix="hfv-kills-") as temporary:
        calm, disturbed = Path(temporary, "calm"), Path(temporary, "disturbed")
        score(options.folder, calm).wait()
        for number in range(options.rounds):
            process = score(options.folder, disturbed)
            moment = chance.uniform(0, options.longest)
            time.sleep(moment)
            count = kill(process, *KILLED[number % len(KILLED)])
            print(f"round {number + 1}: {count} processes killed after {moment:.1f} s", flush=True)
        score(options.folder, disturbed).wait()
        expected, found = content(calm), content(disturbed)
    equal = found == expected
    print(f"{len(expected[0])} clips, {len(expected[1])} parts of scores: {'equal' if equal else 'DIFFERENT'}")
    sys.exit(not equal)


if __name__ == "__main__":
    main()
