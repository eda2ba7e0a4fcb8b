"""Make a release: gather the manifests, put the clips in place, write what describes them, check nothing is missing."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from shlex import quote

import pandas as pd
from tqdm import tqdm

from hfv_builder.records import UsageError
from hfv_builder.release import sheets
from hfv_builder.release.checksums import FILE as CHECKSUMS
from hfv_builder.release.checksums import checksums_text, sha256_of
from hfv_builder.release.composition import missing_labels
from hfv_builder.release.dataset import Dataset
from hfv_builder.release.facts import with_media
from hfv_builder.release.files import written_files
from hfv_builder.release.left_out import FILE as LEFT_OUT
from hfv_builder.release.media import Media, Placed
from hfv_builder.release.name import ReleaseName
from hfv_builder.release.recipe import Recipe
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.places import Place
from hfv_builder.wording import counted
from pipelines.generators import catalogued
from pipelines.outcome import SHOWN, Outcome, paragraphs, table
from pipelines.release.arguments import OUT
from pipelines.release.gather import gather
from pipelines.release.packing import pack
from pipelines.release.staging import Staging, staging
from pipelines.release.worker import ClipFile, place_shard
from pipelines.workers.cluster import LOCAL, Cluster
from pipelines.workers.dispatch import run_shards
from pipelines.workers.limits import cores

SHARD = 64
"""Clips that one task puts in place."""
ENCODED_SHARD = 8
"""Likewise where each is encoded, which takes seconds."""
IMPORTS = ("pipelines.release.worker", "av", "cv2", "decord")
"""What every worker needs."""


def release(
    manifests: Manifests,
    name: ReleaseName,
    *,
    out: Path = OUT,
    media: str = Media.ORIGINAL,
    variants: Sequence[str] = (),
    sharded: bool = False,
    allow_lite: bool = False,
    settings: Place | None = None,
    cluster: Cluster = LOCAL,
) -> Outcome:
    """Make the folder `NAME-VERSION` in `out` from what the manifests hold.

    Args:
        media: `original` puts the catalogued files in place, `uniform` makes all alike, `none` leaves them out.
        variants: names of `VARIANTS`, made of each evaluation set.
        sharded: pack clips into WebDataset shards.
        allow_lite: release labels of the profile `lite`.
        settings: the release.toml; None takes that of the manifests folder.

    Raises:
        UsageError: the manifests are not ready, the release is there already, or it cannot be written.
    """
    started = time.time()
    if media == Media.NONE and (variants or sharded):
        what = "variants" if variants else "shards"
        raise UsageError(f"a release without media has no {what}: give --media original or uniform with them")
    catalogued(manifests)  # or a mistyped place of them leaves a folder of releases
    with staging(out, name) as stage:
        dataset = gather(manifests, name, media=media, allow_lite=allow_lite, settings=settings, variants=variants)
        placed, left_out = ({}, {}) if media == Media.NONE else _place(dataset, stage, cluster)
        dataset = replace(with_media(dataset, placed, left_out), sharded=sharded)
        sums = {path: each.sha256 for path, each in placed.items()}
        if sharded:  # the clips themselves are deleted with all that is no part of the release
            sums = pack(dataset, {path: placed[path] for path in dataset.rows["path"]}, stage, cluster)
        files = {path: stage.folder / path for path in placed}
        images = sheets.draw(sheets.choose(dataset.clips), files, threads=cores())
        for path, content in written_files(dataset, images):
            stage.write(path, content)
            sums[path] = sha256_of(content)
        stage.drop_others(sums)
        stage.write(CHECKSUMS, checksums_text(sums))
        stage.finish()
    return _outcome(dataset, stage.final, placed, started)


def _place(dataset: Dataset, stage: Staging, cluster: Cluster) -> tuple[dict[str, Placed], dict[str, str]]:
    """Have the files of all clips put in place by workers.

    Returns:
        What became of each file, by path; and why clips are left out, by clip id.

    Raises:
        UsageError: some clips cannot be released.
    """
    is_uniform = dataset.media == Media.UNIFORM
    recipe = Recipe(uniform=dataset.settings.uniform if is_uniform else None, variants=dataset.settings.variants)
    work = partial(place_shard, recipe=recipe, folder=stage.folder, out=stage.final.parent)
    placed: dict[str, Placed] = {}
    left_out: dict[str, str] = {}
    errors: list[str] = []
    size = ENCODED_SHARD if is_uniform or len(dataset.rows) > len(dataset.clips) else SHARD
    with (
        cluster.connect(imports=IMPORTS) as client,
        tqdm(total=len(dataset.clips), desc=f"release {dataset.name.folder}", unit="clip", disable=None) as bar,
    ):
        for done in run_shards(client, work, _shards(dataset.rows, size), lock=stage.lock, wait_s=cluster.wait_s):
            if done.result is None:
                errors += [f"{clip.source}: {done.error}" for clip in done.items]
            else:
                placed |= done.result.placed
                left_out |= done.result.left_out
                errors += done.result.errors
            bar.update(len(done.items))
    if errors:
        shown = sorted(errors)[:SHOWN]
        more = f"\n… and {len(errors) - len(shown)} more" if len(errors) > len(shown) else ""
        raise UsageError(
            f"{len(errors)} of {len(dataset.clips)} clips cannot be released; put them back or run `hfv catalog` for "
            f"their folders again, then the stages behind it:\n{chr(10).join(shown)}{more}"
        )
    return dict(sorted(placed.items())), dict(sorted(left_out.items()))


def _shards(rows: pd.DataFrame, size: int) -> Iterator[list[ClipFile]]:
    """Yield the clips with all files that are made of each, a bounded number at a time."""
    columns = [rows[name] for name in ("generator", "clip_id", "source", "sha256", "variant", "path")]
    clips: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for *clip, variant, path in zip(*columns, strict=True):
        clips.setdefault(tuple(clip), []).append((variant, path))
    files = [
        ClipFile(generator=generator, clip_id=clip_id, source=source, sha256=sha256, paths=tuple(sorted(paths)))
        for (generator, clip_id, source, sha256), paths in clips.items()
    ]
    for at in range(0, len(files), size):
        yield files[at : at + size]


def _outcome(dataset: Dataset, final: Path, placed: dict[str, Placed], started: float) -> Outcome:
    sizes = dataset.rows.groupby(["folder"]).size()
    rows = [{"folder": folder, "clips": int(count)} for folder, count in sizes.items()]
    changed = Counter(each.media.value for each in placed.values() if each.media in (Media.REMUXED, Media.ENCODED))
    notes = ", ".join(f"{count} {what}" for what, count in sorted(changed.items()))
    note = f"{notes}, since decord or `datasets` cannot read the catalogued files" if changed else ""
    sets = {config.name: config.folders["test"] for config in dataset.configs if "test" in config.folders}
    warnings = [
        f"the evaluation set {name} has no {' and no '.join(labels)} clip: AUC over four classes is not defined there"
        for name, labels in missing_labels(dataset.rows, sets).items()
    ]
    left_out = 0 if dataset.left_out is None else len(dataset.left_out)
    summary = {
        "release": str(final),
        "warnings": warnings,
        "clips": len(dataset.clips),
        "folders": rows,
        "bytes": sum(each.bytes for each in placed.values()),
        "changed": dict(changed),
        "left_out": left_out,
        "profile": dataset.profile,
        "protocol": dataset.protocol,
    }
    without = (
        f"left out, {counted(left_out, 'clip')} that cannot be made uniform: see {LEFT_OUT} there" if left_out else ""
    )
    next_ = f"the release is {final}; next: hfv release verify {quote(str(final))}"
    said = "\n".join(f"warning: {warning}" for warning in warnings)
    return Outcome(summary=summary, text=paragraphs(table(rows), note, without, said, next_), started=started)
