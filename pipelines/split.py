"""Split: class ranks inside each generator and label, the top 20 % to val."""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hfv_builder.manifest import Manifests
from hfv_builder.records import METRICS, Label, Split, UsageError
from hfv_builder.reviews import final_labels
from hfv_builder.schema import LABELS, REVIEWS, SPLITS
from hfv_builder.splits import split_clips
from pipelines.generators import clips_of, for_each, leave_to_owners, lost_clips, shared_tables
from pipelines.outcome import Outcome, paragraphs, table


def split(manifests: Manifests, generators: Sequence[str] = (), labels: Literal["auto", "final"] = "auto") -> Outcome:
    """Split the labelled clips of these generators, or of all.

    Args:
        labels: `final` takes what reviewers made of the automatic labels, and leaves out the clips they rejected.

    Raises:
        UsageError: a generator has no labels, or final ones are wanted and there are no reviews.
    """
    started = time.time()
    if labels == "final" and not manifests.parts(REVIEWS):
        raise UsageError(f"{manifests.root} has no reviews yet: run `hfv review`, or `hfv reviews export` after it")
    lost = lost_clips(manifests)
    rows: list[dict[str, Any]] = []
    for found in for_each(manifests, "split", generators, partial(_split_one, manifests, lost, which=labels)):
        if isinstance(found, UsageError):
            raise found
        rows += found
    leave_to_owners(manifests, "split", SPLITS, generators)
    shared, lists = shared_tables(lost, generators)
    text = paragraphs(
        table(rows), shared, f"splits are in {manifests.root / 'splits'}; next: hfv review, or train with them"
    )
    return Outcome(summary={"classes": rows, "manifests": str(manifests.root)} | lists, text=text, started=started)


def _split_one(
    manifests: Manifests, lost: pa.Table, generator: str, which: Literal["auto", "final"]
) -> list[dict[str, Any]]:
    columns = ["clip_id", "generator", *(metric.value for metric in METRICS), "auto_label"]
    labelled = manifests.read(LABELS, columns, generator=generator)
    counted = clips_of(manifests, generator, [], lost)["clip_id"]
    if not len(labelled) and len(counted):
        raise UsageError(f"{generator} has no labels yet: run `hfv label --generator {generator}`")
    labels = labelled.filter(pc.is_in(labelled["clip_id"], value_set=counted.combine_chunks())).to_pandas()
    if which == "final":
        labels = final_labels(labels, manifests.read(REVIEWS).to_pandas())
        labels.loc[labels["rejected"], "label"] = pd.NA
    else:
        labels = labels.assign(label=labels["auto_label"].astype("Int32"), label_source="auto")
    rows = split_clips(labels)
    rows["label_source"] = labels["label_source"].mask(labels["label"].isna())
    manifests.replace(SPLITS, [pa.Table.from_pandas(rows, SPLITS.schema, preserve_index=False)], generator=generator)
    found = []
    for each in Label:
        of_class = rows[rows["label"] == each]
        if len(of_class):
            sizes = {part.value: int((of_class["split"] == part.value).sum()) for part in (Split.TRAIN, Split.VAL)}
            found.append({"generator": generator, "label": str(each), "clips": len(of_class)} | sizes)
    return found
