"""`hfv release` and its workers are killed with SIGKILL, and the same command goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from hfv_builder.storage.manifest import Manifests
from pipelines.release.stage import release
from pipelines.release.staging import WORK
from pipelines.workers.cluster import Cluster
from tests.release.conftest import NAME

VARIANTS = ("control",)
COMMAND = """
import sys, time
from pipelines.cli import main
from pipelines.release import stage
stage.written_files = lambda *_: time.sleep(3600)
sys.exit(main(sys.argv[1:]))
"""
"""The command line, which comes no further than to the clips: a kill always meets an unfinished release."""


def test_after_a_real_kill_the_release_is_the_same(ready: Manifests, tmp_path: Path, here: Cluster) -> None:
    calm, out = tmp_path / "calm", tmp_path / "killed"
    command = ["release", NAME.name, "--version", NAME.version, "--variants", *VARIANTS, "--workers", "2"]
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *command, "--manifests", str(ready.root), "--out", str(out)],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    release(ready, NAME, out=calm, variants=VARIANTS, cluster=here)
    work = out / f"{NAME.folder}.incomplete" / WORK
    while process.poll() is None and not any(work.glob("*.json")):
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert [*work.glob("*.json")]
    assert not (out / NAME.folder).exists()
    release(ready, NAME, out=out, variants=VARIANTS, cluster=here)
    sums = [(folder / NAME.folder / "SHA256SUMS").read_text() for folder in (calm, out)]
    assert sums[0] == sums[1]
    assert not [*out.glob("*.incomplete")]
