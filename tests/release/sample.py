"""Small labelled and split manifests with real clips, as the stages before a release leave them."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hfv_builder.frames.facts import probe
from hfv_builder.records import METRICS
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, SCORES
from pipelines.label.stage import label
from pipelines.split.stage import split
from tests.conftest import moving_square, write_clip

FAKE = ("seed", "other", "third.2")
REAL = "film"
SOURCES = """
[seed]
name = "Seed"
role = "train"
quantity = 12
licence = "Apache-2.0"
url = "https://example.org/seed"
["third.2"]
name = "Third"
role = "eval"
licence = "MIT"
[other]
name = "Other"
role = "eval"
licence = "see the provider's terms"
[film]
name = "Film"
real = true
role = "train"
train = 5
licence = "CC-BY-4.0"
url = "https://example.org/film"
"""
SETTINGS = """
title = "Small set"
description = "Clips for tests."
licence = "cc-by-4.0"
licence_url = "https://creativecommons.org/licenses/by/4.0/"
url = "https://example.org/small"
date_published = "2026-01-31"
citation = "@misc{small}"
[[creators]]
name = "Anna"
affiliation = "Somewhere"
[rai]
limitations = "It is small."
biases = "It shows squares."
personal_sensitive_information = "Nobody is in it."
use_cases = "Tests."
social_impact = "None."
"""


def fill(
    root: Path, *, clips: int = 12, write: Callable[[Path, int], Path] | None = None, profile: str = "mine"
) -> Manifests:
    """Write clips, catalogue them, score them by chance, label and split them by the paper's protocol.

    Args:
        clips: of each generator.
        write: writes one clip, given its path and a number of its own.
    """
    manifests = Manifests(root / "manifests")
    manifests.root.mkdir(parents=True)
    (root / "manifests" / "sources.toml").write_text(SOURCES)
    (root / "manifests" / "release.toml").write_text(SETTINGS)
    rng = np.random.default_rng(0)
    for place, generator in enumerate((*FAKE, REAL)):
        files = [root / "clips" / generator / f"{number:03d}.mp4" for number in range(clips)]
        for number, file in enumerate(files):
            (write or small_clip)(file, 1000 * place + number)
        catalogue(manifests, generator, files)
        if generator != REAL:
            ids = manifests.read(CLIPS, ["clip_id"], generator=generator)["clip_id"].to_pylist()
            for metric in METRICS:
                write_scores(manifests, generator, metric.value, ids, rng.random(clips), profile)
    label(manifests, profile=profile)
    split(manifests, protocol="hfv")
    return manifests


def small_clip(path: Path, number: int) -> Path:
    """A clip of eight frames that no other number gives."""
    return write_clip(path, moving_square(8, seed=number))


def catalogue(manifests: Manifests, generator: str, files: list[Path]) -> None:
    """Write rows of these files as `hfv catalog` would."""
    rows = []
    for file in files:
        content = file.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        facts = {name: value for name, value in vars(probe(file)).items() if name in CLIPS.schema.names}
        row = dict.fromkeys(CLIPS.schema.names) | facts | {"clip_id": sha256[:16], "sha256": sha256}
        row |= {"generator": generator, "is_real": generator == REAL, "path": str(file), "bytes": len(content)}
        rows.append(row | {"prompt": f"a square, {file.stem}", "prompt_group": file.stem, "status": "ok"})
    manifests.replace(CLIPS, [pa.Table.from_pylist(rows, schema=CLIPS.schema)], generator=generator)


def write_scores(
    manifests: Manifests,
    generator: str,
    metric: str,
    ids: list[str],
    scores: Iterable[float],
    profile: str,
    *,
    fingerprint: str = "f",
) -> None:
    """Write a score of each clip."""
    rows = [
        dict.fromkeys(SCORES.schema.names)
        | {"clip_id": clip, "generator": generator, "metric": metric, "score": float(value), "profile": profile}
        | {"fingerprint": f"{fingerprint}-{metric}", "status": "ok"}
        for clip, value in zip(ids, scores, strict=True)
    ]
    table = pa.Table.from_pylist(rows, schema=SCORES.schema)
    manifests.replace(SCORES, [table], profile=profile, metric=metric, generator=generator)


def no_utf8(path: Path, name: str) -> None:
    """Put bytes that are no text into a column of a metadata.parquet."""
    table = pq.read_table(path)
    bad = pa.array([b"\xff"] * len(table), pa.binary())
    column = pa.Array.from_buffers(pa.string(), len(bad), bad.buffers())
    pq.write_table(table.set_column(table.schema.get_field_index(name), name, column), path)
