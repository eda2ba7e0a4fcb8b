"""Which file the page gets for a clip: the original if browsers play it, else a proxy, made once and ahead of need.

Of a clip that is in a store, a copy stands in for the original.
"""

import hashlib
import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from hfv_builder.frames.facts import read_timeline
from hfv_builder.records import METRICS, ClipError, Metric, UsageError
from hfv_builder.scoring.heat import coloured, scale_of
from hfv_builder.storage.places import Place, local_copy, status
from review_ui.cache import Cache
from review_ui.clips import Clips
from review_ui.proxies import copy, make_proxy, make_strip, plays_everywhere
from review_ui.workshop import Workshop

LOG = logging.getLogger(__name__)
AHEAD = 8
"""Clips whose media are made before somebody gets them."""
CHANGED = "the file has changed since it was catalogued; run `hfv catalog` again"
LEARNT_FROM = 128
"""Clips of a generator whose error maps decide the scale of all."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """A file that may be sent, and what it is."""

    path: Path
    media_type: str


class Media:
    """Files by clip; nothing else can be asked for."""

    def __init__(self, clips: Clips, cache: Cache, evidence: Callable[[str, str, Metric], Path | None]) -> None:
        """Make proxies in `cache`; `evidence` gives the image of a clip id, generator and metric."""
        self._clips = clips
        self._cache = cache
        self._evidence = evidence
        self._failed: dict[int, str] = {}
        self._prepared: set[int] = set()
        self._making: dict[Path, Future[None]] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._workshop = Workshop()
        self._checked: dict[int, tuple[int, int]] = {}
        """Size and time of change of files that have the content that was catalogued."""
        self._plays = lru_cache(maxsize=4096)(self._plays_everywhere)
        # What is asked for now must not wait behind what may be asked for later.
        self._now = ThreadPoolExecutor(2, thread_name_prefix="media")
        self._later = ThreadPoolExecutor(1, thread_name_prefix="media-ahead")
        self._times = lru_cache(maxsize=512)(self._frame_times)
        self._scales = lru_cache(maxsize=None)(self._scale)

    def close(self) -> None:
        """Drop what waits, end what runs."""
        self._closed = True
        self._workshop.close()
        for pool in (self._now, self._later):
            pool.shutdown(cancel_futures=True)

    def video(self, row: int) -> Served:
        """The file that plays, made now if it must be. Takes as long as decoding and encoding the clip.

        Raises:
            ClipError: it cannot be played; the sentence says why.
        """
        target = self._target(row, ".mp4")
        if not self._cache.has(target):
            original = self._original(row)
            if original is not None:
                return Served(path=original, media_type="video/mp4")
            self._made(row, target)
        return Served(path=target, media_type="video/mp4")

    def has_video(self, row: int) -> bool:
        """Whether `video` gives its answer at once, also if that is an error."""
        if self._target(row, ".mp4").is_file() or row in self._failed:
            return True
        try:
            return self._original(row) is not None
        except (ClipError, UsageError):
            return True

    def has_strip(self, row: int) -> bool:
        """Whether `strip` gives its answer at once, also if that is an error."""
        return self._target(row, ".webp").is_file() or row in self._failed

    def strip(self, row: int) -> Served:
        """The film strip.

        Raises:
            ClipError: the clip cannot be decoded.
        """
        target = self._target(row, ".webp")
        self._made(row, target)
        return Served(path=target, media_type="image/webp")

    def times(self, row: int) -> list[float]:
        """Seconds at which each frame of `video` is shown.

        Raises:
            ClipError: the clip cannot be played.
        """
        return self._times(row)

    def evidence(self, row: int, metric: Metric) -> Served | None:
        """The picture of the metric's worst moment, if scoring wrote one."""
        generator = self._clips.generators[int(self._clips.generator[row])]
        path = self._evidence(self._clips.ids[row], generator, metric)
        return Served(path=path, media_type="image/webp") if path else None

    def panel(self, row: int, metric: Metric) -> bytes | None:
        """That picture as a WebP, its error map coloured on the scale of its generator. Reads files."""
        found = self._image(row, metric)
        return found and coloured(found, metric, self._scales(int(self._clips.generator[row]), metric))

    def _scale(self, generator: int, metric: Metric) -> float:
        """The error that is white in maps of this generator: learnt from some of its clips, spread over all."""
        rows = np.flatnonzero(self._clips.generator == generator)
        some = rows[np.linspace(0, len(rows) - 1, min(len(rows), LEARNT_FROM)).astype(int)]
        return scale_of(found for row in some if (found := self._image(int(row), metric)))

    def _image(self, row: int, metric: Metric) -> bytes | None:
        """The picture as scoring wrote it; None if it is gone."""
        found = self.evidence(row, metric)
        with suppress(OSError):
            return found.path.read_bytes() if found else None
        return None

    def panels(self, row: int) -> list[Metric]:
        """The metrics that have such a picture."""
        return [metric for metric in METRICS if self.evidence(row, metric) is not None]

    def prepare(self, rows: Iterable[int]) -> None:
        """Make what these clips need in the background; faults are told when somebody asks for the clip."""
        for row in rows:
            if row not in self._prepared:
                self._prepared.add(row)
                with suppress(RuntimeError):  # the server is stopping
                    self._later.submit(self._prepare, row)

    def _prepare(self, row: int) -> None:
        try:
            if self._original(row) is None:
                self._make(row, self._target(row, ".mp4"))
            self._make(row, self._target(row, ".webp"))
        except (ClipError, UsageError, OSError):
            return
        except Exception:  # nobody looks at the futures of this pool
            LOG.exception("media of clip %s cannot be prepared", self._clips.ids[row])

    def _target(self, row: int, suffix: str) -> Path:
        return self._cache.path(f"{self._clips.ids[row]}{suffix}")

    def _frame_times(self, row: int) -> list[float]:
        times: list[float] = read_timeline(self.video(row).path).times.tolist()
        return times

    def _original(self, row: int) -> Path | None:
        """The clip's file, if it is on this machine and may be sent as it is."""
        source = self._source(row)
        if not isinstance(source, Path):
            return None
        self._check_content(row, source)
        return source if self._plays(row, source, self._checked[row]) else None

    def _plays_everywhere(self, row: int, source: Path, _: tuple[int, int]) -> bool:
        return plays_everywhere(source, self._clips.media_facts(row))

    def _check_content(self, row: int, file: Path) -> None:
        """Check, once for each change of the file, that it has the content that was catalogued.

        Raises:
            ClipError: it has another, or cannot be read.
        """
        try:
            known = file.stat()
            state = known.st_size, known.st_mtime_ns
            if self._checked.get(row) == state:
                return
            with file.open("rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
        except OSError as error:
            raise ClipError(f"the file cannot be read: {error.strerror or error}") from None
        if not digest.startswith(self._clips.ids[row]):
            raise ClipError(CHANGED)
        self._checked[row] = state

    def _source(self, row: int) -> Place:
        """The clip's file.

        Raises:
            ClipError: it is gone or not the one that was catalogued.
        """
        path = self._clips.path(row)
        try:
            size = status(path).bytes
        except OSError:
            raise ClipError("the file is not where it was catalogued") from None
        if size != self._clips.media_facts(row)["bytes"]:
            raise ClipError(CHANGED)
        return path

    def _made(self, row: int, target: Path) -> None:
        """Wait until the target is there."""
        if self._cache.has(target):
            return
        try:
            self._now.submit(self._make, row, target).result()
        except (CancelledError, RuntimeError) as error:
            if not self._closed:
                raise
            raise ClipError("the server is stopping") from error

    def _make(self, row: int, target: Path) -> None:
        """Make one file, once however many ask at the same time."""
        with self._lock:
            if target.is_file():
                return
            running = self._making.get(target)
            mine: Future[None] = Future()
            if running is None:
                self._making[target] = mine
        if running is not None:
            running.result()
            return
        try:
            self._write(row, target)
            mine.set_result(None)
        except BaseException as error:
            mine.set_exception(error)
            raise
        finally:
            with self._lock:
                self._making.pop(target, None)

    def _write(self, row: int, target: Path) -> None:
        if row in self._failed:
            raise ClipError(self._failed[row])
        try:
            self._cache.make_room()
            with local_copy(self._source(row)) as file:
                self._check_content(row, file)
                try:
                    if target.suffix == ".webp":
                        self._workshop.run(make_strip, file, target)
                    elif plays_everywhere(file, self._clips.media_facts(row)):
                        copy(file, target)
                    else:
                        self._workshop.run(make_proxy, file, target)
                except ClipError as error:
                    if not self._closed:
                        self._failed[row] = str(error)  # it will not get better, unlike what is only out of reach
                    raise
            self._cache.add(target)
        except OSError as error:
            raise ClipError(f"it cannot be made ready: {error.strerror or error}") from None
        except UsageError as error:
            raise ClipError(str(error)) from None
