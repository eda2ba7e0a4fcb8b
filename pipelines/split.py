"""Split: class ranks inside each generator and label, the top 20 % to val."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hfv_builder.labelling.decisions import Decision, clip_kinds
from hfv_builder.labelling.final_labels import ADJUDICATED, DISPUTED, MAJORITY, TOO_FEW, final_labels
from hfv_builder.labelling.reviews import read_reviews
from hfv_builder.labelling.splits import split_clips
from hfv_builder.records import METRICS, Label, Split, Status, UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import LABELS, REVIEWS, SPLITS
from pipelines.generators import clips_of, for_each, leave_to_owners, lost_clips, shared_tables
from pipelines.outcome import Outcome, paragraphs, table

DEFAULT_OVERLAP = 1
"""Where the reviews do not say how many votes a clip was to have."""


@dataclass(frozen=True, kw_only=True)
class Reviews:
    """What reviewers decided, and how many of them it takes."""

    decisions: list[Decision]
    overlap: int
    allow_partial: bool

    @property
    def votes_needed(self) -> int:
        """Votes below which the automatic label stays."""
        return 1 if self.allow_partial else self.overlap


def split(
    manifests: Manifests,
    generators: Sequence[str] = (),
    labels: Literal["auto", "final"] = "auto",
    *,
    allow_partial: bool = False,
    overlap: int | None = None,
) -> Outcome:
    """Split the labelled clips of these generators, or of all.

    Args:
        labels: `final` takes what reviewers made of the automatic labels, and leaves out the clips they rejected.
        allow_partial: let majorities count with fewer votes than the overlap.
        overlap: how many votes a clip was to have; None takes what the reviews say.

    Raises:
        UsageError: a generator has no labels, or final ones are wanted and there are no reviews.
    """
    started = time.time()
    reviews = None
    if labels == "final":
        if not manifests.parts(REVIEWS):
            raise UsageError(f"{manifests.root} has no reviews yet: run `hfv review`, or `hfv reviews export` after it")
        decisions, known = read_reviews(manifests)
        wanted = next(each for each in (overlap, known, DEFAULT_OVERLAP) if each is not None)
        reviews = Reviews(decisions=decisions, overlap=wanted, allow_partial=allow_partial)
    elif allow_partial or overlap is not None:
        raise UsageError("--allow-partial and --overlap are about reviews: give --labels final too")
    lost = lost_clips(manifests)
    rows: list[dict[str, Any]] = []
    counts: Counter[str] = Counter()
    for found in for_each(manifests, "split", generators, partial(_split_one, manifests, lost, reviews)):
        if isinstance(found, UsageError):
            raise found
        rows += found[0]
        counts += found[1]
    leave_to_owners(manifests, "split", SPLITS, generators)
    shared, lists = shared_tables(lost, generators)
    summary: dict[str, Any] = {"classes": rows, "manifests": str(manifests.root)} | lists
    told = ""
    if reviews is not None:
        summary["reviews"] = {"overlap": reviews.overlap, "allow_partial": allow_partial} | dict(sorted(counts.items()))
        told = report(counts, reviews)
    elif counts["failed"]:
        told = f"{counts['failed']} clips are not taken: they cannot be read or have no scores"
    next_ = f"splits are in {manifests.root / 'splits'}; next: hfv review, or train with them"
    return Outcome(summary=summary, text=paragraphs(table(rows), told, shared, next_), started=started)


def report(counts: Counter[str], reviews: Reviews) -> str:
    """What final labels did, a line for each thing that happened to a clip."""
    clips = sum(counts[outcome] for outcome in (MAJORITY, ADJUDICATED, DISPUTED, TOO_FEW))
    needed = reviews.votes_needed
    lines = [
        f"final labels of {clips} reviewed clips ({needed} {'vote' if needed == 1 else 'votes'} needed):",
        f"  {counts[MAJORITY]} by the majority of their votes",
        f"  {counts[ADJUDICATED]} by an adjudicator",
        f"  {counts[DISPUTED]} disputed: the automatic label stays until an adjudicator settles them",
        f"  {counts[TOO_FEW]} with too few votes: the automatic label stays (--allow-partial counts them)",
    ]
    if reviews.allow_partial:
        few = (
            f"  {counts['partial']} with fewer than {reviews.overlap} votes, which count all the same (--allow-partial)"
        )
        lines[-1] = few
    left_out = {key.removeprefix("left out: "): n for key, n in counts.items() if key.startswith("left out: ")}
    if left_out:
        why = ", ".join(f"{n} {reason}" for reason, n in sorted(left_out.items()))
        lines.append(f"  left out of the splits by these decisions: {sum(left_out.values())} ({why})")
    if counts["invalid"]:
        lines.append(f"  {counts['invalid']} answers do not count: the clip cannot have them")
    if counts["failed"]:
        lines.append(f"{counts['failed']} clips are not taken: they cannot be read or have no scores")
    return "\n".join(lines)


def _split_one(
    manifests: Manifests, lost: pa.Table, reviews: Reviews | None, generator: str
) -> tuple[list[dict[str, Any]], Counter[str]]:
    """Split one generator; a row for each of its classes, and what happened to how many clips."""
    labelled = _labelled(manifests, lost, generator)
    decisions, needed = ([], 1) if reviews is None else (reviews.decisions, reviews.votes_needed)
    final = final_labels(labelled, decisions, overlap=needed)
    rows = split_clips(final)
    rows["label_source"] = final["label_source"].mask(rows["label"].isna())
    manifests.replace(SPLITS, [pa.Table.from_pandas(rows, SPLITS.schema, preserve_index=False)], generator=generator)

    counts = Counter(final["outcome"].dropna()) + Counter("left out: " + final["reason"].dropna())
    if reviews is not None:
        few = final["votes"].gt(0) & final["votes"].lt(reviews.overlap) & ~final["adjudicated"]
        counts += Counter(partial=int(few.sum()))
    counts += Counter(invalid=int(final["invalid"].sum()))
    counts += Counter(failed=int((rows["label"].isna() & ~final["rejected"]).sum()))
    found = []
    for each in Label:
        of_class = rows[rows["label"] == each]
        if len(of_class):
            sizes = {part.value: int((of_class["split"] == part.value).sum()) for part in (Split.TRAIN, Split.VAL)}
            found.append({"generator": generator, "label": str(each), "clips": len(of_class)} | sizes)
    return found, counts


def _labelled(manifests: Manifests, lost: pa.Table, generator: str) -> pd.DataFrame:
    """The generator's labels, with what the catalogue says each clip is now.

    Raises:
        UsageError: there are none, or they are older than the catalogue.
    """
    columns = ["clip_id", "generator", *(metric.value for metric in METRICS), "auto_label", "fingerprint"]
    rows = manifests.read(LABELS, columns, generator=generator)
    again = f"run `hfv label --generator {generator}`"
    clips = clips_of(manifests, generator, ["is_real"], lost)
    if not len(rows) and len(clips):
        raise UsageError(f"{generator} has no labels yet: {again}")
    labels: pd.DataFrame = rows.filter(
        pc.is_in(rows["clip_id"], value_set=clips["clip_id"].combine_chunks())
    ).to_pandas()
    readable = clips.filter(pc.field("status") == Status.OK.value).to_pandas().set_index("clip_id")
    ok = labels["clip_id"].isin(readable.index).to_numpy(bool)
    real = labels["clip_id"].isin(readable.index[readable["is_real"].fillna(False).astype(bool)]).to_numpy(bool)
    auto = labels["auto_label"].astype("Int32")
    labelled = auto.notna().to_numpy(bool)
    stale = ok & labelled & (real != auto.eq(Label.REAL).fillna(False).to_numpy(bool))
    if stale.any():
        raise UsageError(
            f"{stale.sum()} labels of {generator} are older than its catalogue, which says otherwise which clips are "
            f"real: {again}"
        )
    return labels.assign(auto_label=auto, kind=clip_kinds(ok=ok, real=real, labelled=labelled))
