"""Catalogue a generator: one row for every clip in a folder, found again without reading what has not changed."""

import hashlib
import os
import time
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from hfv_builder.manifest import NEW, Manifests
from hfv_builder.places import Place, blame_disks, local_copy, place
from hfv_builder.records import DONE, SOME_FAILED, Status, UsageError, reason
from hfv_builder.schema import CLIPS, STRING
from hfv_builder.sources import Source, check_name, differences, load_sources
from hfv_builder.video import decoder_version, probe
from pipelines.clip_index import STAMP, index_of, one_a_path, pieces, tuples, unchanged
from pipelines.cluster import Cluster
from pipelines.deadline import deadline
from pipelines.folder import list_clips, read_prompts
from pipelines.outcome import SHOWN, Outcome, paragraphs, table
from pipelines.shards import run_shards

SHARD = 32
"""Files that one task reads."""
DEADLINE_S = 300
"""How long it may take to read one file."""
CLOCK_SLACK_NS = 2_000_000_000
"""How far the clock of a file server may be off."""
COPY = "same content as "
KILLER = f"it killed its worker (a crash, or out of memory), or did not end within {DEADLINE_S} s"
IMPORTS = ("pipelines.catalog", "av")
"""What every worker needs that catalogues."""
COMPARED = ["width", "height", "fps", "num_frames", "duration_s"]
"""What sources.toml says of a clip."""
Row = dict[str, Any]


def catalog(
    manifests: Manifests,
    generator: str,
    folder: Place,
    *,
    prompts: Path | None = None,
    real: bool = False,
    retry_failed: bool = False,
    cluster: Cluster | None = None,
) -> Outcome:
    """Bring the rows of this generator up to date with the files in `folder` and below.

    A row stays as long as its file does; a new or changed file is read once. Rows that came from other folders
    stay too, while their files are there, and also while nobody can tell.

    Args:
        prompts: a table of prompts for the files of this folder.
        real: camera footage, of a source that sources.toml does not know; once said it holds for later calls.
        retry_failed: read again what failed before. A file that could not even be opened is always tried again.

    Raises:
        UsageError: the folder is missing or holds no clip, or the generator or prompts are not right.
    """
    started = time.time()
    stamp = int(started * 1e9) - CLOCK_SLACK_NS
    source = load_sources(manifests.root).get(check_name(generator))
    if real and source is not None and not source.real:
        raise UsageError(f"sources.toml says that {generator} is fake; leave out --real, or change its entry")
    files, others = list_clips(folder)
    passed_over = len(others)
    del others  # of a million clips even their names count
    by_name = {} if prompts is None else read_prompts(prompts)

    with manifests.lock(f"catalog-{generator}"):
        manifests.recover(CLIPS, generator=generator)
        is_real = source.real if source else real or _was_real(manifests, generator)
        rows, new, gone, why = unchanged(manifests, generator, files, folder, retry_failed=retry_failed)
        told = _prompts_of(manifests, generator, new)
        if new:
            _read_all(manifests, generator, new, stamp, cluster or Cluster())
            rows = pa.concat_tables([rows, *index_of(manifests, generator, stamp)])
        rows = one_a_path(rows)
        finish = partial(
            _finish, folder=f"{str(folder.absolute()).rstrip('/')}/", prompts=by_name, told=told, is_real=is_real
        )
        manifests.replace(CLIPS, pieces(manifests, generator, rows, stamp, finish), generator=generator)
    facts = {"generator": generator, "is_real": is_real, "clips": len(rows), "read": len(new), "dropped": gone}
    facts |= {"unseen": pc.sum(rows["unseen"]).as_py(), "why_unseen": why, "passed_over": passed_over}
    del rows, new
    return _outcome(manifests, source, facts, started)


