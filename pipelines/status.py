"""Status: what is done, failed and left, per generator, profile and metric, and at which pace."""

import time
from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hfv_builder.clips.ownership import counted_rows
from hfv_builder.labelling.scored import origin_of_labels, present_fingerprint, scored_profiles
from hfv_builder.records import METRICS, Status
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, LABELS, SCORES, SPLITS, Table
from hfv_builder.wording import significant
from pipelines.generators import catalogued, lost_clips, shared_tables
from pipelines.outcome import Outcome, paragraphs, table
from pipelines.score.old_scores import old_generators
from pipelines.score.shard_log import pace


def status(manifests: Manifests) -> Outcome:
    """Return the progress of every generator.

    Raises:
        UsageError: no generator is catalogued.
    """
    started = time.time()
    generators: list[dict[str, Any]] = []
    scores: list[dict[str, Any]] = []
    names = catalogued(manifests)
    lost = lost_clips(manifests)
    for generator in names:
        columns = ["clip_id", "generator", "is_real", "width", "status"]
        clips = manifests.read(CLIPS, columns, generator=generator)
        unread = clips["clip_id"].null_count  # files that could not be opened have no clip_id
        counted = counted_rows(clips, lost)
        counts = Counter({each["values"]: each["counts"] for each in counted["status"].value_counts().to_pylist()})
        wanted = counted["clip_id"].unique()
        readable = counted.filter(pc.equal(counted["status"], Status.OK.value))["clip_id"].unique()
        labels = _counted(manifests, LABELS, "auto_label", generator, readable)
        origin = origin_of_labels(manifests, generator) if len(labels) else None
        splits = _counted(manifests, SPLITS, "split", generator, readable)
        generators.append(
            {
                "generator": generator,
                "kind": "real" if clips["is_real"][0].as_py() else "fake",
                "clips": counts[Status.OK],
                "unreadable": counts[Status.FAILED] + unread,
                "copies": len(clips) - len(counted) - unread,
                "labelled": len(labels) - labels.null_count,
                "by": origin.profile if origin and origin.fingerprints else None,
                "split": len(splits) - splits.null_count,
            }
        )
        speed = pace(manifests, generator)
        generators[-1] |= {"clips_per_s": speed and significant(speed)}
        profiles: list[str | None] = [*scored_profiles(manifests, [generator])]
        for profile in profiles or [None]:
            speed = pace(manifests, generator, profile)
            for metric in METRICS:
                scores.append(_of_metric(manifests, generator, profile, metric.value, wanted, speed))
    outdated = old_generators(manifests)
    note = f"scores of {', '.join(outdated)} were written by an earlier version: `hfv label` makes them readable here"
    shared, lists = shared_tables(lost)
    text = paragraphs(str(manifests.root), table(generators), table(scores), shared, note if outdated else "")
    summary = {"manifests": str(manifests.root), "generators": generators, "scores": scores, "outdated": outdated}
    return Outcome(summary=summary | lists, text=text, started=started)


def _counted(manifests: Manifests, of: Table, column: str, generator: str, wanted: pa.Array) -> pa.ChunkedArray:
    """Return a column of the rows whose clips count."""
    rows = manifests.read(of, ["clip_id", column], generator=generator)
    return rows.filter(pc.is_in(rows["clip_id"], value_set=wanted))[column]


def _of_metric(
    manifests: Manifests, generator: str, profile: str | None, metric: str, wanted: pa.Array, speed: float | None
) -> dict[str, Any]:
    """Return the progress of one metric under the present configuration, and the number of clips with older rows."""
    fingerprint, done, tried, older = None, 0, 0, 0
    if profile is not None:
        keys = {"profile": profile, "metric": metric, "generator": generator}
        fingerprint = present_fingerprint(manifests, **keys)
        rows = manifests.read(SCORES, ["clip_id", "fingerprint", "status"], **keys)
        rows = rows.filter(pc.is_in(rows["clip_id"], wanted))
        present = pc.fill_null(pc.equal(rows["fingerprint"], fingerprint), fingerprint is None)
        succeeded = pc.equal(rows["status"], Status.OK.value)
        # A clip that was tried again has two rows until the run ends.
        done, tried, older = (
            pc.count_distinct(rows.filter(chosen)["clip_id"]).as_py()
            for chosen in (pc.and_(present, succeeded), present, pc.invert(present))
        )
    left = len(wanted) - tried
    return {
        "generator": generator,
        "profile": profile,
        "metric": metric,
        "fingerprint": fingerprint,
        "done": done,
        "failed": tried - done,
        "left": left,
        "older": older,
        "hours_left": significant(left / speed / 3600) if speed and left else None,
    }
