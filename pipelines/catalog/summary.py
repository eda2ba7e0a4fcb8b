"""The summary of a catalogued generator: counts, what differs from sources.toml, and what is not to be scored."""

from itertools import chain, repeat
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hfv_builder.clips.formats import name_formats
from hfv_builder.clips.sources import Source, differences
from hfv_builder.records import DONE, SOME_FAILED, Status
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS
from pipelines.catalog.clip_index import tuples
from pipelines.catalog.prompts import Prompts
from pipelines.generators import shared_tables
from pipelines.label.format_report import format_counts
from pipelines.outcome import SHOWN, Outcome, paragraphs, table

COMPARED = ["width", "height", "fps", "num_frames", "duration_s"]
"""What sources.toml says of a clip."""


def summarise(
    manifests: Manifests,
    source: Source | None,
    facts: dict[str, Any],
    lost: pa.Table,
    started: float,
    prompts: Prompts | None = None,
) -> Outcome:
    """The outcome of a catalogue run.

    Args:
        facts: generator, is_real, and what was counted while the rows were made.
        lost: of the contents of this generator, the rows that do not count; see `ownership.lost_rows`.
        started: when the run began, in seconds since the epoch.
        prompts: what a source of prompts gave, if one was named.
    """
    generator, kind = facts["generator"], "real" if facts["is_real"] else "fake"
    rows = manifests.read(CLIPS, ["path", "clip_id", *COMPARED, "status", "error"], generator=generator).sort_by("path")
    facts |= {each.value: pc.sum(pc.equal(rows["status"], each.value)).as_py() for each in Status}
    others = rows.filter(pc.field("status") != Status.OK.value)
    unread = [{"file": path, "reason": error} for path, error in tuples(others, "path", "error")]
    readable = rows.filter(pc.field("status") == Status.OK.value)
    settled = readable.filter(pc.is_valid(readable["error"]))
    odd = [{"file": path, "remark": remark} for path, remark in tuples(settled, "path", "error")]
    # Many clips are alike in these; without threads the kinds come in the order of their first clips.
    counted = readable.group_by(COMPARED, use_threads=False).aggregate([([], "count_all")])
    frame = counted.to_pandas()
    formats = format_counts(name_formats(frame), frame["count_all"])
    kinds = counted.to_pylist()
    clips = chain.from_iterable(repeat(each, each["count_all"]) for each in kinds)
    differing = [] if source is None else differences(source, clips)
    shared, lists = shared_tables(lost)
    headline = f"{generator} ({kind}): {len(rows)} files, {facts['ok']} clips"
    for count, word in (
        ("failed", "unreadable"),
        ("duplicate", "exact copies"),
        ("read", "read now"),
        ("dropped", "rows dropped or read again (file gone, changed, or tried again)"),
        ("unseen", "rows kept unseen (file out of reach)"),
    ):
        if facts[count]:
            headline += f", {facts[count]} {word}"
    if facts["passed_over"]:
        kinds = ", ".join(f"{count} {kind}" for kind, count in facts["passed_over_by"].items())
        headline += f"\n{facts['passed_over']} other files passed over: {kinds} (-v lists them)"
    if source is None:
        headline += f"\n{generator} stands in no sources.toml: taken for {kind}, nothing to compare it with"
        if facts["is_real"]:
            headline += " (said once; an entry there changes it)"
    if facts["unseen"]:
        headline += (
            f"\nkept unseen: {facts['why_unseen']}\nif they are deleted for good, catalogue the folder that they were "
            "catalogued from; if that is gone too, delete "
            f"{manifests.folder(CLIPS, generator=generator)} and catalogue the others: scores stay"
        )
    text = paragraphs(
        headline,
        table(differing, "differs from sources.toml (nothing is refused):"),
        table(facts["not_entered"], "folders that could not be entered; let yourself in, or ignore them:"),
        table(unread, "not to be scored:", limit=SHOWN),
        table(odd, "odd, settled as it says, and scored:", limit=SHOWN),
        table(formats, "clips of several formats, ranked together unless `hfv label --by-format`:", limit=SHOWN),
        shared,
        prompts.text() if prompts else "",
    )
    lists |= {"formats": formats, "differences": differing, "not_scored": unread, "odd": odd}
    account = {"prompts": prompts.summary()} if prompts else {}
    summary = facts | lists | account | {"manifests": str(manifests.root)}
    code = SOME_FAILED if facts["failed"] or facts["not_entered"] or lists["footage_in_fake"] else DONE
    return Outcome(summary=summary, text=text, exit_code=code, started=started)