def _read_all(manifests: Manifests, generator: str, paths: list[str], stamp: int, cluster: Cluster) -> None:
    """Have these files read by workers, and their rows written."""
    shards = (paths[at : at + SHARD] for at in range(0, len(paths), SHARD))
    write = partial(write_shard, manifests=manifests, generator=generator, stamp=stamp)
    timed = partial(write, deadline_s=None if cluster.in_this_process else DEADLINE_S)
    with (
        cluster.connect(imports=IMPORTS) as client,
        tqdm(total=len(paths), desc=f"catalog {generator}", unit="clip", disable=None) as bar,
    ):
        killers: list[str] = []
        for done in run_shards(client, timed, shards, wait_s=cluster.wait_s):
            killers += done.items if done.error else []
            bar.update(0 if done.error else len(done.items))
        # They may still have a content; what dies of that too has none, and is tried again another time.
        alone = partial(timed, error=KILLER)
        for done in run_shards(client, alone, ([path] for path in killers), wait_s=cluster.wait_s):
            if done.error:
                write(done.items, error=KILLER, unread=True)
            bar.update()


def write_shard(
    paths: list[str],
    *,
    manifests: Manifests,
    generator: str,
    stamp: int,
    error: str | None = None,
    unread: bool = False,
    deadline_s: float | None = None,
) -> None:
    """Read some files and write their rows as one part.

    Args:
        deadline_s: how long one file may take before this process is ended.
        error: why they cannot be probed, if that is known already; they are then only hashed.
        unread: they are not even hashed.
    """
    rows = []
    with deadline(deadline_s) as begin:
        for path in paths:
            begin()
            rows.append(_row(path) | {"error": error} if unread else read_file(path, error))
    name = hashlib.sha256("\n".join(f"{row['path']}{row['sha256']}" for row in rows).encode()).hexdigest()[:16]
    complete = [dict.fromkeys(CLIPS.schema.names) | row for row in rows]
    part = pa.Table.from_pylist(complete, CLIPS.schema).replace_schema_metadata({STAMP: str(stamp)})
    manifests.add(CLIPS, part, name=name, generator=generator)


def read_file(path: str, error: str | None = None) -> Row:
    """The row of one file: its hash, and what it says of itself unless it failed already with `error`.

    Raises:
        UsageError: its whole folder is out of reach.
    """
    row = _row(path)
    try:
        with local_copy(place(path)) as file:
            with file.open("rb") as content:
                row["sha256"] = hashlib.file_digest(content, "sha256").hexdigest()
                row["bytes"] = content.tell()
            row["clip_id"] = row["sha256"][:16]
            if error is None and row["path"] != path:
                error = "its name is not valid UTF-8; rename the file"
            if error is None:
                row |= vars(probe(file))
    except UsageError:
        raise
    except Exception as raised:  # decoders have errors of many kinds
        blame_disks(place(path), raised)
        error = reason(raised)
    return row | {"status": Status.OK.value if error is None else Status.FAILED.value, "error": error}


def _row(path: str) -> Row:
    """What is known of a file without opening it."""
    version, failed = decoder_version("pyav"), Status.FAILED.value
    return {"path": _readable(path), "sha256": None, "decoder": "pyav", "decoder_version": version, "status": failed}


def _readable(path: str) -> str:
    """The path as a table can hold it: names need not be text."""
    return os.fsencode(path).decode(errors="backslashreplace")


def _was_real(manifests: Manifests, generator: str) -> bool:
    """Whether its clips were catalogued as camera footage before."""
    return bool(pc.any(manifests.read(CLIPS, ["is_real"], generator=generator)["is_real"]).as_py())


def _prompts_of(manifests: Manifests, generator: str, paths: list[str]) -> dict[str, tuple[str, str]]:
    """Prompt and prompt group by path, as told before, of files that are read again now or were in a run cut short."""
    added = [part for part in manifests.parts(CLIPS, generator=generator) if part.name.startswith(NEW)]
    if not paths and not added:
        return {}
    again = [pa.array(map(_readable, paths), STRING)]
    again += chain.from_iterable(manifests.read_part(CLIPS, part, ["path"])["path"].chunks for part in added)
    rows = manifests.read(CLIPS, ["path", "prompt", "prompt_group"], generator=generator)
    told = rows.filter(pc.is_valid(rows["prompt"]))
    told = told.filter(pc.is_in(told["path"], value_set=pa.concat_arrays(again)))
    return {path: (prompt, group) for path, prompt, group in tuples(told, "path", "prompt", "prompt_group")}


