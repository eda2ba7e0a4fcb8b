"""Generators: which are catalogued, which of their clips count, and how a stage runs for every one of them."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from hfv_builder.clips.ownership import HOLDER, counted_rows, lost_rows, repeated
from hfv_builder.clips.sources import check_name
from hfv_builder.records import Status, UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, SELECTION, Table
from hfv_builder.storage.snapshot import state
from pipelines.outcome import SHOWN, paragraphs, table
from pipelines.workers.limits import cores

T = TypeVar("T")


def known(manifests: Manifests) -> list[str]:
    """Return the generators that have a catalogue, even an unfinished one."""
    return [keys["generator"] for keys in manifests.partitions(CLIPS)]


def catalogued(manifests: Manifests) -> list[str]:
    """Return the generators that have clips.

    Raises:
        UsageError: there are none.
    """
    found = known(manifests)
    if not found:
        raise UsageError(f"{manifests.root} has no clips yet: run `hfv catalog --generator G --clips DIR`")
    return found


def for_each(
    manifests: Manifests,
    stage: str,
    generators: Sequence[str],
    work: Callable[[str], T],
    *,
    done: str = "",
    finish: Callable[[list[T]], None] = lambda _: None,
) -> list[T]:
    """Return the result of a stage for every generator, in their order; one thread for each core.

    The locks of all generators are held to the end, so that two commands never write some of them each.

    Args:
        generators: empty for all that have clips.
        done: what a generator is after it, for the error, such as `labelled`; empty if nothing is written yet.
        finish: called with all results if no generator failed.

    Raises:
        UsageError: the errors of all generators that failed. The others are finished before it is raised.
    """

    def take(generator: str) -> AbstractContextManager[None] | UsageError:
        if generator not in present:
            return _no_clips(manifests, generator, present)
        lock = manifests.lock(f"{stage}-{generator}")
        try:
            lock.__enter__()
        except UsageError as error:
            return error
        return lock

    def attempt(generator: str, lock: AbstractContextManager[None] | UsageError) -> T | UsageError:
        try:
            return lock if isinstance(lock, UsageError) else work(generator)
        except UsageError as error:
            return error

    names, present = [*dict.fromkeys(map(check_name, generators or catalogued(manifests)))], known(manifests)
    with ExitStack() as stack, ThreadPoolExecutor(cores()) as pool:
        locks = list(pool.map(take, names))
        for lock in locks:
            if not isinstance(lock, UsageError):
                stack.push(lock)
        results = list(pool.map(attempt, names, locks))
        if refused := [str(result) for result in results if isinstance(result, UsageError)]:
            fine = [name for name, result in zip(names, results, strict=True) if not isinstance(result, UsageError)]
            raise UsageError(*refused, *([f"the others are {done}: {', '.join(fine)}"] if done and fine else []))
        complete = [result for result in results if not isinstance(result, UsageError)]
        finish(complete)
    return complete


def score_lock(generator: str) -> str:
    """Return the name of the lock that is held while scores or signals of a generator are written."""
    return f"score-{generator}"


def clips_of(
    manifests: Manifests, generator: str, columns: list[str], lost: pa.Table | None = None, *, selected: bool = False
) -> pa.Table:
    """Return the clips of a generator that count: one row for each content that no other generator owns.

    Args:
        columns: the columns to read; those that decide which clips count are added.
        lost: the result of `lost_clips`, if the caller has it.
        selected: leave out the clips that `hfv select` did not choose.

    Raises:
        UsageError: it has no clips, or its catalogue is not finished.
    """
    needed = {"clip_id", "generator", "status", "width", "error"}
    unfinished = not manifests.is_settled(CLIPS, generator=check_name(generator))
    rows = manifests.read_settled(CLIPS, sorted({*columns, *needed}), generator=generator)
    if not len(rows) and not unfinished:
        raise _no_clips(manifests, generator, known(manifests))
    if unfinished:
        raise UsageError(
            f"the catalogue of {generator} is not finished: run `hfv catalog --generator {generator}` again"
        )
    if lost is None:
        lost = lost_rows(holders(manifests, rows["clip_id"].combine_chunks()))
    rows = counted_rows(rows, lost)
    if selected:
        choice = manifests.read(SELECTION, ["clip_id", "selected"], generator=generator)
        dropped = choice.filter(pc.invert(pc.fill_null(choice["selected"], True)))["clip_id"].combine_chunks()
        rows = rows.filter(pc.invert(pc.is_in(rows["clip_id"], value_set=dropped)))
    valid = pc.equal(rows["status"], Status.OK.value)
    error = pc.if_else(valid, pa.scalar(None, pa.string()), rows["error"])  # of a valid clip it is only a remark
    return rows.set_column(rows.column_names.index("error"), "error", error)


def _no_clips(manifests: Manifests, generator: str, present: Sequence[str]) -> UsageError:
    have = f"; it knows {', '.join(present)}" if present else ", which is empty"
    cure = f"run `hfv catalog --generator {generator} --clips DIR`"
    return UsageError(f"{generator!r} has no clips in {manifests.root}{have}: {cure}")


def with_lost_clips(manifests: Manifests, work: Callable[[pa.Table], T]) -> tuple[pa.Table, T]:
    """Return the result of `lost_clips` and that of `work` on it, which is called again if the first has changed.

    A generator that is catalogued while `work` reads another one would otherwise count the same content as well.
    """
    after = state(manifests, [CLIPS])
    lost = lost_clips(manifests)
    while True:
        before, result = after, work(lost)
        after = state(manifests, [CLIPS])
        if after == before or (now := lost_clips(manifests)).equals(lost):
            return lost, result
        lost = now


def lost_clips(manifests: Manifests) -> pa.Table:
    """Return the rows of all generators whose content counts in another one; columns as in `ownership.lost_rows`."""
    every = [
        manifests.read_settled(CLIPS, ["clip_id"], **keys)["clip_id"].unique() for keys in manifests.partitions(CLIPS)
    ]
    shared = repeated(pa.concat_arrays(every)) if every else pa.array([], pa.string())
    return lost_rows(holders(manifests, shared))


def holders(manifests: Manifests, ids: pa.Array, *, but: str | None = None) -> pa.Table:
    """Return the rows of these contents in all generators, or all but one, with the columns `ownership.HOLDER`.

    Rows that a catalogue at work has added do not count until it has decided which of them are copies.

    The other columns of a generator are read only if it holds one of the contents.
    """
    found = [pa.schema([CLIPS.schema.field(name) for name in HOLDER]).empty_table()]
    for keys in manifests.partitions(CLIPS) if len(ids) else []:
        if keys["generator"] == but:
            continue
        theirs = manifests.read_settled(CLIPS, ["clip_id"], **keys)
        if pc.any(pc.is_in(theirs["clip_id"], value_set=ids)).as_py():
            rows = manifests.read_settled(CLIPS, HOLDER, **keys)
            found.append(rows.filter(pc.is_in(rows["clip_id"], value_set=ids)))
    return pa.concat_tables(found)


def leave_to_owners(manifests: Manifests, stage: str, of: Table, done: Sequence[str]) -> None:
    """Delete rows of other generators, from earlier runs, for clips that now have a row in `done`.

    Raises:
        UsageError: another command is writing there.
    """
    done = [*dict.fromkeys(done or catalogued(manifests))]
    written = pa.concat_tables(manifests.read(of, ["clip_id"], generator=name) for name in done)["clip_id"].unique()

    def work(generator: str) -> None:
        rows = manifests.read(of, generator=generator)
        manifests.replace(of, [rows.filter(pc.invert(pc.is_in(rows["clip_id"], written)))], generator=generator)

    def has_some(generator: str) -> bool:
        ids = manifests.read(of, ["clip_id"], generator=generator)["clip_id"]
        return bool(pc.any(pc.is_in(ids, written)).as_py())

    others = [keys["generator"] for keys in manifests.partitions(of) if keys["generator"] not in done]
    if others := [name for name in others if has_some(name)]:
        for_each(manifests, stage, others, work)


def shared_tables(lost: pa.Table, generators: Sequence[str] = ()) -> tuple[str, dict[str, list[dict[str, Any]]]]:
    """Report contents that several generators hold: text for a person, lists for a program.

    Args:
        lost: from `lost_clips` or `ownership.lost_rows`.
        generators: report only contents that one of them owns or holds; empty for all.
    """
    if generators:
        some = pa.array(generators, pa.string())
        lost = lost.filter(pc.or_(*(pc.is_in(lost[name], value_set=some) for name in ("generator", "owner"))))
    footage = lost.filter(pc.field("is_footage")).sort_by([("generator", "ascending"), ("path", "ascending")])
    copies = lost.filter(~pc.field("is_footage"))
    fakes = [
        {"fake": row["generator"], "file": row["path"], "footage": row["owner"], "same content as": row["owner_path"]}
        for row in footage.to_pylist()
    ]
    counts = copies.group_by(["generator", "owner"]).aggregate(
        [([], "count_all"), ("path", "min"), ("owner_path", "min")]
    )
    shared = [
        {
            "generator": row["generator"],
            "counts in": row["owner"],
            "clips": row["count_all"],
            "such as": row["path_min"],
        }
        for row in counts.sort_by([("generator", "ascending"), ("owner", "ascending")]).to_pylist()
    ]
    left_out = "1 file is left out (delete it)" if len(fakes) == 1 else f"{len(fakes)} files are left out (delete them)"
    title = f"camera footage among generated clips, an error: {left_out}"
    text = paragraphs(
        table(fakes, title, limit=SHOWN),
        table(shared, "same content in several generators, counted in one only:", limit=SHOWN),
    )
    return text, {"footage_in_fake": fakes, "shared": shared}
