"""Compute the features of clips that the cache lacks, and give them to detectors by row."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from hfv_builder.detectors.ahead import ahead
from hfv_builder.detectors.base import Extractor
from hfv_builder.detectors.feature_cache import FeatureCache
from hfv_builder.detectors.reader import Release
from hfv_builder.frames.video import frames
from hfv_builder.records import ClipError, UsageError, reason

PART = 32
"""Clips in one file of the cache; a kill of the process loses at most as many."""
PART_BYTES = 64 << 20
"""Bytes of features in memory before they are written."""


@dataclass(frozen=True)
class Uncached:
    """An extractor whose results are too large to be cached: they are computed at each access."""

    part: Extractor

    @property
    def fingerprint(self) -> str:
        """Identifies everything that decides the result but the file."""
        return self.part.fingerprint

    def extract(self, path: Path) -> npt.NDArray[Any]:
        """Return the features of the clip."""
        return self.part.extract(path)


def extracted(release: Release, extractor: Extractor, path: str) -> npt.NDArray[Any]:
    """Return the features of a clip of the release.

    Raises:
        UsageError: it cannot be decoded.
    """
    try:
        with release.file(path) as file:
            return extractor.extract(file)
    except (ClipError, OSError) as error:
        raise UsageError(
            f"{path} cannot be read ({reason(error)}): set cache_frames = true, which leaves such clips out"
        ) from None


def contents_of(release: Release, paths: Sequence[str], *, threads: int) -> tuple[dict[str, str], dict[str, str]]:
    """Return the SHA-256 of each readable file by path, and the reason for each unreadable file by path."""

    def one(path: str) -> tuple[str, str | None, str]:
        try:
            return path, release.content(path), ""
        except (ClipError, OSError) as error:
            return path, None, reason(error)

    with ThreadPoolExecutor(threads) as pool:
        done = list(pool.map(one, paths))
    good = {path: content for path, content, _ in done if content is not None}
    return good, {path: error for path, content, error in done if content is None}


def undecodable(release: Release, paths: Sequence[str], *, threads: int) -> dict[str, str]:
    """Return the reason for each clip of which no frame can be decoded, by path."""

    def one(path: str) -> str:
        try:
            with release.file(path) as file:
                for _ in frames(file):
                    break
        except (ClipError, OSError) as error:
            return reason(error)
        return ""

    with ThreadPoolExecutor(threads) as pool:
        reasons = dict(zip(paths, pool.map(one, paths), strict=True))
    return {path: error for path, error in reasons.items() if error}


def fill(
    cache: FeatureCache,
    extractor: Extractor,
    release: Release,
    contents: dict[str, str],
    *,
    threads: int,
    advance: Callable[[int], object] = lambda count: None,
) -> dict[str, str]:
    """Compute the features of the clips that the cache lacks, each content once.

    Args:
        contents: SHA-256 by path.
        threads: clips that are read at the same time.
        advance: called with the number of clips that are done.

    Returns:
        The reason for each clip without features, by path. Failures are not cached, so the next run tries again.
    """
    firsts: dict[str, str] = {}
    for path, content in sorted(contents.items()):
        firsts.setdefault(content, path)
    missing = [path for content, path in firsts.items() if content not in cache]
    failed: dict[str, str] = {}
    pending: dict[str, npt.NDArray[Any]] = {}

    def one(path: str) -> tuple[str, npt.NDArray[Any] | None, str]:
        try:
            with release.file(path) as file:
                return path, extractor.extract(file), ""
        except (ClipError, OSError) as error:
            return path, None, reason(error)

    with ThreadPoolExecutor(threads) as pool:
        for path, features, error in ahead(pool, one, missing, 2 * threads):
            advance(1)
            if features is None:
                failed[contents[path]] = error
                continue
            pending[contents[path]] = features
            if len(pending) == PART or sum(array.nbytes for array in pending.values()) > PART_BYTES:
                cache.add(pending)
                pending = {}
    cache.add(pending)
    return {path: failed[content] for path, content in contents.items() if content in failed}