def _finish(
    rows: pa.Table,
    originals: pa.ChunkedArray,
    *,
    folder: str,
    prompts: dict[str, tuple[str, str]],
    told: dict[str, tuple[str, str]],
    is_real: bool,
) -> pa.Table:
    """The rows with exact copies rejected, kind and prompts filled in.

    Args:
        prompts: by name below the folder, which ends in a slash.
        told: by path, unless `prompts` has another.
    """
    columns = {
        "is_real": pa.repeat(is_real, len(rows)),
        "status": pc.if_else(pc.is_valid(originals), Status.REJECTED.value, rows["status"]),
        "error": pc.coalesce(pc.binary_join_element_wise(COPY, originals, ""), rows["error"]),
    }
    if prompts or told:
        found = []
        for (path,) in tuples(rows, "path"):
            below = path.removeprefix(folder)
            known = told.get(path)
            if below != path:  # files of another folder may have the same names
                known = prompts.get(below) or prompts.get(os.path.basename(path)) or known
            found.append(known or (None, None))
        for name, values in zip(("prompt", "prompt_group"), zip(*found, strict=True), strict=True):
            columns[name] = pc.coalesce(pa.array(values, STRING), rows[name])
    for name, column in columns.items():
        rows = rows.set_column(rows.schema.get_field_index(name), name, column)
    return rows.combine_chunks()


def _outcome(manifests: Manifests, source: Source | None, facts: dict[str, Any], started: float) -> Outcome:
    generator, kind = facts["generator"], "real" if facts["is_real"] else "fake"
    rows = manifests.read(CLIPS, ["path", "clip_id", *COMPARED, "status", "error"], generator=generator).sort_by("path")
    facts |= {each.value: pc.sum(pc.equal(rows["status"], each.value)).as_py() for each in Status}
    lost = rows.filter(pc.field("status") != Status.OK.value)
    unread = [{"file": path, "reason": error} for path, error in tuples(lost, "path", "error")]
    readable = rows.filter(pc.field("status") == Status.OK.value)
    # Many clips are alike in these; without threads the kinds come in the order of their first clips.
    kinds = readable.group_by(COMPARED, use_threads=False).aggregate([([], "count_all")]).to_pylist()
    clips = chain.from_iterable(repeat(each, each["count_all"]) for each in kinds)
    differing = [] if source is None else differences(source, clips)
    elsewhere: list[Row] = []
    for keys in manifests.partitions(CLIPS):
        if keys["generator"] != generator:
            other = manifests.read(CLIPS, ["clip_id", "generator"], **keys)
            elsewhere += other.filter(pc.is_in(other["clip_id"], readable["clip_id"].combine_chunks())).to_pylist()
    headline = f"{generator} ({kind}): {len(rows)} files, {facts['ok']} clips"
    for count, word in (
        ("failed", "unreadable"),
        ("rejected", "exact copies"),
        ("read", "read now"),
        ("dropped", "rows dropped or read again (file gone, changed, or tried again)"),
        ("unseen", "rows kept unseen (file out of reach)"),
        ("passed_over", "other files passed over"),
    ):
        if facts[count]:
            headline += f", {facts[count]} {word}"
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
        table(unread, "not to be scored:", limit=SHOWN),
        table(elsewhere, "also catalogued under another generator:", limit=SHOWN),
    )
    lists = {"differences": differing, "not_scored": unread, "also_elsewhere": elsewhere}
    summary = facts | lists | {"manifests": str(manifests.root)}
    code = SOME_FAILED if facts["failed"] else DONE
    return Outcome(summary=summary, text=text, exit_code=code, started=started)
