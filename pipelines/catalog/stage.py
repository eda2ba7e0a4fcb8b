"""Catalogue a generator: write one row per clip of a folder, and read only new and changed files."""

import time
from collections.abc import Callable
from functools import partial
from itertools import chain

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
from pipelines.generators import holders, known
from pipelines.outcome import Outcome
from pipelines.workers.cluster import LOCAL, WORKER_BYTES, Cluster
from pipelines.workers.dispatch import run_shards
from pipelines.workers.faults import Suspects

SHARD = 32
"""Files per task."""
DEADLINE_S = 300
"""Seconds that reading one file may take."""
CLOCK_SLACK_NS = 2_000_000_000
"""Nanoseconds that the clock of a file server may be off."""
COPY = "same content as "
KILLER = f"it killed its worker (a crash, or out of memory), or did not end within {DEADLINE_S} s"
IMPORTS = ("pipelines.catalog.worker", "av")
"""Modules that workers import at the start."""


def catalog(
    manifests: Manifests,
    generator: str,
    folder: Place,
    *,
    prompts: Place | None = None,
    prompts_in_names: bool = False,
    real: bool = False,
    retry_failed: bool = False,
    cluster: Cluster = LOCAL,
) -> Outcome:
    """Update the rows of this generator to match the files in `folder` and below.

    A row stays as long as its file exists; new and changed files are read once. Rows from other folders stay while
    their files exist or cannot be checked.

    Args:
        manifests: the manifests.
        generator: the name of the generator.
        folder: the folder of clips.
        prompts: a table of prompts for the files of this folder, or a folder with a `.txt` file per clip.
        prompts_in_names: take the prompts from the names of the files, `PROMPT-0.mp4`.
        real: the clips are camera footage; for sources without an entry in sources.toml. Later calls keep it.
        retry_failed: read files again that failed before. Files that could not be opened are always read again.
        cluster: the workers.

    Raises:
        UsageError: the folder does not exist or has no clip, or the generator or prompts are invalid.
    """
    started = time.time()
    stamp = int(started * 1e9) - CLOCK_SLACK_NS
    source = load_sources(manifests.root).get(check_name(generator))
    if real and source is not None and not source.real:
        raise UsageError(f"sources.toml says that {generator} is fake; leave out --real, or change its entry")
    listing = list_clips(folder, manifests.root)
    if not listing.files and generator not in known(manifests):
        raise no_clip(listing, listing.others)
    given = None
    if prompts is not None or prompts_in_names:
        if not listing.files:
            raise no_clip(listing, listing.others)
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
        earlier = _earlier_prompts(manifests, generator, new, rows)
        if new:
            _read_all(manifests, generator, new, stamp, cluster)
            rows = pa.concat_tables([rows, *index_of(manifests, generator, stamp)])
        before = len(rows)
        rows = without_moved(rows)
        gone += before - len(rows)
        rows = one_a_path(rows)
        lost = _lost(manifests, generator, rows, former, is_real)
        rows = _owned(rows, lost.filter(pc.field("generator") == generator))
        del former
        given_prompts = given.by_name if given else {}
        finish = partial(_finish, name=listing.name, prompts=given_prompts, earlier=earlier, is_real=is_real)
        manifests.replace(CLIPS, pieces(manifests, generator, rows, stamp, finish), generator=generator)
    facts = {"generator": generator, "is_real": is_real, "clips": len(rows), "read": len(new), "dropped": gone}
    facts |= {"unseen": pc.sum(rows["unchecked"]).as_py(), "why_unseen": why}
    facts |= {"passed_over": len(others), "passed_over_by": counted(others), "not_entered": listing.denied}
    del rows, new
    outcome = summarise(manifests, source, facts, lost, started, given)
    outcome.details["passed_over_files"] = others
    return outcome


def _read_all(manifests: Manifests, generator: str, paths: list[str], stamp: int, cluster: Cluster) -> None:
    """Read these files and write their rows, on workers."""
    shards = (paths[start : start + SHARD] for start in range(0, len(paths), SHARD))
    write = partial(catalog_shard, manifests=manifests, generator=generator, stamp=stamp)
    timed = partial(write, deadline_s=None if cluster.in_this_process else DEADLINE_S)
    dispatch = partial(run_shards, lock=(manifests.root, f"catalog-{generator}"), wait_s=cluster.wait_s)
    with (
        cluster.connect(imports=IMPORTS) as client,
        tqdm(total=len(paths), desc=f"catalog {generator}", unit="clip", disable=None) as bar,
    ):
        killers: list[str] = []
        proven = _proven(manifests, generator)
        suspects = Suspects[str](proven=proven)
        enough = proven and cluster.has_memory(WORKER_BYTES)
        for done in dispatch(client, timed, shards, proven=enough):
            if done.result is None:
                killers += done.items
            elif done.result.fault is not None:
                suspects.hold(done.items, done.result.fault)
            else:
                if done.result.readable:
                    suspects.prove()
                bar.update(len(done.items))
        # Files that killed a worker are only hashed; if this kills a worker too, a later run reads them again.
        hash_only, retry = partial(timed, error=KILLER), partial(timed, proven=True)
        for again, paths in ((hash_only, killers), (retry, suspects.release())):
            for done in dispatch(client, again, ([path] for path in paths), proven=True):
                if done.error:
                    write(done.items, error=KILLER, unread=True)
                bar.update()


def _proven(manifests: Manifests, generator: str) -> bool:
    """Return whether the installed version of the decoder has read a file before."""
    rows = manifests.read(CLIPS, ["status", "decoder_version"], generator=generator)
    by_this = (pc.field("status") == Status.OK.value) & (pc.field("decoder_version") == decoder_version("pyav"))
    return bool(len(rows.filter(by_this)))


