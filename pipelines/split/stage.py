"""Split: class ranks inside each generator and label, and the protocol that makes train, val and test of them."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from hfv_builder.clips.sources import Source, load_sources
from hfv_builder.labelling.final_labels import final_labels
from hfv_builder.labelling.groups import join_groups, keep_together
from hfv_builder.labelling.splits import POOLED, TEST_POLICY, VAL_PERCENT, Portion, Protocol, split_clips
from hfv_builder.labelling.strength import WEAK, only_strong
from hfv_builder.records import Label, Split, UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, LABELS, SELECTION, SPLITS
from hfv_builder.storage.snapshot import at_one_moment
from hfv_builder.wording import counted
from pipelines.generators import for_each, leave_to_owners, shared_tables, with_lost_clips
from pipelines.outcome import Outcome, paragraphs, table
from pipelines.split.reviewed import MOVED_AS, Reviews, labelled_clips, left_out, load_reviews, report, report_strong

Group = Literal["content", "prompt", "near"]
ACROSS: tuple[Group, ...] = ("prompt", "near")
"""Groups that clips of several generators can share."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How the clips of all generators are split."""

    protocol: Protocol
    group: Group
    reviews: Reviews | None
    strong_only: bool
    """Whether generated clips of val must be strong anomalies."""
    lost: pa.Table
    sources: dict[str, Source]

    def portion(self, generator: str) -> Portion:
        """The portion of the generator that goes to train and val.

        Raises:
            UsageError: the protocol needs its role, which no sources.toml gives.
        """
        if self.protocol == "pooled":
            return POOLED
        source = self.sources.get(generator)
        if source is None or source.role is None:
            raise UsageError(
                f'--protocol hfv needs the role of {generator}: add role = "train" or role = "eval" to its table in '
                "the sources.toml of the manifests folder"
            )
        return Portion(protocol="hfv", train=source.train if source.role == "train" else 0)

    def by_video(self, generator: str) -> bool:
        """Whether the clips are camera footage of which some are test: those of one video then stay together."""
        source = self.sources.get(generator)
        return self.protocol == "hfv" and source is not None and source.real


@dataclass(kw_only=True)
class _Result:
    """The result for one generator."""

    generator: str
    rows: pd.DataFrame
    """The clips in the columns of `splits`, `group` and `strength`; empty once they are written."""
    counts: Counter[str]
    """Numbers of clips by event."""
    moved: int = 0
    """Clips that groups moved to another side."""
    classes: list[dict[str, Any]] = field(default_factory=list)
    """A row for each class, made when the clips are written."""
    warnings: list[str] = field(default_factory=list)


