"""The clips of a release with the facts of their files, for the audit."""

import tarfile
from pathlib import Path

import pandas as pd

from hfv_builder.records import UsageError
from hfv_builder.release.layout import tables_of
from hfv_builder.release.media import Media
from hfv_builder.release.metadata import converted, read_metadata
from hfv_builder.release.shards import SHARD_SUFFIX

VARIANT = "@"
"""The mark in the names of folders of variants."""
NEEDED = (
    *("file_name", "clip_id", "generator", "is_real", "media"),
    *("width", "height", "fps", "num_frames", "duration_s"),
)
"""Columns of the table that the audit reads."""


def released_clips(folder: Path, catalogued: pd.DataFrame) -> pd.DataFrame:
    """Return the clips of a release with their facts, as `gather.clips_table` does.

    The bytes are those of the files, in folders or in shards; in a release without media those of the catalogue. The
    codec is that of the catalogue, of clips that were encoded anew H.264, and none where all clips were encoded alike.

    Args:
        folder: the release.
        catalogued: a row per clip with clip_id, bytes, codec and prompt_group.

    Raises:
        UsageError: it is no release, or files are missing.
    """
    tables = [_facts(path) for path in tables_of(folder) if VARIANT not in path.parent.name]
    if not tables:
        raise UsageError(f"{folder} has variants only: give --release a whole release")
    clips = pd.concat(tables, ignore_index=True).drop_duplicates("clip_id", ignore_index=True)
    known = catalogued.drop_duplicates("clip_id").set_index("clip_id")
    ours = {name: clips["clip_id"].map(known[name]) for name in ("bytes", "codec", "prompt_group")}
    size = clips["bytes"].astype("Float64").where(clips["media"].ne(Media.NONE), ours["bytes"].astype("Float64"))
    if size.isna().any():
        raise UsageError(f"{folder} lacks files, such as that of {clips.loc[size.isna(), 'clip_id'].iloc[0]}")
    facts: pd.DataFrame = clips.assign(
        bytes=size,
        codec=ours["codec"].mask(clips["media"].eq(Media.UNIFORM), "").mask(clips["media"].eq(Media.ENCODED), "h264"),
        prompt_group=ours["prompt_group"],
        bytes_per_frame=size / clips["num_frames"].clip(lower=1),
    )
    return facts


def _facts(path: Path) -> pd.DataFrame:
    """Return the metadata of a folder with the bytes of each file, null without a file."""
    try:
        table = read_metadata(path)
    except ValueError as error:
        raise UsageError(f"{path} cannot be read: {error}; run `hfv release verify` on its release") from None
    if missing := sorted({*NEEDED} - {*table.column_names}):
        raise UsageError(f"{path} has no column {missing[0]}; run `hfv release verify` on its release")
    try:
        rows: pd.DataFrame = converted(table).to_pandas()
    except ValueError as error:
        raise UsageError(f"{path} {error}; run `hfv release verify` on its release") from None
    packed = _packed(path.parent)
    sizes: list[int | None] = []
    for name in rows["file_name"]:
        file = path.parent / str(name)
        sizes.append(file.stat().st_size if file.is_file() else packed.get(str(name)))
    return rows.assign(bytes=pd.array(sizes, dtype="Int64"))


def _packed(folder: Path) -> dict[str, int]:
    """Return the bytes of every file in the shards of the folder.

    Raises:
        UsageError: a shard is damaged.
    """
    found: dict[str, int] = {}
    for shard in sorted(folder.glob(f"*{SHARD_SUFFIX}")):
        try:
            with tarfile.open(shard, "r:") as tar:
                found |= {entry.name: entry.size for entry in tar}
        except (tarfile.TarError, EOFError) as error:
            raise UsageError(f"{shard} cannot be read: {error}") from None
    return found
