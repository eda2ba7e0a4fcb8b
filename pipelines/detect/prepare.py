"""The shared part of training and evaluation: the place of the features, and their computation for all clips."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from hfv_builder.backends.registry import resolve
from hfv_builder.backends.specs import BACKENDS
from hfv_builder.backends.weights import WeightsDir
from hfv_builder.detectors.base import Arrays, Detector, Extractor, Lazy, Samples
from hfv_builder.detectors.embeddings import BACKEND_NAMES, FrameEmbeddings
from hfv_builder.detectors.feature_cache import FeatureCache
from hfv_builder.detectors.features import Uncached, contents_of, extracted, fill, undecodable
from hfv_builder.detectors.frames import even_places
from hfv_builder.detectors.reader import Release
from hfv_builder.detectors.targets import Target, class_ids
from hfv_builder.profiles.profile import load_profile, profile_names
from hfv_builder.records import Metric, Status
from hfv_builder.release.selection import LITE
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import EMBEDDINGS, SCORES
from pipelines.device import chosen_device
from pipelines.workers.limits import cores


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """The places and resources of a computation."""

    cache: Path | None = None
    """The folder of all features; None: `features` next to the release."""
    device: str | None = None
    """cpu or cuda; None: a GPU if there is one."""
    threads: int | None = None
    """Clips that are read at the same time; None: one for each core."""
    manifests: Manifests | None = None
    """Manifests whose embeddings by models without weights are reused for the clips of the release."""
    weights: WeightsDir | None = None
    """None: the default directory."""

    @property
    def chosen_device(self) -> str:
        """The device that is used; see `pipelines.device.chosen_device`."""
        return chosen_device(self.device)

    def cache_of(self, release: Release) -> Path:
        """Return the folder of all features."""
        return self.cache or release.folder.parent / "features"


HERE = Workplace()
"""The default places and resources."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Clips with their features."""

    samples: Samples
    failed: dict[str, str]
    """The reasons for clips that were left out, by path."""
    contents: tuple[str, ...]
    """The identity of the file of each sample: its SHA-256, or the clip id where no file is needed."""


def is_lite(release: Release) -> bool:
    """Return whether the release was made with the profile lite."""
    profiles = release.rows["profile"].dropna()
    return bool(len(profiles)) and bool(profiles.eq(LITE).all())


def profile_of(release: Release) -> str:
    """Return the profile that made the scores of the release, or all of them; empty if it does not say."""
    return " + ".join(sorted(release.rows["profile"].dropna().unique()))


def prepare(
    release: Release, rows: pd.DataFrame, detector: Detector, target: Target, classes: Sequence[str], place: Workplace
) -> Prepared:
    """Return the clips that can be read, with their features, which are computed if the cache lacks them.

    Args:
        release: the release.
        rows: of its clips; equal files are read once.
        detector: names the features that it needs.
        target: its target.
        classes: the names of its classes.
        place: the places and resources of the computation.
    """
    extractors = detector.extractors()
    rows = rows.reset_index(drop=True)
    ids = class_ids(rows, target, classes)
    if not extractors:
        samples = Samples(rows=rows, features=[np.empty(0)] * len(rows), classes=ids)
        return Prepared(samples=samples, failed={}, contents=tuple(rows["clip_id"]))
    threads = place.threads or cores()
    contents, failed = contents_of(release, rows["path"].drop_duplicates().tolist(), threads=threads)
    caches: list[tuple[Extractor, FeatureCache | None]] = []
    for part in extractors:
        if isinstance(part, Uncached):
            caches.append((part, None))
            failed |= undecodable(release, [path for path in contents if path not in failed], threads=threads)
            continue
        cache = FeatureCache(place.cache_of(release), part.fingerprint)
        caches.append((part, cache))
        if place.manifests is not None and isinstance(part, FrameEmbeddings):
            take_embeddings(place.manifests, cache, part, rows, contents)
        failed |= _filled(
            cache, part, release, {path: own for path, own in contents.items() if path not in failed}, threads
        )
    kept = ~rows["path"].isin([*failed]).to_numpy()
    rows = rows[kept].reset_index(drop=True)
    own = tuple(contents[path] for path in rows["path"])
    features: list[Arrays] = [
        Lazy(tuple(rows["path"]), partial(extracted, release, part)) if cache is None else Lazy(own, cache.__getitem__)
        for part, cache in caches
    ]
    samples = Samples(rows=rows, features=features[0], further=tuple(features[1:]), classes=ids[kept])
    return Prepared(samples=samples, failed=dict(sorted(failed.items())), contents=own)


def _filled(
    cache: FeatureCache, extractor: Extractor, release: Release, contents: dict[str, str], threads: int
) -> dict[str, str]:
    """Compute the features that the cache lacks, and return the reasons for clips without features by path."""
    missing = len({*contents.values()} - {content for content in contents.values() if content in cache})
    with tqdm(total=missing, desc="features", unit="clip", disable=None if missing else True) as bar:
        return fill(cache, extractor, release, contents, threads=threads, advance=bar.update)


def take_embeddings(
    manifests: Manifests,
    cache: FeatureCache,
    extractor: FrameEmbeddings,
    rows: pd.DataFrame,
    contents: dict[str, str],
) -> None:
    """Copy embeddings from the manifests into the cache, for files with the catalogued content and all frames.

    Only those of a model without weights are taken, which equal the result of `extractor`: the manifests do not say
    with which weights, precision and device the others were computed. So no result depends on whether they exist.
    Nor do they say by which profile: another one may shrink the frames or choose another region.
    """
    if extractor.name not in BACKEND_NAMES or BACKENDS[extractor.name].weights is not None:
        return
    profiles = {keys["profile"] for keys in manifests.partitions(SCORES, metric=Metric.APPEARANCE.value)}
    if not profiles <= {*profile_names()}:
        return
    lengths = dict(zip(rows["path"], rows["num_frames"], strict=True))
    wanted = {
        content[:16]: (content, int(lengths[path]))
        for path, content in contents.items()
        if content not in cache and pd.notna(lengths[path])
    }
    if wanted:
        wanted = {clip: wanted[clip] for clip in _scored_by_lite(manifests) if clip in wanted}
    for keys in manifests.partitions(EMBEDDINGS, model=extractor.name) if wanted else ():
        table = manifests.read(EMBEDDINGS, ["clip_id", "frames", "vectors"], **keys)
        table = table.filter(pc.is_in(table["clip_id"], value_set=pa.array(sorted(wanted), pa.string())))
        taken = {}
        for clip_id, frames, vectors in zip(*(table[name].to_pylist() for name in table.column_names), strict=True):
            content, total = wanted[clip_id]
            if frames == list(range(total)):
                taken[content] = np.array(vectors, np.float16)[even_places(total, extractor.count)]
        cache.add(taken)


def _scored_by_lite(manifests: Manifests) -> list[str]:
    """Return the clips with an appearance score, and so embeddings, as `lite` computes them now."""
    metric = Metric.APPEARANCE
    current = resolve(load_profile(LITE), [metric]).fingerprints[metric]
    table = manifests.read(SCORES, ["clip_id", "fingerprint", "status"], profile=LITE, metric=metric.value)
    own = pc.and_(pc.equal(table["status"], Status.OK.value), pc.equal(table["fingerprint"], current))
    clips: list[str] = table.filter(own)["clip_id"].to_pylist()
    return clips
