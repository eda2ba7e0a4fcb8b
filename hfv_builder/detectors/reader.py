"""Read a release: its clips, its evaluation sets and the places of its files. Any folder in this format can be read.

The folder needs a metadata.parquet with file_name and label in `data/train`, `data/validation` or `eval/SET`. Missing
other columns are read as null; without a clip_id the path of a clip, apart from its variant, identifies it.
"""

import contextlib
import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hfv_builder.records import ClipError, Label, Split, UsageError
from hfv_builder.release.checksums import FILE as CHECKSUMS
from hfv_builder.release.checksums import read_checksums
from hfv_builder.release.dataset import configs_of
from hfv_builder.release.layout import EVALUATION, SUFFIX, split_of, tables_of
from hfv_builder.release.metadata import NO_LABELS, SCHEMA, converted, read_metadata
from hfv_builder.release.shards import SHARD_SUFFIX
from hfv_builder.storage.checksum import file_sha256
from hfv_builder.storage.path_text import printable

FOLDERS = ("data/*", f"{EVALUATION}/*")
NEEDED = ("file_name", "label")
SET_COLUMNS = ["clip_id", "set", "variant", "label", "generator", "path"]


@dataclass(frozen=True, kw_only=True)
class Release:
    """A release that was read."""

    folder: Path
    checksum: str
    """SHA-256 of the file SHA256SUMS, or of the tables if it does not list them as they are."""
    rows: pd.DataFrame
    """A row per clip and variant, by path: the columns of `metadata.SCHEMA`, and folder, split, variant and path."""
    sums: dict[str, str] = field(repr=False)
    """SHA-256 by path, as SHA256SUMS gives them."""

    @property
    def name(self) -> str:
        """The name of its folder, as text."""
        return printable(self.folder.name)

    def clips(self, *splits: Split) -> pd.DataFrame:
        """Return the rows of these splits, without variants."""
        return self.rows[self.rows["split"].isin(splits) & self.rows["variant"].eq("")]

    @cached_property
    def sets(self) -> pd.DataFrame:
        """A row per clip and evaluation set: clip_id, set, variant, label, generator, path.

        Without test clips the validation clips are evaluated: each generator is a set, together with all real clips.
        """
        parts = []
        for config in configs_of(self.rows):
            if "test" in config.folders:
                name, _, variant = config.name.partition("@")
                own = self.rows[self.rows["folder"].isin(config.folders["test"])]
                parts.append(own.assign(set=name, variant=variant))
        if not parts:
            held_out = self.clips(Split.VAL)
            is_real = held_out["label"].eq(Label.REAL)
            for generator, own in held_out[~is_real].groupby("generator", sort=True):
                parts.append(pd.concat([own, held_out[is_real]]).assign(set=str(generator), variant=""))
        if not parts:
            raise UsageError(f"{self.folder} has no clips to evaluate on: neither eval/ nor data/validation has any")
        rows = pd.concat(parts)[SET_COLUMNS]
        return rows.drop_duplicates(["clip_id", "set", "variant"], ignore_index=True)

    @property
    def is_pooled(self) -> bool:
        """Whether the evaluation sets are made of validation clips."""
        return not self.rows["split"].eq(Split.TEST).any()

    @contextlib.contextmanager
    def file(self, path: str) -> Iterator[Path]:
        """Yield a file with the content of the clip; a clip in a shard is copied to a file that exists during the
        block.

        Raises:
            ClipError: it is not there, or SHA256SUMS lists another content.
            UsageError: a shard is damaged.
        """
        if (own := self.folder / path).is_file():
            if path in self.sums and file_sha256(own) != self.sums[path]:
                raise ClipError(f"its content is not the one in {CHECKSUMS}: download it again")
            yield own
        elif path in self._members:
            shard, offset, size = self._members[path]
            self._check(shard)
            with tempfile.NamedTemporaryFile(prefix="hfv-", suffix=SUFFIX) as copy:
                with shard.open("rb") as tar:
                    tar.seek(offset)
                    shutil.copyfileobj(_Part(tar, size), copy)
                copy.flush()
                yield Path(copy.name)
        else:
            raise ClipError("its file is not in the release; a release without media gets it by `hfv release attach`")

    def content(self, path: str) -> str:
        """Return the SHA-256 of the clip's file in hex.

        Raises:
            ClipError: it is not there.
        """
        if path in self.sums and (self.folder / path).is_file():
            return self.sums[path]
        with self.file(path) as file:
            return file_sha256(file)

    def _check(self, shard: Path) -> None:
        """Check that a shard is the released one; it is read once.

        Raises:
            UsageError: SHA256SUMS lists another content.
        """
        if shard not in self._checked:
            expected = self.sums.get(shard.relative_to(self.folder).as_posix())
            if expected is not None and file_sha256(shard) != expected:
                raise UsageError(f"{shard} is damaged (its content is not the one in {CHECKSUMS}): download it again")
            self._checked.add(shard)

    @cached_property
    def _checked(self) -> set[Path]:
        """The shards that are the released ones."""
        return set()

    @cached_property
    def _members(self) -> dict[str, tuple[Path, int, int]]:
        """The places of clips in shards by path: the shard, the first byte and the number of bytes."""
        members: dict[str, tuple[Path, int, int]] = {}
        for shard in (shard for pattern in FOLDERS for shard in self.folder.glob(f"{pattern}/*{SHARD_SUFFIX}")):
            below = shard.parent.relative_to(self.folder).as_posix()
            try:
                with tarfile.open(shard, "r:") as tar:
                    members |= {f"{below}/{entry.name}": (shard, entry.offset_data, entry.size) for entry in tar}
            except tarfile.TarError as error:
                raise UsageError(f"{shard} is damaged ({error}): download it again") from None
        return members


