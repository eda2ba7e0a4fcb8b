"""The log of a scoring run: a JSON line for each shard as it comes back."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.places import Place, matching, read, unwritable, writable
from pipelines.score.run import ShardResult


@contextlib.contextmanager
def shard_log(manifests: Manifests, generator: str, profile: str) -> Iterator[Callable[[ShardResult], None]]:
    """Yield a function that writes a line: profile, clips, failures, seconds spent, and seconds since the start.

    In an object store the log appears when the block ends.

    Raises:
        UsageError: it cannot be written.
    """
    name = f"{datetime.now(UTC).strftime('%Y%m%dT%H%M%S%f')[:-3]}-score-{generator}.jsonl"
    path = writable(manifests.root / "runs") / name
    file = path.open("w", encoding="utf-8")
    begun = time.monotonic()

    def write(report: ShardResult) -> None:
        line = {"profile": profile} | vars(report) | {"since_start_s": time.monotonic() - begun}
        line |= {name: round(value, 3) for name, value in line.items() if name.endswith("_s")}
        try:
            print(json.dumps(line), file=file, flush=True)
        except OSError as error:
            raise unwritable(path.parent, error) from None

    try:
        yield write
    finally:
        with contextlib.suppress(OSError):  # reported already
            file.close()


def pace(manifests: Manifests, generator: str, profile: str | None = None) -> float | None:
    """Return the clips per second of the latest scoring run, finished or not; None if there was none.

    Args:
        profile: of a run with this profile; None takes any. Runs of earlier versions do not say.
    """
    logs = matching(manifests.root / "runs", f"{'?' * 18}-score-{generator}.jsonl")
    for log in sorted(logs, key=lambda log: log.name, reverse=True):
        lines = list(_lines(log))
        if lines and (profile is None or lines[0].get("profile", profile) == profile):
            return float(sum(len(line["clips"]) for line in lines) / max(1e-3, lines[-1]["since_start_s"]))
    return None


def _lines(log: Place) -> Iterator[dict[str, Any]]:
    for line in read(log).splitlines():
        with contextlib.suppress(ValueError):  # cut short by a kill
            yield json.loads(line)