def split(
    manifests: Manifests,
    generators: Sequence[str] = (),
    labels: Literal["auto", "final"] = "auto",
    *,
    protocol: Protocol = "pooled",
    group: Group = "content",
    allow_partial: bool = False,
    overlap: int | None = None,
    strong_only: bool = False,
) -> Outcome:
    """Split the labelled clips of these generators, or of all.

    Args:
        labels: `final` takes what reviewers made of the automatic labels, and leaves out the clips they rejected.
        protocol: `pooled` divides every generator 80/20; `hfv` gives the generators of role `train` to train and val
            and the others to test.
        group: clips that stay on one side: those of one `content`, of one `prompt`, or `near` duplicates, in all
            generators.
        allow_partial: let majorities count with fewer votes than the overlap.
        overlap: required number of votes; None takes that of the reviews.
        strong_only: keep in val only the generated clips that reviewers find strong; the others go to train.

    Raises:
        UsageError: a generator has no labels or no role, or there are no reviews for final labels. Unless groups are
            kept together across generators, the other generators are split before it is raised.
    """
    started = time.time()
    if strong_only and labels != "final":
        raise UsageError("--strong-only is about what reviewers say of the clips: give --labels final too")
    if group in ACROSS and generators:
        raise UsageError(f"--group {group} looks at the clips of all generators: leave --generator out")
    reviews = load_reviews(manifests, labels, allow_partial=allow_partial, overlap=overlap)
    sources, done = load_sources(manifests.root), "" if group in ACROSS else "split"

    def work(lost: pa.Table) -> list[_Result]:
        rules = Rules(
            protocol=protocol, group=group, reviews=reviews, strong_only=strong_only, lost=lost, sources=sources
        )
        one, finish = partial(_split_one, manifests, rules), partial(_keep_groups_together, manifests, rules)
        return for_each(manifests, "split", generators, one, done=done, finish=finish)

    lost, results = with_lost_clips(manifests, work)
    leave_to_owners(manifests, "split", SPLITS, generators)
    moved = sum(result.moved for result in results)
    rows = [row for result in results for row in result.classes]
    counts = sum((result.counts for result in results), Counter[str]())
    warnings = [text for result in results for text in result.warnings]
    shared, lists = shared_tables(lost, generators)
    summary: dict[str, Any] = {"classes": rows, "protocol": protocol, "group": group, "moved": moved}
    summary |= {"warnings": warnings, "manifests": str(manifests.root)} | lists
    note = ""
    if reviews is not None:
        summary["reviews"] = {"overlap": reviews.overlap, "allow_partial": allow_partial} | dict(sorted(counts.items()))
        note = report(counts, reviews)
    elif counts["failed"]:
        note = left_out(counts["failed"])
    clips = counted(moved, "clip")
    cost = f"val is no longer exactly the top {VAL_PERCENT} %: {clips} moved, so that no group is on two sides"
    next_ = f"splits are in {manifests.root / 'splits'}; next: hfv review, or hfv release NAME --version V"
    strong = ""
    if strong_only:
        val = sum(row["val"] for row in rows if row["label"] != str(Label.REAL))
        summary["strong_only"] = {name: counts[key] for name, key in MOVED_AS.items()} | {"val": val}
        strong = report_strong(counts, val)
    notes = [note, strong, cost if moved else "", *(f"warning: {warning}" for warning in warnings), shared, next_]
    return Outcome(summary=summary, text=paragraphs(table(rows), *notes), started=started)


def _split_one(manifests: Manifests, rules: Rules, generator: str) -> _Result:
    """Split one generator; its rows are written unless groups across generators may still move some."""
    portion = rules.portion(generator)
    read = partial(labelled_clips, manifests, rules.lost, generator)
    labelled, outdated = at_one_moment(manifests, (CLIPS, SELECTION, LABELS), read, generator=generator)
    reviews = rules.reviews
    decisions, needed = ([], 1) if reviews is None else (reviews.decisions, reviews.votes_needed)
    final = final_labels(labelled, decisions, overlap=needed).reset_index(drop=True)
    grouped = rules.group == "prompt" or rules.by_video(generator)
    rows = split_clips(final.assign(group=final["prompt_group"]) if grouped else final, portion)
    rows["label_source"] = final["label_source"].mask(rows["label"].isna())
    counts = Counter(final["outcome"].dropna()) + Counter("left out: " + final["reason"].dropna())
    if reviews is not None:
        few = final["votes"].gt(0) & final["votes"].lt(reviews.overlap) & ~final["adjudicated"]
        counts += Counter(partial=int(few.sum()))
    counts += Counter(invalid=int(final["invalid"].sum()))
    counts += Counter(failed=int((rows["label"].isna() & ~final["rejected"]).sum()))
    rows = rows.assign(group=final["prompt_group"], strength=final["strength"])
    if rules.strong_only:
        left = only_strong(rows, rows["strength"])
        moves = left.fillna("") != rows["split"].fillna("")
        weak = moves & rows["strength"].eq(WEAK).fillna(False)
        counts += Counter({MOVED_AS["weak"]: int(weak.sum()), MOVED_AS["not_judged"]: int((moves & ~weak).sum())})
        ruled = rows["label"].ne(Label.REAL).fillna(False).astype(bool) & rows["policy"].ne(TEST_POLICY).fillna(False)
        rows = rows.assign(split=left, policy=rows["policy"].mask(ruled, rows["policy"] + "-strong"))
    result = _Result(generator=generator, rows=rows, counts=counts, warnings=[outdated] if outdated else [])
    if rules.by_video(generator) and portion.train and not rows["split"].eq(Split.TEST).any():
        text = f"no clip of {generator} is left for test: train = {portion.train} in sources.toml takes all"
        result.warnings.append(text)
    if rules.group == "content":
        if grouped:
            _move(rules, [result])
        _write(manifests, result)
    return result