class _Part:
    """A readable stream of the next bytes of a file."""

    def __init__(self, file: object, size: int) -> None:
        self._file, self._left = file, size

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, at most as many as are left."""
        data: bytes = self._file.read(self._left if size < 0 else min(size, self._left))  # type: ignore[attr-defined]
        self._left -= len(data)
        return data


def read_release(folder: Path) -> Release:
    """Read the tables of a release.

    Raises:
        UsageError: it is not a release, or a table is damaged or lacks a column.
    """
    tables = tables_of(folder)
    rows = _placed({table.parent.relative_to(folder).as_posix(): _read(table, folder) for table in tables})
    sums: dict[str, str] = {}
    identity = b"".join(table.read_bytes() for table in tables)
    if (path := folder / CHECKSUMS).is_file():
        listed = path.read_bytes()
        sums, _ = read_checksums(listed.decode("utf-8", errors="replace"))
        if all(sums.get(table.relative_to(folder).as_posix()) == file_sha256(table) for table in tables):
            identity = listed
    return Release(
        folder=Path(os.path.abspath(folder)),
        checksum=hashlib.sha256(identity).hexdigest(),
        rows=rows.sort_values("path", ignore_index=True),
        sums=sums,
    )


def _placed(parts: dict[str, pa.Table]) -> pd.DataFrame:
    """Return the rows of all folders with the columns folder, split, variant, path and is_real.

    They are converted, and the columns added, once for all folders: pandas takes about as long for a single folder.
    """
    rows: pd.DataFrame = pa.concat_tables(parts.values()).to_pandas()
    variants = (folder.rpartition("/")[2].partition("@")[2] for folder in parts)
    columns = {"folder": parts, "split": (split_of(folder).value for folder in parts), "variant": variants}
    for column, values in columns.items():
        each = [value for value, part in zip(values, parts.values(), strict=True) for _ in range(len(part))]
        rows[column] = pd.array(each, "str")
    rows["path"] = rows["folder"] + "/" + rows["file_name"]
    rows["is_real"] = rows["label"].eq(Label.REAL)
    return rows


def _read(table: Path, release: Path) -> pa.Table:
    """Return the rows of one metadata.parquet; missing columns are null."""
    try:
        content = read_metadata(table)
    except ValueError as error:
        raise UsageError(f"{table} cannot be read ({error}): download the release again") from None
    if missing := [name for name in NEEDED if name not in content.column_names]:
        raise UsageError(f"{table} has no column {missing[0]}: it is not a table of a release")
    try:
        columns = dict(zip(SCHEMA.names, converted(content).columns, strict=True))
    except ValueError as error:
        raise UsageError(f"{table} {error}") from None
    if not pc.all(pc.is_in(columns["label"], pa.array([*map(int, Label)], pa.int64())), min_count=0).as_py():
        raise UsageError(f"{table} {NO_LABELS}")
    if columns["file_name"].null_count:
        raise UsageError(f"{table} has a row without file_name: give every clip its file, relative to {table.parent}")
    above, _, name = table.parent.relative_to(release).as_posix().rpartition("/")
    own = name.partition("@")[0]
    if columns["clip_id"].null_count:
        ids = [f"{above}/{own}/{file.removesuffix(SUFFIX)}" for file in columns["file_name"].to_pylist()]
        columns["clip_id"] = pc.coalesce(columns["clip_id"], pa.array(ids, SCHEMA.field("clip_id").type))
    for column in ("file_name", "clip_id"):
        if pc.count_distinct(columns[column]).as_py() < len(content):
            values = columns[column].to_pandas()
            first = values[values.duplicated()].iloc[0]
            raise UsageError(f"{table} has more than one row with the {column} {first}: keep one")
    columns["generator"] = pc.fill_null(columns["generator"], own)
    return pa.table(columns, SCHEMA)
