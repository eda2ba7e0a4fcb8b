"""Catalogue a generator: one row for every clip in a folder, found again without reading what has not changed."""

import time
from collections.abc import Callable
from functools import partial
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from hfv_builder.clips.ownership import HOLDER, lost_rows
from hfv_builder.clips.sources import check_name, load_sources
from hfv_builder.frames.video import decoder_version
from hfv_builder.records import Status, UsageError
from hfv_builder.storage.folders import canonical
from hfv_builder.storage.manifest import NEW, Manifests
from hfv_builder.storage.places import Place
from hfv_builder.storage.schema import CLIPS, STRING
from pipelines.catalog.clip_index import index_of, one_a_path, pieces, tuples, unchanged, without_moved
from pipelines.catalog.folder import counted, list_clips, no_clip, sift
from pipelines.catalog.prompts import read_prompts
from pipelines.catalog.summary import summarise
from pipelines.catalog.worker import catalog_shard
from pipelines.generators import holders
from pipelines.outcome import Outcome
from pipelines.workers.cluster import WORKER_BYTES, Cluster
from pipelines.workers.dispatch import run_shards
from pipelines.workers.faults import Suspects

SHARD = 32
"""Files that one task reads."""
DEADLINE_S = 300
"""How long it may take to read one file."""
CLOCK_SLACK_NS = 2_000_000_000
"""How far the clock of a file server may be off."""
COPY = "same content as "
KILLER = f"it killed its worker (a crash, or out of memory), or did not end within {DEADLINE_S} s"
IMPORTS = ("pipelines.catalog.worker", "av")
"""What every worker needs that catalogues."""
Row = dict[str, Any]