def _group_near_duplicates(manifests: Manifests, rules: Rules, results: list[_Result]) -> None:
    """Set the groups of these clips to those of near duplicates; camera footage of one video also stays together.

    Raises:
        UsageError: clips have no frame hashes.
    """
    from pipelines.audit.near import near_groups_for_split

    near = near_groups_for_split(
        manifests, [clip for each in results for clip in each.rows["clip_id"][each.rows["label"].notna()]]
    )
    rows = pd.concat(
        [each.rows.assign(video=each.rows["group"] if rules.by_video(each.generator) else None) for each in results]
    )
    joined = join_groups(rows["clip_id"].map(near), rows["video"])
    ends = np.cumsum([len(each.rows) for each in results])
    for each, own in zip(results, np.split(joined.to_numpy(), ends[:-1]), strict=True):
        each.rows = each.rows.assign(group=pd.array(own, "str"))


def _keep_groups_together(manifests: Manifests, rules: Rules, results: list[_Result]) -> None:
    """Move groups that several generators share to one side each, and write the rows.

    Raises:
        UsageError: no clip is left to train with, or clips have no frame hashes.
    """
    if rules.group not in ACROSS:
        return
    if rules.group == "near":
        _group_near_duplicates(manifests, rules, results)
    trains = any(map(_trains, results))
    _move(rules, results)
    if trains and not any(map(_trains, results)):
        what = "prompts" if rules.group == "prompt" else "near duplicates"
        raise UsageError(
            f"--group {rules.group} leaves no generated clip to train with: all {what} of the generators of role train "
            f"are also {what} of one of role eval; use --group content, or other clips"
        )
    for result in results:
        _write(manifests, result)


def _trains(result: _Result) -> bool:
    """Return whether a generated clip is in train."""
    return bool((result.rows["split"].eq(Split.TRAIN) & result.rows["label"].ne(Label.REAL)).any())


def _move(rules: Rules, results: list[_Result]) -> None:
    """Move clips so that no group of these clips is on two sides."""
    by = "near" if rules.group == "near" else "prompt"
    rows = pd.concat([result.rows for result in results], ignore_index=True)
    split = keep_together(rows, rows["group"])
    if rules.strong_only:
        split = only_strong(rows.assign(split=split), rows["strength"], rows["group"])
    ends = np.cumsum([len(result.rows) for result in results])
    for result, own in zip(results, np.split(np.arange(len(rows)), ends[:-1]), strict=True):
        new = split.iloc[own].set_axis(result.rows.index)
        result.moved = int((new.fillna("") != result.rows["split"].fillna("")).sum())
        result.rows = result.rows.assign(split=new, policy=result.rows["policy"] + f"-by-{by}")


def _write(manifests: Manifests, result: _Result) -> None:
    """Write the splits of a generator and count its classes."""
    rows, result.rows = result.rows, result.rows.iloc[:0]
    table_ = pa.Table.from_pandas(rows, SPLITS.schema, preserve_index=False)
    manifests.replace(SPLITS, [table_], generator=result.generator)
    for name in Label:
        of_class = rows[rows["label"] == name]
        if len(of_class):
            sizes = {part.value: int((of_class["split"] == part.value).sum()) for part in Split}
            result.classes.append({"generator": result.generator, "label": str(name), "clips": len(of_class)} | sizes)
