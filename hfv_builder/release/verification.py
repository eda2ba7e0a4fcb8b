"""Verify a release: every byte, every clip, every table, and whether others' tools load it."""

import csv
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from huggingface_hub import DatasetCard

from hfv_builder.records import Label, UsageError
from hfv_builder.release import card, catalogued, checksums, croissant, licences, problems, shards
from hfv_builder.release.catalogued import ATTACHED
from hfv_builder.release.file_checks import Packed, check_file, packed_clips, why
from hfv_builder.release.layout import METADATA, SUFFIX, split_of
from hfv_builder.release.metadata import SCHEMA, read_metadata
from hfv_builder.release.other_tools import try_others
from hfv_builder.release.problems import Problem, Report

OF_DOWNLOADS = frozenset({".gitattributes", ".git", ".cache/huggingface"})
"""What the Hugging Face hub and its clients add to a release."""


def verify_release(folder: Path, *, threads: int, advance: Callable[[int], object] = lambda _: None) -> Report:
    """Check everything about a release.

    Args:
        threads: files that are read at the same time.
        advance: called with the number of bytes of each file that was checked.

    Raises:
        UsageError: there is no release.
    """
    if not (folder / checksums.FILE).is_file():
        raise UsageError(f"{folder} is no release: it has no {checksums.FILE}")
    report = Report()
    try:
        text = (folder / checksums.FILE).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"{folder / checksums.FILE} cannot be read: {why(error)}") from None
    sums, wrong = checksums.read_checksums(text)
    report.problems += [Problem(file=checksums.FILE, problem=f"line {number} is no checksum") for number in wrong]
    attached = _attached(folder)
    there = {*_files(folder, report)} - {checksums.FILE, *([] if attached is None else [ATTACHED])}
    sums = (attached or {}) | sums
    report.problems += [Problem(file=path, problem="is missing") for path in sums.keys() - there]
    report.problems += [Problem(file=path, problem=f"is not in {checksums.FILE}") for path in there - sums.keys()]
    frames, packed = _read_files(folder, sorted(there), sums, report, threads=threads, advance=advance)
    rows = _rows(folder, sorted(there), report)
    samples = {path: clip.said for path, clip in packed.items()}
    known = rows["label"].between(0, Label.REAL)  # other labels are problems of their own
    described = rows[rows["path"].isin([*samples]) & known].to_dict("records")
    report.problems += [Problem(file=path, problem=why) for path, why in shards.check_samples(described, samples)]
    there |= samples.keys()
    report.problems += problems.frame_problems(rows, frames)
    report.problems += _content_problems(
        folder, rows, there, sums | {path: clip.sha256 for path, clip in packed.items()}
    )
    if attached and (bare := {*rows["path"]} - there):
        report.skipped.append(f"`datasets` cannot load it until clips are attached in {len(bare)} more places")
    elif not report.problems:  # others' tools only say again that something is wrong
        try_others(folder, rows, report)
    report.problems = sorted({*report.problems})
    return report


def _read_files(
    folder: Path,
    paths: list[str],
    sums: Mapping[str, str],
    report: Report,
    *,
    threads: int,
    advance: Callable[[int], object],
) -> tuple[dict[str, int], dict[str, Packed]]:
    """Check every file by itself; return the frames of every clip that can be opened, and the clips in shards."""
    sizes = {path: (folder / path).stat().st_size for path in paths}
    report.files, report.bytes = len(paths), sum(sizes.values())

    def check(path: str) -> tuple[list[str], int | None, list[tuple[str, Packed]]]:
        wrong, count = check_file(folder / path, sums.get(path))
        clips: list[tuple[str, Packed]] = []
        if path.endswith(shards.SHARD_SUFFIX):
            try:
                clips.extend((f"{os.path.dirname(path)}/{name}", clip) for name, clip in packed_clips(folder / path))
            except (OSError, ValueError) as error:
                wrong.append(f"cannot be read: {error}")
        advance(sizes[path])
        return wrong, count, clips

    frames: dict[str, int] = {}
    packed: dict[str, Packed] = {}
    with ThreadPoolExecutor(threads) as pool:
        for path, (wrong, count, clips) in zip(paths, pool.map(check, paths), strict=True):
            report.problems += [Problem(file=path, problem=why) for why in wrong]
            if count is not None:
                frames[path] = count
            for name, clip in clips:
                twice = ["is in the shards twice"] if name in packed else []
                report.problems += [Problem(file=name, problem=why) for why in [*clip.wrong, *twice]]
                packed[name] = clip
    frames |= {name: clip.frames for name, clip in packed.items() if clip.frames is not None}
    return frames, packed


