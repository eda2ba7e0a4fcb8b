"""Scores in the layout of earlier versions, `scores/metric=…/generator=…`, which held one profile at a time."""

import hashlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from hfv_builder.clips.sources import NAME
from hfv_builder.records import Metric
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.places import sync, writable
from hfv_builder.storage.schema import SCORES, Table
from pipelines.generators import score_lock

OLD = Table(name=SCORES.name, partition=("metric", "generator"), schema=SCORES.schema, later=SCORES.later)
UNNAMED = "unnamed"
"""The profile of rows that name none."""


def old_generators(manifests: Manifests) -> list[str]:
    """Return the generators that have scores in the old layout, sorted."""
    return sorted({keys["generator"] for keys in manifests.partitions(OLD)})


def bring_up_to_date(manifests: Manifests, generators: Iterable[str]) -> None:
    """Move the scores of these generators that are in the old layout to the present one.

    Raises:
        UsageError: another command is scoring one of them, or the folder cannot be written.
    """
    for generator in sorted({*generators} & {*old_generators(manifests)}):
        with manifests.lock(score_lock(generator)):
            move_old_scores(manifests, generator)


def move_old_scores(manifests: Manifests, generator: str) -> None:
    """Do the same for one generator, whose `score_lock` the caller holds.

    Every row is kept. An old part is deleted once all its rows are written, to a part whose name does not change when
    this is done again after a kill.

    Raises:
        UsageError: a part cannot be read, or the folder not be written.
    """
    for keys in manifests.partitions(OLD, generator=generator):
        manifests.recover(OLD, **keys)
        parts = manifests.parts(OLD, **keys)
        for part in parts:
            rows = manifests.read_part(OLD, part).replace_schema_metadata()
            names = pc.fill_null(rows["profile"], UNNAMED)
            for name in names.unique().to_pylist():
                own = rows.filter(pc.equal(names, name))
                profile = folder_name(name)
                if profile != name:
                    print(f"scores of profile {name!r} are kept as those of {profile!r}", file=sys.stderr)
                _move_evidence(manifests, own["clip_id"], profile, **keys)
                manifests.recover(SCORES, profile=profile, **keys)
                manifests.add(SCORES, own, name=f"old-{part.stem}", profile=profile, **keys)
        folder = manifests.folder(OLD, **keys)
        for part in parts:
            part.unlink()
        sync(folder)
        if isinstance(folder, Path):
            for empty in (folder, folder.parent):
                if not any(empty.iterdir()):
                    empty.rmdir()


def folder_name(profile: str) -> str:
    """The name of a profile as it can name a folder; names that earlier versions allowed are changed as little as
    possible, and stay distinct.

    >>> folder_name("mine")
    'mine'
    """
    if NAME.fullmatch(profile):
        return profile
    kept = "".join(letter if NAME.fullmatch(f"a{letter}") else "-" for letter in profile.lower())
    return f"p-{kept[:40]}-{hashlib.sha256(profile.encode()).hexdigest()[:8]}"


def _move_evidence(manifests: Manifests, clips: pa.ChunkedArray, profile: str, *, metric: str, generator: str) -> None:
    """Move the images of these rows on a local disk; in an object store they stay at their old place, unused."""
    root = manifests.root
    if not isinstance(root, Path):
        return
    old = root / "evidence" / f"generator={generator}"
    if not old.is_dir():
        return
    for clip_id in clips.to_pylist():
        image = old / f"{clip_id}-{metric}.webp"
        if image.is_file():
            target = manifests.evidence(clip_id, Metric(metric), profile=profile, generator=generator)
            writable(target.parent)
            os.replace(image, str(target))