def _was_real(manifests: Manifests, generator: str) -> bool:
    """Return whether the clips were catalogued as camera footage before."""
    return bool(pc.any(manifests.read(CLIPS, ["is_real"], generator=generator)["is_real"]).as_py())


def _earlier_prompts(
    manifests: Manifests, generator: str, paths: list[str], kept: pa.Table
) -> dict[str, tuple[str, str]]:
    """Return prompt and prompt group of earlier runs, for files that are read now or were read by an interrupted run.

    The keys are paths, and clip ids of clips whose path may have changed.

    Args:
        manifests: the manifests.
        generator: the generator.
        paths: the files that are read now.
        kept: the index of the rows that stay.
    """
    added = [part for part in manifests.parts(CLIPS, generator=generator) if part.name.startswith(NEW)]
    if not paths and not added:
        return {}
    again = [pa.array(paths, STRING)]
    again += chain.from_iterable(manifests.read_part(CLIPS, part, ["path"])["path"].chunks for part in added)
    rows = manifests.read(CLIPS, ["path", "clip_id", "prompt", "prompt_group"], generator=generator)
    rows = rows.filter(pc.is_valid(rows["prompt"]))
    present = kept.filter(pc.invert(kept["unchecked"]))["path"].combine_chunks()
    away = rows.filter(pc.invert(pc.is_in(rows["path"], value_set=present))).sort_by([("path", "descending")])
    rows = rows.filter(pc.is_in(rows["path"], value_set=pa.concat_arrays(again)))
    by_content = {clip: (prompt, group) for clip, prompt, group in tuples(away, "clip_id", "prompt", "prompt_group")}
    return by_content | {
        path: (prompt, group) for path, prompt, group in tuples(rows, "path", "prompt", "prompt_group")
    }


def _lost(manifests: Manifests, generator: str, rows: pa.Table, former: pa.Array, is_real: bool) -> pa.Table:
    """Return the rows, of all generators, with a content of this generator that do not count; see `lost_rows`.

    Args:
        manifests: the manifests.
        generator: this generator.
        rows: the index, with the column `original`.
        former: the clip ids that this generator owned before this run; it has no claim to others that already count.
        is_real: whether the clips of this generator are camera footage.
    """
    ids = rows["clip_id"].combine_chunks()
    others = holders(manifests, ids, but=generator)
    originals = rows.filter(pc.and_(pc.is_null(rows["original"]), pc.is_in(ids, value_set=others["clip_id"].unique())))
    is_new = pc.and_(
        pc.equal(originals["status"], Status.OK.value), pc.invert(pc.is_in(originals["clip_id"], value_set=former))
    )
    columns = {
        "generator": pa.repeat(generator, len(originals)),
        "is_real": pa.repeat(is_real, len(originals)),
        "status": pc.if_else(is_new, Status.DUPLICATE.value, originals["status"]),
    }
    own_rows = pa.table(
        [columns.get(name, originals[name] if name in originals.column_names else None) for name in HOLDER], HOLDER
    )
    return lost_rows(pa.concat_tables([own_rows, others]))


def _owned(rows: pa.Table, lost: pa.Table) -> pa.Table:
    """Return the index; `original` of contents that count in another generator names the owner and its path."""
    positions = pc.index_in(rows["clip_id"], value_set=lost["clip_id"].combine_chunks())
    if not len(lost):
        return rows
    owner = pc.binary_join_element_wise(lost["owner"], lost["owner_path"], ": ")
    owner = pc.binary_join_element_wise(owner, pc.if_else(lost["is_footage"], ", which is camera footage", ""), "")
    return rows.set_column(
        rows.column_names.index("original"), "original", pc.coalesce(owner.take(positions), rows["original"])
    )


def _finish(
    rows: pa.Table,
    originals: pa.ChunkedArray,
    *,
    name: Callable[[str], str | None],
    prompts: dict[str, tuple[str, str]],
    earlier: dict[str, tuple[str, str]],
    is_real: bool,
) -> pa.Table:
    """Return the rows with exact copies marked, and with `is_real` and prompts filled in.

    Args:
        rows: full rows.
        originals: the `original` of these rows.
        name: returns the path of a file relative to the folder, None for files of other folders.
        prompts: prompt and prompt group by this relative path.
        earlier: prompt and prompt group by path or clip id, used if `prompts` has none.
        is_real: whether the clips are camera footage.
    """
    # A former copy that has no original any more becomes an original.
    was_copy = pc.equal(rows["status"], Status.DUPLICATE.value)
    read = pc.if_else(pc.is_valid(rows["width"]), Status.OK.value, Status.FAILED.value)
    status = pc.if_else(was_copy, read, rows["status"])
    error = pc.if_else(pc.and_(was_copy, pc.is_valid(rows["width"])), pa.scalar(None, STRING), rows["error"])
    columns = {
        "is_real": pa.repeat(is_real, len(rows)),
        "status": pc.if_else(pc.is_valid(originals), Status.DUPLICATE.value, status),
        "error": pc.coalesce(pc.binary_join_element_wise(COPY, originals, ""), error),
    }
    if prompts or earlier:
        pairs = []
        for path, clip_id in tuples(rows, "path", "clip_id"):
            relative = name(path)
            pair = earlier.get(path) or earlier.get(clip_id)
            if relative is not None:  # files of another folder may have the same names
                pair = prompts.get(relative) or pair
            pairs.append(pair or (None, None))
        for column, values in zip(("prompt", "prompt_group"), zip(*pairs, strict=True), strict=True):
            columns[column] = pc.coalesce(pa.array(values, STRING), rows[column])
    for column, values in columns.items():
        rows = rows.set_column(rows.schema.get_field_index(column), column, values)
    return rows.combine_chunks()
