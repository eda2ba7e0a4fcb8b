"""WebDataset shards: tar files in which each clip stands beside its label, for those who stream.

`tar -xf` in the folder of a shard puts its clips where a release of folders has them.
"""

import io
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pandas as pd

from hfv_builder.records import Label
from hfv_builder.release.layout import SUFFIX
from hfv_builder.storage.checksum import file_sha256
from hfv_builder.storage.json_text import load_json
from hfv_builder.storage.part_file import part_file

SHARD_SUFFIX = ".tar"
CLIPS, BYTES = 1000, 1 << 30
"""Of a shard at most, but for a clip that is larger by itself."""
FIELDS = (
    "clip_id",
    "generator",
    "is_real",
    "label",
    "r_hat",
    "confidence_weight",
    "label_source",
    "reviewers",
    "media",
)
"""Columns of the metadata that are null nowhere: readers take types from the first clips they meet."""


@dataclass(frozen=True, kw_only=True)
class Shard:
    """A tar file to make."""

    path: str
    """Relative to the release."""
    clips: tuple[tuple[str, str], ...]
    """Files relative to the folder of the shard, and what JSON says of each."""


def plan_shards(folder: str, rows: pd.DataFrame, sizes: Mapping[str, int]) -> Iterator[Shard]:
    """Yield the shards of a folder with metadata, clips in the order of their names.

    Args:
        rows: columns file_name and path (relative to the release) and `FIELDS`.
        sizes: bytes by path.
    """
    shards: list[list[tuple[str, str]]] = [[]]
    total = 0
    for row in rows.sort_values("file_name").to_dict("records"):
        size = sizes[row["path"]]
        if shards[-1] and (len(shards[-1]) == CLIPS or total + size > BYTES):
            shards.append([])
            total = 0
        shards[-1].append((row["file_name"], _sample(row)))
        total += size
    for number, clips in enumerate(shards):
        yield Shard(path=f"{folder}/shard-{number:06d}{SHARD_SUFFIX}", clips=tuple(clips))


def write_shard(shard: Shard, release: Path) -> str:
    """Write a tar file from clips that are in place; equal clips give equal bytes.

    Returns:
        Its SHA-256 in hex.

    Raises:
        OSError: a clip cannot be read or the file cannot be written.
    """
    target = release / shard.path
    with part_file(target) as part, tarfile.open(part, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, sample in shard.clips:
            content = sample.encode()
            tar.addfile(_entry(name.removesuffix(SUFFIX) + ".json", len(content)), io.BytesIO(content))
            with (target.parent / name).open("rb") as clip:
                tar.addfile(_entry(name, (target.parent / name).stat().st_size), clip)
    return file_sha256(target)


def read_shard(path: Path) -> Iterator[tuple[str, dict[str, Any], IO[bytes]]]:
    """Yield the path of each clip of a shard, relative to its folder, the JSON beside it and its content.

    Without JSON beside it the dict is empty. The content must be read before the next clip is requested.

    Raises:
        ValueError: it is no shard.
    """
    samples: dict[str, Any] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                stem, _, kind = member.name.rpartition(".")
                if kind == "json" and (file := tar.extractfile(member)):
                    samples = {stem: load_json(file.read())}
                elif f".{kind}" == SUFFIX and (file := tar.extractfile(member)):
                    yield member.name, samples.get(stem, {}), file
    except (tarfile.TarError, EOFError, KeyError, RecursionError) as error:  # the last two by links
        raise ValueError(f"it is no whole tar file: {error}") from None


def sample_of(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return what JSON says of a clip, from its metadata."""
    found = {name: row[name].item() if hasattr(row[name], "item") else row[name] for name in FIELDS}
    return found | {"label": int(found["label"]), "label_name": str(Label(int(found["label"])))}


def _sample(row: Mapping[Any, Any]) -> str:
    return json.dumps(sample_of(row), ensure_ascii=False)


def _entry(name: str, size: int) -> tarfile.TarInfo:
    """Return a tar member without owner and time."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o644
    return entry


def check_samples(
    rows: Sequence[Mapping[Any, Any]], samples: Mapping[str, dict[str, Any]]
) -> Iterator[tuple[str, str]]:
    """Yield clips of which a shard says something else than the metadata, and what is wrong.

    Args:
        rows: path (relative to the release) and `FIELDS`.
        samples: what the shards say, by path.
    """
    for row in rows:
        if row["path"] in samples and samples[row["path"]] != sample_of(row):
            yield str(row["path"]), "its JSON in the shard contradicts the metadata"
