"""Label: ranks inside each generator, and the label that the smallest rank names."""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from dask.base import compute
from dask.delayed import delayed

from hfv_builder.labels import label_clips, label_real
from hfv_builder.manifest import Manifests
from hfv_builder.records import METRICS, Label, Status, UsageError
from hfv_builder.schema import CLIPS, LABELS, SCORES
from hfv_builder.sources import check_name
from pipelines.machine import cores
from pipelines.outcome import Outcome, paragraphs, table
from pipelines.score import clips_of

T = TypeVar("T")


def label(manifests: Manifests, generators: Sequence[str] = ()) -> Outcome:
    """Label the clips of these generators, or of all.

    Raises:
        UsageError: a generator has clips without scores, or scores of more than one configuration. Those that are
            ready have been labelled by then.
    """
    started = time.time()
    found = for_each(manifests, "label", generators, partial(_label_one, manifests))
    rows = [row for row in found if not isinstance(row, UsageError)]
    refused = [str(row) for row in found if isinstance(row, UsageError)]
    if refused:
        raise UsageError("\n".join(refused))
    text = paragraphs(table(rows), f"labels are in {manifests.root / 'labels'}; next: hfv split")
    return Outcome(summary={"generators": rows, "manifests": str(manifests.root)}, text=text, started=started)


def catalogued(manifests: Manifests) -> list[str]:
    """The generators that have clips.

    Raises:
        UsageError: there are none.
    """
    found = [keys["generator"] for keys in manifests.partitions(CLIPS)]
    if not found:
        raise UsageError(f"{manifests.root} has no clips yet: run `hfv catalog --generator G --clips DIR`")
    return found


def for_each(
    manifests: Manifests, stage: str, generators: Sequence[str], work: Callable[[str], T]
) -> list[T | UsageError]:
    """What a stage makes of every generator, in their order, or why it could not; each is a Dask task in a thread.

    Args:
        generators: of none given, all that have clips.
    """

    def attempt(generator: str) -> T | UsageError:
        try:
            with manifests.lock(f"{stage}-{check_name(generator)}"):
                return work(generator)
        except UsageError as error:
            return error

    some = dict.fromkeys(generators or catalogued(manifests))
    tasks = [delayed(attempt, pure=False)(generator) for generator in some]
    return list(compute(*tasks, scheduler="threads", num_workers=cores()))  # type: ignore[no-untyped-call]


def _label_one(manifests: Manifests, generator: str) -> dict[str, Any]:
    clips = clips_of(manifests, generator, ["is_real"]).sort_by("clip_id")
    is_real = len(clips) > 0 and clips["is_real"][0].as_py()
    ids = clips["clip_id"].combine_chunks()
    scores = pd.DataFrame({"clip_id": ids.to_pandas(), "generator": generator})
    fingerprints: list[str] = []
    profiles: set[str] = set()
    for metric in METRICS:
        columns = ["clip_id", "score", "status", "profile", "fingerprint"]
        found = manifests.read(SCORES, columns, metric=metric.value, generator=generator)
        found = found.filter(pc.is_in(found["clip_id"], value_set=ids)).sort_by("clip_id")
        # What differs in name alone, not in what decides the score, may be ranked together.
        kinds = found.group_by("fingerprint").aggregate([("profile", "min"), ([], "count_all")]).to_pylist()
        whole = found["clip_id"].combine_chunks().equals(ids)
        if not is_real:
            _check_whole(generator, metric.value, found, kinds, len(ids), whole)
        elif len(kinds) != 1 or not whole:
            kinds = []  # for reference only: no ranks depend on them, and half of them mislead
        # One row a clip, both sorted: they are in step.
        scores[metric.value] = found["score"].to_numpy() if kinds else np.nan
        fingerprints += [kind["fingerprint"] for kind in kinds]
        profiles |= {kind["profile_min"] for kind in kinds}
    labelled = (label_real if is_real else label_clips)(scores)
    all_three = len(fingerprints) == len(METRICS)
    labelled["fingerprint"] = hashlib.sha256(":".join(fingerprints).encode()).hexdigest()[:16] if all_three else None
    manifests.replace(
        LABELS, [pa.Table.from_pandas(labelled, LABELS.schema, preserve_index=False)], generator=generator
    )

    counts = Counter(labelled["auto_label"].dropna().astype(int))
    row: dict[str, Any] = {"generator": generator, "profile": ", ".join(sorted(profiles)) or None}
    row |= {str(each): counts[each] for each in Label}
    row |= {"unlabelled": int(labelled["auto_label"].isna().sum()), "tied": int(labelled["tied"].fillna(False).sum())}
    return row


def _check_whole(
    generator: str, metric: str, found: pa.Table, kinds: list[dict[str, Any]], clips: int, whole: bool
) -> None:
    """Refuse to rank what cannot be compared: every clip needs a row, all under one fingerprint."""
    if not kinds:
        raise UsageError(f"{generator} has no {metric} scores yet: run `hfv score --generator {generator}`")
    if len(kinds) > 1:
        kinds = sorted(kinds, key=lambda kind: (kind["profile_min"], kind["fingerprint"]))
        which = "; ".join(f"{kind['profile_min']} {kind['fingerprint']}: {kind['count_all']} clips" for kind in kinds)
        raise UsageError(
            f"the {metric} scores of {generator} come from different configurations ({which}) and cannot be ranked "
            f"together; finish one: `hfv score --generator {generator} --profile P`"
        )
    again = f"run `hfv score --generator {generator} --profile {kinds[0]['profile_min']}` to its end"
    if len(found) < clips:
        raise UsageError(
            f"{clips - len(found)} of {clips} clips of {generator} have no {metric} score; ranks need them all: {again}"
        )
    if not whole:
        raise UsageError(f"some clips of {generator} have two {metric} scores, as after a run cut short: {again}")
    if not pc.any(pc.equal(found["status"], Status.OK.value)).as_py():
        raise UsageError(f"no clip of {generator} could be scored for {metric}; `hfv status` shows why")
