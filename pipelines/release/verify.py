"""Verify a release and say what is wrong with it."""

import contextlib
import os
import time
from pathlib import Path

from tqdm import tqdm

from hfv_builder.records import DONE, SOME_FAILED
from hfv_builder.release.verification import verify_release
from hfv_builder.storage.lock import lock
from hfv_builder.wording import counted
from pipelines.outcome import Outcome, paragraphs, table
from pipelines.workers.limits import cores

SHOWN = 50
"""Problems that are printed; the rest is counted."""


def verify(folder: Path, *, threads: int | None = None) -> Outcome:
    """Check every file of the release `folder`; exit code 3 and a table if something is wrong.

    Args:
        threads: files that are read at the same time; None takes one for each core.

    Raises:
        UsageError: there is no release, or clips are being attached to it.
    """
    started = time.time()
    with (
        _not_attaching(folder.absolute()),
        tqdm(desc=f"verify {folder.name}", unit="B", unit_scale=True, disable=None) as bar,
    ):
        report = verify_release(folder.absolute(), threads=threads or cores(), advance=bar.update)
    rows = [vars(problem) for problem in report.problems]
    seconds = time.time() - started
    size = f"{counted(report.files, 'file')}, {report.bytes / 1e6:.1f} MB, {seconds:.1f} s"
    verdict = counted(len(rows), "problem") if rows else "nothing is wrong"
    text = paragraphs(table(rows, limit=SHOWN), "\n".join(report.skipped), f"{folder}: {verdict} ({size})")
    summary = {
        "release": str(folder),
        "files": report.files,
        "bytes": report.bytes,
        "problems": rows,
        "not_checked": report.skipped,
    }
    return Outcome(summary=summary, text=text, exit_code=SOME_FAILED if rows else DONE, started=started)


def _not_attaching(folder: Path) -> contextlib.AbstractContextManager[None]:
    """Hold the lock of `hfv release attach` if it was ever taken; a release elsewhere may be read-only."""
    held = folder.parent / f".lock-attach-{folder.name}"
    if held.exists() and os.access(held, os.W_OK) and os.access(held.parent, os.W_OK):
        return lock(folder.parent, f"attach-{folder.name}", needed=False)
    return contextlib.nullcontext()
