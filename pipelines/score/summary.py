"""The summary of a scoring run: how many clips have scores, which failed or look suspicious, and why."""

import time
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hfv_builder.frames.checks import ODD
from hfv_builder.records import DONE, SOME_FAILED, Metric, Status, UsageError
from hfv_builder.storage.schema import SCORES
from hfv_builder.wording import counted, significant
from pipelines.outcome import SHOWN, Outcome, paragraphs, table
from pipelines.score.run import ScoringRun

LISTED = 1000
"""Maximum number of clips that a run report lists; the rows have them all."""

Row = dict[str, Any]


def tally(run: ScoringRun, clips: pa.Table, *, scored: int, copied: int, started: float) -> Outcome:
    """Return the outcome of a scoring run.

    Args:
        clips: the catalogued clips, with columns clip_id and path.
        scored: the number of clips that this run scored.
        copied: the number of scores copied from other profiles.
        started: when the run began, seconds since 1970.

    Raises:
        UsageError: some clips have no row.
    """
    seconds = time.time() - started
    counts: list[Row] = []
    reasons: dict[str, str] = {}
    for metric in run.resolved.metrics:
        row, errors = _tallied(run, metric, clips["clip_id"].combine_chunks())
        counts.append(row)
        reasons |= errors
    odd = _suspicious(run)
    paths = _paths(clips, [*reasons, *odd])
    failures = [{"file": paths[clip_id], "reason": reason} for clip_id, reason in sorted(reasons.items())]
    suspicious = [{"file": paths[clip_id], "why": why} for clip_id, why in sorted(odd.items()) if clip_id in paths]
    resolved = run.resolved
    rate = f" in {seconds:.1f} s ({significant(scored / seconds):g} clips/s)" if scored else ""
    text = paragraphs(
        f"{run.generator}: {counted(scored, 'clip')} scored now{rate}, "
        f"profile {resolved.profile.name} on {resolved.device}",
        f"copied from profiles with the same fingerprints: {counted(copied, 'score')}" if copied else "",
        table(counts),
        table(suspicious, f"suspicious, scored all the same: {len(suspicious)}", limit=SHOWN),
        table(failures, f"failed: {len(failures)} of {len(clips)} clips", limit=SHOWN),
        _about_older(max(row["older"] for row in counts)),
        f"scores are in {run.manifests.root / 'scores'}; next: hfv label",
    )
    summary = {
        "generator": run.generator,
        "profile": run.resolved.profile.name,
        "device": run.resolved.device,
        "scored_now": scored,
        "scores_copied": copied,
        "clips_per_second": significant(scored / seconds),
        "metrics": counts,
        "failed": len(failures),
        "failures_by_reason": dict(Counter(reasons.values()).most_common()),
        "failures": failures[:LISTED],
        "suspicious": suspicious[:LISTED],
        "manifests": str(run.manifests.root),
    }
    return Outcome(summary=summary, text=text, exit_code=SOME_FAILED if failures else DONE, started=started)


def _tallied(run: ScoringRun, metric: Metric, clips: pa.Array) -> tuple[Row, dict[str, str]]:
    """Return the counts and the range of one metric's scores, and by clip_id the reason why clips have none.

    Raises:
        UsageError: some clips have no row.
    """
    rows = _rows(run, metric, ["clip_id", "score", "status", "error"])
    rows = rows.filter(pc.is_in(rows["clip_id"], value_set=clips))
    present = pc.equal(rows["fingerprint"], run.resolved.fingerprints[metric])
    older = pc.count_distinct(rows.filter(pc.invert(present))["clip_id"]).as_py()
    rows = rows.filter(present)
    if len(rows) < len(clips):
        raise UsageError(
            f"{len(clips) - len(rows)} of {len(clips)} clips have no {metric} row: workers wrote elsewhere; "
            f"{run.manifests.root} must be the same place for each of them"
        )
    fine = pc.equal(rows["status"], Status.OK.value)
    values = np.sort(rows.filter(fine)["score"].to_numpy())
    lost = rows.filter(pc.invert(fine))
    row = {
        "metric": metric.value,
        "scored": len(values),
        "failed": len(lost),
        "lowest": float(values[0]) if len(values) else None,
        "median": float(np.median(values)) if len(values) else None,
        "highest": float(values[-1]) if len(values) else None,
        "older": older,
        "fingerprint": run.resolved.fingerprints[metric],
    }
    return row, dict(zip(lost["clip_id"].to_pylist(), lost["error"].to_pylist(), strict=True))


def _about_older(clips: int) -> str:
    if not clips:
        return ""
    kept = counted(clips, "clip")
    return f"kept from an older configuration of this profile, because the present one fails there: {kept}"


def _suspicious(run: ScoringRun) -> dict[str, str]:
    """Return by clip_id why scored clips are suspicious; the components of any metric hold it."""
    metric = run.resolved.metrics[0]
    rows = _rows(run, metric, ["clip_id", "components"])
    rows = rows.filter(pc.equal(rows["fingerprint"], run.resolved.fingerprints[metric]))
    found: dict[str, list[str]] = {}
    declared, decoded, *others = (pc.map_lookup(rows["components"], name, "first") for name in ODD)
    ids = rows["clip_id"]
    for at in np.flatnonzero(pc.is_valid(declared).to_numpy()):
        found.setdefault(ids[at].as_py(), []).append(
            f"declares {declared[at].as_py():.0f} frames, has {decoded[at].as_py():.0f}"
        )
    told = ("frames in a row repeat the one before", "frames cannot be decoded", "frames are damaged")
    for counts, what in zip(others, told, strict=True):
        for at in np.flatnonzero(pc.is_valid(counts).to_numpy()):
            found.setdefault(ids[at].as_py(), []).append(f"{counts[at].as_py():.0f} {what}")
    return {clip_id: "; ".join(why) for clip_id, why in found.items()}


def _rows(run: ScoringRun, metric: Metric, columns: list[str]) -> pa.Table:
    """Return these columns and the fingerprint of all rows of the profile."""
    return run.manifests.read(SCORES, [*columns, "fingerprint"], **run.partition(metric))


def _paths(clips: pa.Table, ids: list[str]) -> dict[str, str]:
    """Return the paths of these clips, by clip_id."""
    some = clips.filter(pc.is_in(clips["clip_id"], value_set=pa.array(ids, pa.string())))
    return dict(zip(some["clip_id"].to_pylist(), some["path"].to_pylist(), strict=True))
