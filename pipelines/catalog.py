"""Catalogue a generator: one row for every clip in a folder, found again without reading what has not changed."""

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from tqdm import tqdm

from hfv_builder.manifest import Manifests
from hfv_builder.places import Place, blame_disks, local_copy, place, status
from hfv_builder.records import FAULTS, Status, UsageError, reason
from hfv_builder.schema import CLIPS
from hfv_builder.sources import Source, check_name, differences, load_sources
from hfv_builder.video import decoder_version, probe
from pipelines.cluster import Cluster
from pipelines.deadline import deadline
from pipelines.folder import Found, list_clips, read_prompts
from pipelines.outcome import DONE, SHOWN, SOME_FAILED, Outcome, paragraphs, table
from pipelines.shards import run_shards

SHARD = 32
"""Files that one task reads."""
DEADLINE_S = 300
"""How long it may take to read one file."""
STAMP = b"catalogued_at_ns"
"""In the metadata of each part: the time before which a file must have changed last for its row to hold."""
CLOCK_SLACK_NS = 2_000_000_000
"""How far the clock of a file server may be off."""
COPY = "same content as "
IMPORTS = ("pipelines.catalog", "av")
"""What every worker needs that catalogues."""

Row = dict[str, Any]


def catalog(
    manifests: Manifests,
    generator: str,
    folder: Place,
    *,
    prompts: Path | None = None,
    real: bool = False,
    cluster: Cluster | None = None,
) -> Outcome:
    """Bring the rows of this generator up to date with the files in `folder` and below.

    A row stays as long as its file does; a new or changed file is read once. Rows that came from other folders
    stay too, while their files are there.

    Raises:
        UsageError: the folder is missing or holds no clip, or the generator or prompts are not right.
    """
    started = time.time()
    source = load_sources(manifests.root).get(check_name(generator))
    if real and source is not None and not source.real:
        raise UsageError(f"sources.toml says that {generator} is fake; leave out --real, or change its entry")
    is_real = real if source is None else source.real
    files, passed_over = list_clips(folder)
    by_name = {} if prompts is None else read_prompts(prompts)

    with manifests.lock(f"catalog-{generator}"):
        files |= _elsewhere(manifests, generator, files)
        kept, gone = _unchanged(manifests, generator, files)
        new = [path for path in files if path not in kept]
        if new:
            shards = (new[at : at + SHARD] for at in range(0, len(new), SHARD))
            cluster = cluster or Cluster()
            write = partial(write_shard, manifests=manifests, generator=generator, stamp=_stamp(started))
            timed = partial(write, deadline_s=None if cluster.in_this_process else DEADLINE_S)
            with (
                cluster.connect(imports=IMPORTS) as client,
                tqdm(total=len(new), desc=f"catalog {generator}", unit="clip", disable=None) as bar,
            ):
                for done in run_shards(client, timed, shards):
                    if done.error:
                        write(done.items, error=f"{done.error}, or did not end within {DEADLINE_S} s")
                    bar.update(len(done.items))
        rows = [*kept.values(), *_written(manifests, generator, _stamp(started))]
        final = _finish(rows, str(folder.absolute()), by_name, is_real)
        if new or gone or final != rows or not manifests.is_settled(CLIPS, generator=generator):
            _replace(manifests, generator, final, stamp=_stamp(started))
    return _outcome(
        manifests, generator, source, final, new=len(new), gone=gone, passed_over=passed_over, started=started
    )


def write_shard(
    paths: list[str],
    *,
    manifests: Manifests,
    generator: str,
    stamp: int,
    error: str | None = None,
    deadline_s: float | None = None,
) -> None:
    """Read some files and write their rows as one part.

    Args:
        deadline_s: how long one file may take before this process is ended.
        error: why they cannot be probed, if that is known already; they are then only hashed.
    """
    rows = []
    with deadline(deadline_s) as begin:
        for path in paths:
            begin()
            rows.append(read_file(path, error))
    name = hashlib.sha256("\n".join(row["path"] + row["sha256"] for row in rows).encode()).hexdigest()[:16]
    manifests.add(CLIPS, _stamped(rows, stamp), name=name, generator=generator)


def read_file(path: str, error: str | None = None) -> Row:
    """The row of one file: its hash, and what it says of itself unless it failed already with `error`.

    Raises:
        UsageError: its whole folder is out of reach.
    """
    readable = os.fsencode(path).decode(errors="replace")
    row: Row = {"path": readable, "sha256": "", "decoder": "pyav", "decoder_version": decoder_version("pyav")}
    try:
        with local_copy(place(path)) as file:
            with file.open("rb") as content:
                row["sha256"] = hashlib.file_digest(content, "sha256").hexdigest()
                row["bytes"] = content.tell()
            row["clip_id"] = row["sha256"][:16]
            if error is None and readable != path:
                error = "its name is not valid UTF-8; rename the file"
            if error is None:
                row |= vars(probe(file))
    except FAULTS as raised:
        blame_disks(place(path), raised)
        error = reason(raised)
    return row | {"status": Status.OK.value if error is None else Status.FAILED.value, "error": error}


