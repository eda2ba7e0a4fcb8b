"""Labels after the catalogue and the reviewers' decisions, and the report on them."""

from collections import Counter
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hfv_builder.labelling.decisions import Decision, clip_kinds
from hfv_builder.labelling.final_labels import ADJUDICATED, DISPUTED, MAJORITY, TOO_FEW
from hfv_builder.labelling.reviews import read_reviews
from hfv_builder.labelling.scored import origin_of_labels
from hfv_builder.records import METRICS, Label, Status, UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import LABELS, REVIEWS, SELECTION
from hfv_builder.wording import counted
from pipelines.generators import clips_of

DEFAULT_OVERLAP = 1
"""Number of votes per clip if the reviews do not state it."""
MOVED_AS = {"weak": "to train: weak", "not_judged": "to train: not judged"}
"""Keys of the counts of clips that `--strong-only` moves to train."""


@dataclass(frozen=True, kw_only=True)
class Reviews:
    """The decisions of reviewers, and the required number of votes."""

    decisions: list[Decision]
    overlap: int
    allow_partial: bool

    @property
    def votes_needed(self) -> int:
        """Votes below which the automatic label stays."""
        return 1 if self.allow_partial else self.overlap


def load_reviews(manifests: Manifests, labels: str, *, allow_partial: bool, overlap: int | None) -> Reviews | None:
    """Return the decisions if the split uses final labels.

    Raises:
        UsageError: there are no reviews, or options are given that are about reviews only.
    """
    if labels == "final":
        if not manifests.parts(REVIEWS):
            raise UsageError(f"{manifests.root} has no reviews yet: run `hfv review`, or `hfv reviews export` after it")
        decisions, known = read_reviews(manifests)
        wanted = next(each for each in (overlap, known, DEFAULT_OVERLAP) if each is not None)
        return Reviews(decisions=decisions, overlap=wanted, allow_partial=allow_partial)
    if allow_partial or overlap is not None:
        raise UsageError("--allow-partial and --overlap are about reviews: give --labels final too")
    return None


def report(counts: Counter[str], reviews: Reviews) -> str:
    """Report the effect of final labels, one line per kind of effect."""
    clips = sum(counts[outcome] for outcome in (MAJORITY, ADJUDICATED, DISPUTED, TOO_FEW))
    needed = reviews.votes_needed
    lines = [
        f"final labels of {counted(clips, 'reviewed clip')} ({counted(needed, 'vote')} needed):",
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
    rejected = {key.removeprefix("left out: "): n for key, n in counts.items() if key.startswith("left out: ")}
    if rejected:
        why = ", ".join(f"{n} {reason}" for reason, n in sorted(rejected.items()))
        lines.append(f"  left out of the splits by these decisions: {sum(rejected.values())} ({why})")
    if counts["invalid"]:
        lines.append(
            f"  {counted(counts['invalid'], 'answer does', 'answers do')} not count: the clip cannot have them"
        )
    if counts["failed"]:
        lines.append(left_out(counts["failed"]))
    return "\n".join(lines)


def left_out(clips: int) -> str:
    """Report the clips that cannot be split."""
    return f"{counted(clips, 'clip is', 'clips are')} left out: unreadable or without scores"


def report_strong(counts: Counter[str], val: int) -> str:
    """Report the effect of `--strong-only`, with the number of generated clips that are left in val."""
    weak, unjudged = counts[MOVED_AS["weak"]], counts[MOVED_AS["not_judged"]]
    moved = f"{counted(weak + unjudged, 'clip')} moved from val to train ({weak} weak, {unjudged} not judged)"
    line = f"strong anomalies only: {moved}"
    return f"{line}; {counted(val, 'generated clip is', 'generated clips are')} left in val" + (
        "" if val else ": no reviewer called one of them strong"
    )


def labelled_clips(manifests: Manifests, lost: pa.Table, generator: str) -> tuple[pd.DataFrame, str]:
    """Return the labels of a generator with the present catalogue row of every clip, and a warning or an empty text.

    The warning says that generated clips were ranked among clips or by scores that are gone.

    Raises:
        UsageError: there are none, or clips were catalogued since.
    """
    columns = ["clip_id", "generator", *(metric.value for metric in METRICS), "auto_label", "fingerprint"]
    rows = manifests.read(LABELS, columns, generator=generator)
    again = f"run `hfv label --generator {generator}`"
    clips = clips_of(manifests, generator, ["is_real", "prompt_group"], lost, selected=True)
    if not len(rows) and len(clips):
        raise UsageError(f"{generator} has no labels yet: {again}")
    if manifests.parts(SELECTION, generator=generator) and {*rows["clip_id"].to_pylist()} != {
        *clips["clip_id"].to_pylist()
    }:
        raise UsageError(f"the labels of {generator} are older than its selection: {again}")
    labels: pd.DataFrame = rows.filter(
        pc.is_in(rows["clip_id"], value_set=clips["clip_id"].combine_chunks())
    ).to_pandas()
    readable = clips.filter(pc.field("status") == Status.OK.value).to_pandas().set_index("clip_id")
    if unlabelled := len(readable.index.difference(pd.Index(labels["clip_id"]))):
        raise UsageError(f"{unlabelled} of {len(readable)} clips of {generator} have no label yet: {again}")
    ok = labels["clip_id"].isin(readable.index).to_numpy(bool)
    real = labels["clip_id"].isin(readable.index[readable["is_real"].fillna(False).astype(bool)]).to_numpy(bool)
    auto = labels["auto_label"].astype("Int32")
    labelled = auto.notna().to_numpy(bool)
    if len(odd := auto[~auto.isin([*Label])].dropna()):
        raise UsageError(f"the labels of {generator} contain {odd.iloc[0]}, which is no label: {again}")
    stale = ok & labelled & (real != auto.eq(Label.REAL).fillna(False).to_numpy(bool))
    if stale.any():
        raise UsageError(
            f"{stale.sum()} labels of {generator} are older than its catalogue, which says otherwise which clips are "
            f"real: {again}"
        )
    groups = clips.select(["clip_id", "prompt_group"]).to_pandas().drop_duplicates("clip_id").set_index("clip_id")
    group = labels["clip_id"].map(groups["prompt_group"])
    kind = clip_kinds(ok=ok, real=real, labelled=labelled)
    warning = ""
    if (labelled & ~real).any():
        origin = origin_of_labels(manifests, generator)
        if origin is None or not origin.fingerprints:
            warning = f"the labels of {generator} are older than its scores: {again}"
        elif gone := len(rows) - len(labels):
            more = counted(gone, "more clip")
            warning = f"{generator} was labelled with {more}, among which the others are ranked: {again}"
    return labels.assign(auto_label=auto, kind=kind, prompt_group=group.astype("str")), warning
