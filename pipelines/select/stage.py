"""Select: a balanced subset of each generator's clips, which label, split and release then use. Nothing is deleted."""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from hfv_builder.audit.media import flags
from hfv_builder.audit.people import without_person
from hfv_builder.audit.topics import TOPICS, Topics, evenness, load_topics, named
from hfv_builder.clips.formats import name_formats
from hfv_builder.labelling.subset import choose_subset
from hfv_builder.records import UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import SELECTION
from pipelines.audit.gather import clips_table
from pipelines.generators import catalogued, for_each
from pipelines.outcome import Outcome, paragraphs, table
from pipelines.select.arguments import FIELDS

NONE = "none"
"""Value of a field where a clip has none."""
LAST = {"quality": "faulty", "person": "absent"}
"""Fields that choose some clips last, with the column that marks these clips."""


def select(
    manifests: Manifests,
    generators: Sequence[str] = (),
    *,
    per_generator: int | None = None,
    balance: Sequence[str] = FIELDS,
    seed: int = 0,
    everything: bool = False,
) -> Outcome:
    """Choose clips of these generators, or of all that are not camera footage, as evenly as possible.

    Args:
        per_generator: clips of each; None takes as many as the smallest has.
        balance: the fields to balance, of `FIELDS`; `quality` only takes clips with frozen, black or cut frames last,
            and `person` takes those in which no person is detected last, and balances how many frames show one.
        seed: of the choice among equal clips.
        everything: choose all clips again.

    Raises:
        UsageError: there are no clips to choose from, or the arguments contradict each other.
    """
    started = time.time()
    if everything and per_generator is not None:
        raise UsageError("--all takes all clips: leave out --per-generator, or --all")
    found = clips_table(manifests, list(generators or catalogued(manifests)), selected=False)
    if not generators:
        found = found[~found["is_real"]]
    if found.empty:
        raise UsageError("there is no generated clip to choose from: run `hfv catalog --generator G --clips DIR`")
    clips = _with_fields(found, load_topics())
    tables = {str(name): own.reset_index(drop=True) for name, own in clips.groupby("generator", sort=True)}
    count = min(map(len, tables.values())) if per_generator is None else per_generator
    work = partial(_select_one, manifests, tables, len(clips) if everything else count, balance, seed)
    rows = for_each(manifests, "select", [*tables], work, done="selected")
    text = paragraphs(
        table(rows, "evenness from 0 to 1 before → after; gap: how far the choice may be from the most even one"),
        f"the choice is in {manifests.root / 'selection'}, and nothing is deleted (hfv select --all takes all "
        "clips again); next: hfv label",
    )
    summary: dict[str, Any] = {
        "generators": rows,
        "seed": seed,
        "balance": [*balance],
        "manifests": str(manifests.root),
    }
    return Outcome(summary=summary, text=text, started=started)


def _select_one(
    manifests: Manifests, tables: dict[str, pd.DataFrame], count: int, balance: Sequence[str], seed: int, generator: str
) -> dict[str, Any]:
    clips = tables[generator]
    fields = [name for name in balance if name != "quality"]
    flagged = pd.Series(False, clips.index)
    for name, column in LAST.items():
        flagged |= clips[column] & (name in balance)
    subset = choose_subset(clips.assign(flagged=flagged), count, fields, seed=seed)
    rows = clips[["clip_id", "generator"]].assign(
        selected=subset.selected, reason=_reasons(clips.assign(flagged=flagged), subset.selected, fields)
    )
    rows = rows.sort_values("clip_id")
    manifests.replace(
        SELECTION, [pa.Table.from_pandas(rows, SELECTION.schema, preserve_index=False)], generator=generator
    )
    row: dict[str, Any] = {"generator": generator, "clips": len(clips), "selected": int(subset.selected.sum())}
    for name in fields:
        before, after = (_evenness(own[name], clips[name]) for own in (clips, clips[subset.selected]))
        row[name] = f"{before:.2f} → {after:.2f}"
    return row | {"flagged": int(flagged[subset.selected].sum()), "gap": f"≤ {100 * subset.gap:.1f} %"}


def _with_fields(clips: pd.DataFrame, topics: Topics) -> pd.DataFrame:
    """Return the clips with the columns of `FIELDS` and of `LAST`."""
    columns: dict[str, pd.Series] = {}
    for topic, field in TOPICS.items():
        contained = named(clips["prompt"], topics[topic])
        columns[field] = contained.idxmax(axis=1).where(contained.any(axis=1), NONE)
    formats = [name_formats(own) for _, own in clips.groupby("generator")]
    columns |= {"format": pd.concat(formats), "prompt_field": clips["prompt_group"].fillna(NONE)}
    faulty, absent = flags(clips).any(axis=1), without_person(clips)
    columns["person_field"] = _person(clips, absent)
    fields = clips.drop(columns=["prompt", "person"]).assign(**columns, faulty=faulty, absent=absent)
    return fields.rename(columns={"prompt_field": "prompt", "person_field": "person"})


def _person(clips: pd.DataFrame, absent: pd.Series) -> pd.Series:
    """Return the number of scored frames in which a person is detected, as text."""
    part = clips["person_share"].astype(float)
    values = pd.Series("some frames", clips.index).mask(part.ge(1), "all frames")
    return values.mask(absent, "hardly a frame").mask(part.isna(), "not looked at")


def _evenness(values: pd.Series, every: pd.Series) -> float:
    """Return the evenness over all values that the generator has."""
    counts = values.value_counts().reindex(every.unique(), fill_value=0)
    return evenness(np.asarray(counts, np.int64)) if len(counts) > 1 else 1.0


def _reasons(clips: pd.DataFrame, selected: pd.Series, fields: Sequence[str]) -> pd.Series:
    described = pd.Series("", clips.index)
    for name in fields:
        described = described + f", {name} " + clips[name].astype(str)
    kept = "chosen" + described
    left = ("enough" + described).where(~clips["flagged"], "no person is detected")
    left = left.where(~(clips["flagged"] & clips["faulty"]), "frames that freeze, are black, are cut or are missing")
    return kept.where(selected, left)