def _attached(folder: Path) -> dict[str, str] | None:
    """Return the checksums of clips that were put into a release without media; None if it asks for no clips."""
    try:
        wanted = {file.path for file in catalogued.read_catalogued((folder / catalogued.FILE).read_text("utf-8"))}
        sums, _ = checksums.read_checksums((folder / ATTACHED).read_text("utf-8", errors="replace"))
    except (OSError, ValueError, csv.Error):
        return None
    return {path: digest for path, digest in sums.items() if path in wanted}


def _files(folder: Path, report: Report) -> Iterator[str]:
    """Yield all files but `OF_DOWNLOADS`, relative to the release; links and others are problems.

    In the cache of the Hugging Face hub all files of `snapshots/REVISION` are links to files of `blobs`.
    """
    blobs = os.path.realpath(folder / "../../blobs")
    for parent, folders, names in os.walk(folder):
        below = Path(parent).relative_to(folder)
        folders[:] = [name for name in folders if (below / name).as_posix() not in OF_DOWNLOADS]
        for name in [*names, *folders]:
            path, relative = os.path.join(parent, name), (below / name).as_posix()
            if relative in OF_DOWNLOADS:
                continue
            is_link = os.path.islink(path) and os.path.dirname(os.path.realpath(path)) != blobs
            if is_link or (name in names and not os.path.isfile(path)):
                report.problems.append(Problem(file=relative, problem="is a link or no regular file"))
            elif name in names:
                yield relative


def _rows(folder: Path, files: list[str], report: Report) -> pd.DataFrame:
    """Return the rows of all metadata that can be read, with folder, path and split."""
    tables = []
    for path in files:
        if Path(path).name != METADATA:
            continue
        try:
            table = read_metadata(folder / path)
        except ValueError as error:
            report.problems.append(Problem(file=path, problem=f"cannot be read: {error}"))
            continue
        wrong = [*problems.schema_problems(path, table)]
        report.problems += wrong
        if any(problem.problem.startswith(("columns", "rows")) for problem in wrong):
            continue
        at = path.removesuffix(f"/{METADATA}")
        places = {
            "folder": pa.repeat(at, len(table)),
            "path": pc.binary_join_element_wise(at, table["file_name"], "/"),
            "split": pa.repeat(split_of(at).value, len(table)),
        }
        tables.append(pa.table({name: table[name] for name in SCHEMA.names} | places))
    if not tables:
        return pd.DataFrame(columns=[*SCHEMA.names, "folder", "path", "split"])
    rows: pd.DataFrame = pa.concat_tables(tables).to_pandas()
    return rows


def _content_problems(folder: Path, rows: pd.DataFrame, there: set[str], sums: dict[str, str]) -> Iterator[Problem]:
    """Yield contradictions between files."""
    yield from problems.row_problems(rows, sums)
    yield from problems.side_problems(rows)
    clips = {path for path in there if path.endswith(SUFFIX)}
    for path in {*rows.loc[rows["media"].ne("none"), "path"]} - clips:
        yield Problem(file=path, problem="is in the metadata, and there is no such file")
    for path in clips - {*rows["path"]}:
        yield Problem(file=path, problem="is in no metadata")
    texts = {path: _text(folder / path) for path in there if path.startswith("humansam/")}
    yield from problems.humansam_problems(rows, texts)
    checks: dict[str, Callable[[str], Iterator[Problem]]] = {
        licences.FILE: partial(problems.licence_problems, rows),
        croissant.FILE: partial(problems.croissant_problems, _metadata(there), sums),
        card.FILE: partial(_card_problems, rows, any(path.endswith(shards.SHARD_SUFFIX) for path in there)),
    }
    if rows["media"].eq("none").any():
        checks[catalogued.FILE] = partial(problems.catalogued_problems, rows)
    for name, check in checks.items():
        if name not in there:
            yield Problem(file=name, problem="is missing")
            continue
        try:
            yield from check((folder / name).read_text(encoding="utf-8"))
        except (ValueError, csv.Error, OSError) as error:
            yield Problem(file=name, problem=f"cannot be read: {str(error).splitlines()[0]}")


def _text(path: Path) -> str:
    """Return the text of a file; empty if it cannot be read, which `check_file` reports."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _metadata(there: set[str]) -> list[str]:
    return sorted(path for path in there if path.endswith(f"/{METADATA}"))


def _card_problems(rows: pd.DataFrame, sharded: bool, text: str) -> Iterator[Problem]:
    try:
        configs: object = getattr(DatasetCard(text).data, "configs", None)
    except Exception as error:  # errors of its YAML are of many types
        raise ValueError(f"its block of YAML is not valid: {error}") from None
    yield from problems.card_problems(rows, configs, sharded=sharded)