def catalog(
    manifests: Manifests,
    generator: str,
    folder: Place,
    *,
    prompts: Place | None = None,
    prompts_in_names: bool = False,
    real: bool = False,
    retry_failed: bool = False,
    cluster: Cluster | None = None,
) -> Outcome:
    """Bring the rows of this generator up to date with the files in `folder` and below.

    A row stays as long as its file does; a new or changed file is read once. Rows that came from other folders
    stay too, while their files are there, and also while nobody can tell.

    Args:
        prompts: a table of prompts for the files of this folder, or a folder with a `.txt` for each.
        prompts_in_names: the prompts are in the names of the files, `PROMPT-0.mp4`.
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
    listing = list_clips(folder, manifests.root)
    given = None
    if prompts is not None or prompts_in_names:
        names = [name for path in listing.files if (name := listing.name(path)) is not None]
        given = read_prompts(prompts, canonical(folder), names)

    with manifests.lock(f"catalog-{generator}"):
        manifests.recover(CLIPS, generator=generator)
        is_real = source.real if source else real or _was_real(manifests, generator)
        rows, new, former, gone, why = unchanged(manifests, generator, listing, retry_failed=retry_failed)
        new, sifted = sift(new)
        others = pa.concat_tables([listing.others, sifted]).sort_by("file")
        if not new and not len(rows):
            raise no_clip(listing, others)
        told = _prompts_of(manifests, generator, new, rows)
        if new:
            _read_all(manifests, generator, new, stamp, cluster or Cluster())
            rows = pa.concat_tables([rows, *index_of(manifests, generator, stamp)])
        every = len(rows)
        rows = without_moved(rows)
        gone += every - len(rows)
        rows = one_a_path(rows)
        lost = _lost(manifests, generator, rows, former, is_real)
        rows = _owned(rows, lost.filter(pc.field("generator") == generator))
        del former
        finish = partial(_finish, name=listing.name, prompts=given.by_name if given else {}, told=told, is_real=is_real)
        manifests.replace(CLIPS, pieces(manifests, generator, rows, stamp, finish), generator=generator)
    facts = {"generator": generator, "is_real": is_real, "clips": len(rows), "read": len(new), "dropped": gone}
    facts |= {"unseen": pc.sum(rows["unseen"]).as_py(), "why_unseen": why}
    facts |= {"passed_over": len(others), "passed_over_by": counted(others), "not_entered": listing.denied}
    del rows, new
    outcome = summarise(manifests, source, facts, lost, started, given)
    outcome.details["passed_over_files"] = others
    return outcome


def _read_all(manifests: Manifests, generator: str, paths: list[str], stamp: int, cluster: Cluster) -> None:
    """Have these files read by workers, and their rows written."""
    shards = (paths[at : at + SHARD] for at in range(0, len(paths), SHARD))
    write = partial(catalog_shard, manifests=manifests, generator=generator, stamp=stamp)
    timed = partial(write, deadline_s=None if cluster.in_this_process else DEADLINE_S)
    with (
        cluster.connect(imports=IMPORTS) as client,
        tqdm(total=len(paths), desc=f"catalog {generator}", unit="clip", disable=None) as bar,
    ):
        killers: list[str] = []
        proven = _proven(manifests, generator)
        suspects = Suspects[str](proven=proven)
        enough = proven and cluster.has_memory(WORKER_BYTES)
        for done in run_shards(client, timed, shards, wait_s=cluster.wait_s, proven=enough):
            if done.result is None:
                killers += done.items
            elif done.result.fault is not None:
                suspects.hold(done.items, done.result.fault)
            else:
                if done.result.readable:
                    suspects.prove()
                bar.update(len(done.items))
        # They may still have a content; what dies of that too has none, and is tried again another time.
        killed, odd = partial(timed, error=KILLER), partial(timed, proven=True)
        for again, paths in ((killed, killers), (odd, suspects.release())):
            for done in run_shards(client, again, ([path] for path in paths), wait_s=cluster.wait_s, proven=True):
                if done.error:
                    write(done.items, error=KILLER, unread=True)
                bar.update()


def _proven(manifests: Manifests, generator: str) -> bool:
    """Whether a file was read before by the decoder that is installed now."""
    rows = manifests.read(CLIPS, ["status", "decoder_version"], generator=generator)
    by_us = (pc.field("status") == Status.OK.value) & (pc.field("decoder_version") == decoder_version("pyav"))
    return bool(len(rows.filter(by_us)))


def _was_real(manifests: Manifests, generator: str) -> bool:
    """Whether its clips were catalogued as camera footage before."""
    return bool(pc.any(manifests.read(CLIPS, ["is_real"], generator=generator)["is_real"]).as_py())


def _prompts_of(manifests: Manifests, generator: str, paths: list[str], kept: pa.Table) -> dict[str, tuple[str, str]]:
    """Prompt and prompt group as told before, of files that are read now or were in a run cut short.

    By path, and by clip id for clips that are found under another path.

    Args:
        paths: the files that are read now.
        kept: the index of the rows that stay.
    """
    added = [part for part in manifests.parts(CLIPS, generator=generator) if part.name.startswith(NEW)]
    if not paths and not added:
        return {}
    again = [pa.array(paths, STRING)]
    again += chain.from_iterable(manifests.read_part(CLIPS, part, ["path"])["path"].chunks for part in added)
    rows = manifests.read(CLIPS, ["path", "clip_id", "prompt", "prompt_group"], generator=generator)
    told = rows.filter(pc.is_valid(rows["prompt"]))
    there = kept.filter(pc.invert(kept["unseen"]))["path"].combine_chunks()
    away = told.filter(pc.invert(pc.is_in(told["path"], value_set=there))).sort_by([("path", "descending")])
    told = told.filter(pc.is_in(told["path"], value_set=pa.concat_arrays(again)))
    by_content = {each: (prompt, group) for each, prompt, group in tuples(away, "clip_id", "prompt", "prompt_group")}
    return by_content | {
        path: (prompt, group) for path, prompt, group in tuples(told, "path", "prompt", "prompt_group")
    }


def _lost(manifests: Manifests, generator: str, rows: pa.Table, former: pa.Array, is_real: bool) -> pa.Table:
    """Of the contents of this generator, the rows of all generators that do not count; see `ownership.lost_rows`.

    Args:
        rows: the index, with the column `original`.
        former: the contents that this generator stood for until now: to new ones it has no claim yet.
    """
    ids = rows["clip_id"].combine_chunks()
    theirs = holders(manifests, ids, but=generator)
    mine = rows.filter(pc.and_(pc.is_null(rows["original"]), pc.is_in(ids, value_set=theirs["clip_id"].unique())))
    is_new = pc.and_(pc.equal(mine["status"], Status.OK.value), pc.invert(pc.is_in(mine["clip_id"], value_set=former)))
    columns = {
        "generator": pa.repeat(generator, len(mine)),
        "is_real": pa.repeat(is_real, len(mine)),
        "status": pc.if_else(is_new, Status.DUPLICATE.value, mine["status"]),
    }
    ours = pa.table([columns.get(name, mine[name] if name in mine.column_names else None) for name in HOLDER], HOLDER)
    return lost_rows(pa.concat_tables([ours, theirs]))


def _owned(rows: pa.Table, lost: pa.Table) -> pa.Table:
    """The index with the owner and its path as the `original` of contents that count in another generator."""
    at = pc.index_in(rows["clip_id"], value_set=lost["clip_id"].combine_chunks())
    if not len(lost):
        return rows
    owner = pc.binary_join_element_wise(lost["owner"], lost["owner_path"], ": ")
    owner = pc.binary_join_element_wise(owner, pc.if_else(lost["is_footage"], ", which is camera footage", ""), "")
    return rows.set_column(
        rows.column_names.index("original"), "original", pc.coalesce(owner.take(at), rows["original"])
    )


def _finish(
    rows: pa.Table,
    originals: pa.ChunkedArray,
    *,
    name: Callable[[str], str | None],
    prompts: dict[str, tuple[str, str]],
    told: dict[str, tuple[str, str]],
    is_real: bool,
) -> pa.Table:
    """The rows with exact copies marked, kind and prompts filled in.

    Args:
        name: gives the name of a file below the folder, None for those of other folders.
        prompts: by this name.
        told: by path or clip id, unless `prompts` has another.
    """
    # What was a copy so far and has no original now stands for itself.
    was_copy = pc.equal(rows["status"], Status.DUPLICATE.value)
    read = pc.if_else(pc.is_valid(rows["width"]), Status.OK.value, Status.FAILED.value)
    status = pc.if_else(was_copy, read, rows["status"])
    error = pc.if_else(pc.and_(was_copy, pc.is_valid(rows["width"])), pa.scalar(None, STRING), rows["error"])
    columns = {
        "is_real": pa.repeat(is_real, len(rows)),
        "status": pc.if_else(pc.is_valid(originals), Status.DUPLICATE.value, status),
        "error": pc.coalesce(pc.binary_join_element_wise(COPY, originals, ""), error),
    }
    if prompts or told:
        found = []
        for path, clip_id in tuples(rows, "path", "clip_id"):
            below = name(path)
            known = told.get(path) or told.get(clip_id)
            if below is not None:  # files of another folder may have the same names
                known = prompts.get(below) or known
            found.append(known or (None, None))
        for column, values in zip(("prompt", "prompt_group"), zip(*found, strict=True), strict=True):
            columns[column] = pc.coalesce(pa.array(values, STRING), rows[column])
    for column, values in columns.items():
        rows = rows.set_column(rows.schema.get_field_index(column), column, values)
    return rows.combine_chunks()
