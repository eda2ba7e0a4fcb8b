"""Summarise a catalogued generator: counts, differences from sources.toml, and files that will not be scored."""

from itertools import chain, repeat
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hfv_builder.clips.formats import name_formats
from hfv_builder.clips.sources import Source, differences
from hfv_builder.records import DONE, SOME_FAILED, Status
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS
from hfv_builder.wording import counted
from pipelines.catalog.clip_index import tuples
from pipelines.catalog.prompts import Prompts
from pipelines.generators import shared_tables
from pipelines.label.format_report import format_counts
from pipelines.outcome import SHOWN, Outcome, paragraphs, table

COMPARED = ["width", "height", "fps", "num_frames", "duration_s"]
"""Columns that sources.toml describes."""
DROPPED = "dropped or read again (file gone, changed, or tried again)"
UNSEEN = "kept unchecked (file not accessible)"


def summarise(
    manifests: Manifests,
    source: Source | None,
    facts: dict[str, Any],
    lost: pa.Table,
    started: float,
    prompts: Prompts | None = None,
) -> Outcome:
    """Return the outcome of a catalogue run.

    Args:
        manifests: the manifests.
        source: the entry of the generator in sources.toml, if any.
        facts: generator, is_real, and the counts of this run.
        lost: the rows that do not count, with a content of this generator; see `ownership.lost_rows`.
        started: when the run began, in seconds since the epoch.
        prompts: the prompts that were given, if any.
    """
    generator = facts["generator"]
    rows = manifests.read(CLIPS, ["path", "clip_id", *COMPARED, "status", "error"], generator=generator).sort_by("path")
    facts |= {status.value: pc.sum(pc.equal(rows["status"], status.value)).as_py() for status in Status}
    others = rows.filter(pc.field("status") != Status.OK.value)
    unread = [{"file": path, "reason": error} for path, error in tuples(others, "path", "error")]
    readable = rows.filter(pc.field("status") == Status.OK.value)
    remarked = readable.filter(pc.is_valid(readable["error"]))
    remarks = [{"file": path, "remark": remark} for path, remark in tuples(remarked, "path", "error")]
    # Many clips have the same values; without threads the groups are in the order of their first clips.
    alike = readable.group_by(COMPARED, use_threads=False).aggregate([([], "count_all")])
    frame = alike.to_pandas()
    formats = format_counts(name_formats(frame), frame["count_all"])
    groups = alike.to_pylist()
    clips = chain.from_iterable(repeat(group, group["count_all"]) for group in groups)
    differing = [] if source is None else differences(source, clips)
    shared, lists = shared_tables(lost)
    text = paragraphs(
        _headline(manifests, source, facts, len(rows)),
        table(differing, "differs from sources.toml (catalogued all the same):"),
        table(facts["not_entered"], "folders that could not be entered; change their permissions, or ignore them:"),
        table(unread, "will not be scored:", limit=SHOWN),
        table(remarks, "will be scored, with remarks:", limit=SHOWN),
        table(formats, "clips of several formats, ranked together unless `hfv label --by-format`:", limit=SHOWN),
        shared,
        prompts.text() if prompts else "",
    )
    lists |= {"formats": formats, "differences": differing, "not_scored": unread, "odd": remarks}
    prompt_facts = {"prompts": prompts.summary()} if prompts else {}
    summary = facts | lists | prompt_facts | {"manifests": str(manifests.root)}
    code = SOME_FAILED if facts["failed"] or facts["not_entered"] or lists["footage_in_fake"] else DONE
    return Outcome(summary=summary, text=text, exit_code=code, started=started)


def _headline(manifests: Manifests, source: Source | None, facts: dict[str, Any], files: int) -> str:
    """Return the counts of the run in words, with what its user should know of them."""
    generator, kind = facts["generator"], "real" if facts["is_real"] else "fake"
    headline = f"{generator} ({kind}): {counted(files, 'file')}, {counted(facts['ok'], 'clip')}"
    for count, one, several in (
        ("failed", "unreadable", "unreadable"),
        ("duplicate", "exact copy", "exact copies"),
        ("read", "read now", "read now"),
        ("dropped", f"row {DROPPED}", f"rows {DROPPED}"),
        ("unseen", f"row {UNSEEN}", f"rows {UNSEEN}"),
    ):
        if facts[count]:
            headline += f", {counted(facts[count], one, several)}"
    if facts["passed_over"]:
        kinds = ", ".join(f"{count} {kind}" for kind, count in facts["passed_over_by"].items())
        headline += f"\n{counted(facts['passed_over'], 'other file')} passed over: {kinds} (-v lists them)"
    if source is None:
        headline += f"\nsources.toml has no entry for {generator}: catalogued as {kind}, not compared"
        if facts["is_real"]:
            headline += " (later runs keep this; an entry there changes it)"
    if facts["unseen"]:
        headline += (
            f"\nkept unchecked: {facts['why_unseen']}\nif these files are deleted for good, catalogue their folder "
            "again; if the folder is gone too, delete "
            f"{manifests.folder(CLIPS, generator=generator)} and catalogue the other folders again; scores are kept"
        )
    return headline