def _elsewhere(manifests: Manifests, generator: str, files: Found) -> Found:
    """The files that rows from other folders stand for, as far as they are still there."""
    found = {}
    for path in manifests.read(CLIPS, ["path"], generator=generator)["path"].to_pylist():
        if path not in files:
            with contextlib.suppress(OSError):
                found[path] = status(place(path))
    return found


def _unchanged(manifests: Manifests, generator: str, files: Found) -> tuple[dict[str, Row], int]:
    """The rows that still hold, by path, and how many do not."""
    kept: dict[str, Row] = {}
    total = 0
    for rows, stamp in _parts(manifests, generator):
        for row in rows:
            total += 1
            file = files.get(row["path"])
            if file is not None and file.bytes == row["bytes"] and file.changed_ns < stamp:
                kept[row["path"]] = row
    # The copy of a clip that is gone must be read again, to stand for itself.
    originals = {row["clip_id"] for row in kept.values() if row["status"] != Status.REJECTED}
    kept = {path: row for path, row in kept.items() if row["clip_id"] in originals}
    return kept, total - len(kept)


def _written(manifests: Manifests, generator: str, stamp: int) -> list[Row]:
    """The rows of the parts with just this stamp; until they are put in, those they supersede stay."""
    return [row for rows, stamped in _parts(manifests, generator) if stamped == stamp for row in rows]


def _parts(manifests: Manifests, generator: str) -> Iterator[tuple[list[Row], int]]:
    """The rows of each part, and its stamp."""
    for part in manifests.parts(CLIPS, generator=generator):
        rows = manifests.read_part(CLIPS, part)
        yield rows.to_pylist(), int((rows.schema.metadata or {}).get(STAMP, 0))


def _finish(rows: list[Row], folder: str, prompts: dict[str, tuple[str, str]], is_real: bool) -> list[Row]:
    """The rows in the order of paths, exact copies rejected, kind and prompts filled in."""
    first: dict[str, str] = {}
    final = []
    for row in sorted(rows, key=lambda row: str(row["path"])):
        row = row | {"is_real": is_real}
        original = first.setdefault(row["clip_id"] or row["path"], row["path"])
        if original != row["path"]:
            row |= {"status": Status.REJECTED.value, "error": COPY + original}
        below, name = row["path"].removeprefix(folder).lstrip("/"), os.path.basename(row["path"])
        found = prompts.get(below) or prompts.get(name)
        if found:
            row["prompt"], row["prompt_group"] = found
        final.append(row)
    return final


def _replace(manifests: Manifests, generator: str, rows: list[Row], *, stamp: int) -> None:
    manifests.replace(CLIPS, [_stamped(rows, stamp)] if rows else [], generator=generator)


def _stamped(rows: list[Row], stamp: int) -> pa.Table:
    complete = [dict.fromkeys(CLIPS.schema.names) | row for row in rows]
    return pa.Table.from_pylist(complete, schema=CLIPS.schema).replace_schema_metadata({STAMP: str(stamp).encode()})


def _stamp(started: float) -> int:
    return int(started * 1e9) - CLOCK_SLACK_NS


def _outcome(
    manifests: Manifests,
    generator: str,
    source: Source | None,
    rows: list[Row],
    *,
    new: int,
    gone: int,
    passed_over: list[str],
    started: float,
) -> Outcome:
    counts = {status.value: sum(row["status"] == status for row in rows) for status in Status}
    readable = [row for row in rows if row["status"] == Status.OK]
    differing = [] if source is None else differences(source, readable)
    ids = {row["clip_id"] for row in readable}
    elsewhere = [
        {"clip_id": row["clip_id"], "generator": row["generator"]}
        for row in manifests.read(CLIPS, ["clip_id", "generator"]).to_pylist()
        if row["generator"] != generator and row["clip_id"] in ids
    ]
    kind = "real" if rows and rows[0]["is_real"] else "fake"
    unread = [{"file": row["path"], "reason": row["error"]} for row in rows if row["status"] != Status.OK]
    headline = f"{generator} ({kind}): {len(rows)} files, {counts['ok']} clips"
    for count, word in (
        (counts["failed"], "unreadable"),
        (counts["rejected"], "exact copies"),
        (new, "read now"),
        (gone, "rows dropped or read again (file gone or changed)"),
        (len(passed_over), "other files passed over"),
    ):
        if count:
            headline += f", {count} {word}"
    if source is None:
        headline += f"\n{generator} stands in no sources.toml: taken for {kind}, nothing to compare it with"
    text = paragraphs(
        headline,
        table(differing, "differs from sources.toml (nothing is refused):"),
        table(unread, "not to be scored:", limit=SHOWN),
        table(elsewhere, "also catalogued under another generator:", limit=SHOWN),
    )
    summary = {
        "generator": generator,
        "is_real": kind == "real",
        "clips": len(rows),
        **counts,
        "read": new,
        "dropped": gone,
        "passed_over": len(passed_over),
        "differences": differing,
        "not_scored": unread,
        "also_elsewhere": elsewhere,
        "manifests": str(manifests.root),
    }
    code = SOME_FAILED if counts["failed"] else DONE
    return Outcome(summary=summary, text=text, exit_code=code, started=started)
