"""Status: what is done, failed and left, per generator and metric, and at which pace."""

import time
from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hfv_builder.manifest import Manifests
from hfv_builder.records import METRICS, Status
from hfv_builder.schema import CLIPS, LABELS, SCORES, SPLITS
from pipelines.clip_index import originals
from pipelines.label import catalogued
from pipelines.outcome import Outcome, paragraphs, table
from pipelines.shard_log import pace


def status(manifests: Manifests) -> Outcome:
    """How far each generator is.

    Raises:
        UsageError: nothing is catalogued.
    """
    started = time.time()
    generators: list[dict[str, Any]] = []
    scores: list[dict[str, Any]] = []
    for generator in catalogued(manifests):
        clips = manifests.read(CLIPS, ["clip_id", "is_real", "status"], generator=generator)
        counts = Counter({each["values"]: each["counts"] for each in clips["status"].value_counts().to_pylist()})
        wanted = clips.filter(originals())["clip_id"].unique()
        labels = manifests.read(LABELS, ["auto_label"], generator=generator)["auto_label"]
        splits = manifests.read(SPLITS, ["split"], generator=generator)["split"]
        generators.append(
            {
                "generator": generator,
                "kind": "real" if clips["is_real"][0].as_py() else "fake",
                "clips": counts[Status.OK],
                "unreadable": counts[Status.FAILED],
                "copies": counts[Status.REJECTED],
                "labelled": len(labels) - labels.null_count,
                "split": len(splits) - splits.null_count,
            }
        )
        speed = pace(manifests, generator)
        generators[-1] |= {"clips_per_s": speed and round(speed, 2)}
        for metric in METRICS:
            scores += _of_metric(manifests, generator, metric.value, wanted, speed)
    text = paragraphs(str(manifests.root), table(generators), table(scores))
    summary = {"manifests": str(manifests.root), "generators": generators, "scores": scores}
    return Outcome(summary=summary, text=text, started=started)


def _of_metric(
    manifests: Manifests, generator: str, metric: str, wanted: pa.Array, speed: float | None
) -> list[dict[str, Any]]:
    """A row for each configuration that the metric has scores of, or one that says all are left."""
    keys = ["profile", "fingerprint"]
    rows = manifests.read(SCORES, ["clip_id", *keys, "status"], metric=metric, generator=generator)
    rows = rows.filter(pc.is_in(rows["clip_id"], wanted))
    rows = rows.append_column("ok", pc.equal(rows["status"], Status.OK.value))
    # A clip that was tried again has two rows until the run ends. Without threads kinds come in the order of the rows.
    rows = rows.group_by(["clip_id", *keys], use_threads=False).aggregate([("ok", "any")])
    kinds: dict[tuple[str | None, str | None], Counter[bool]] = {}
    for each in rows.group_by([*keys, "ok_any"], use_threads=False).aggregate([([], "count_all")]).to_pylist():
        kinds.setdefault((each["profile"], each["fingerprint"]), Counter())[each["ok_any"]] = each["count_all"]
    return [
        {
            "generator": generator,
            "metric": metric,
            "profile": profile,
            "fingerprint": fingerprint,
            "done": count[True],
            "failed": count[False],
            "left": (left := len(wanted) - count.total()),
            "hours_left": round(left / speed / 3600, 1) if speed and left else None,
        }
        for (profile, fingerprint), count in (kinds or {(None, None): Counter()}).items()
    ]
