"""Serve the media of clips: the original if all browsers play it, else a proxy, which is made once and in advance.

A clip in an object store is served from a copy.
"""

import hashlib
import logging
import math
import threading
import time
from collections.abc import Iterable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from hfv_builder.frames.facts import read_timeline
from hfv_builder.records import ClipError, UsageError
from hfv_builder.storage.file_status import status
from hfv_builder.storage.places import Place, local_copy
from review_ui.ahead import Ahead
from review_ui.cache import Cache
from review_ui.clips import Clips
from review_ui.proxies import copy, make_proxy, make_strip, plays_everywhere
from review_ui.workshop import Unfinished, Workshop

LOG = logging.getLogger(__name__)
AHEAD = 32
"""Number of clips of a queue whose media are made in advance."""
RETRY_S = 60.0
"""Seconds after which media that were not finished are tried again."""
CHANGED = "the file has changed since it was catalogued; run `hfv catalog` again"


@dataclass(frozen=True, kw_only=True)
class Served:
    """A file to send, and its media type."""

    path: Path
    media_type: str


class Media:
    """The media files of clips. No other files can be requested."""

    def __init__(self, clips: Clips, cache: Cache) -> None:
        """Start without making any file.

        Args:
            clips: the clips.
            cache: the cache of proxies and film strips.
        """
        self._clips = clips
        self._cache = cache
        self._failed: dict[int, tuple[str, float]] = {}
        """The reason why media cannot be made, and the time of the attempt; infinite if another would be in vain."""
        self._making: dict[Path, Future[None]] = {}
        self._begun: dict[Path, float] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._workshop = Workshop()
        self._checked: dict[int, tuple[int, int]] = {}
        """Size and modification time of files whose content was checked, by row."""
        self._plays = lru_cache(maxsize=4096)(lambda row, file, _: plays_everywhere(file, clips.media_facts(row)))
        self._now = ThreadPoolExecutor(2, thread_name_prefix="media")
        # Videos must not wait for the film strips of a grid.
        self._strips = ThreadPoolExecutor(1, thread_name_prefix="media-strips")
        self._later = Ahead(self._prepare)
        self._times = lru_cache(maxsize=512)(self._frame_times)

    def close(self) -> None:
        """Cancel waiting jobs and kill running ones."""
        self._closed = True
        self._workshop.close()
        for pool in (self._now, self._strips):
            pool.shutdown(cancel_futures=True)
        self._later.close()

    def video(self, row: int) -> Served:
        """Return the file to play, after making it if needed, which takes as long as decoding and encoding the clip.

        Raises:
            ClipError: the clip cannot be played, for the reason in the message.
        """
        target = self._target(row, ".mp4")
        if not self._cache.has(target):
            original = self._original(row)
            if original is not None:
                return Served(path=original, media_type="video/mp4")
            self._made(row, target)
        return Served(path=target, media_type="video/mp4")

    def has_video(self, row: int) -> bool:
        """Return whether `video` returns or raises at once."""
        if self._target(row, ".mp4").is_file() or self._failure(row):
            return True
        try:
            return self._original(row) is not None
        except (ClipError, UsageError):
            return True

    def has_strip(self, row: int) -> bool:
        """Return whether `strip` returns or raises at once."""
        return self._target(row, ".webp").is_file() or bool(self._failure(row))

    def state(self, row: int) -> dict[str, Any]:
        """Return whether the video is `ready`, being made (`making`, since `seconds`) or `waiting`. Reads files."""
        if self.has_video(row):
            return {"state": "ready", "seconds": None}
        begun = self._begun.get(self._target(row, ".mp4"))
        return {"state": "waiting" if begun is None else "making", "seconds": begun and time.monotonic() - begun}

    def strip(self, row: int) -> Served:
        """Return the film strip, after making it if needed.

        Raises:
            ClipError: the clip cannot be decoded.
        """
        target = self._target(row, ".webp")
        self._made(row, target)
        return Served(path=target, media_type="image/webp")

    def times(self, row: int) -> list[float]:
        """Return the presentation times of the frames of `video`, in seconds.

        Raises:
            ClipError: the clip cannot be played.
        """
        return self._times(row)

    def prepare(self, rows: Iterable[int]) -> None:
        """Make the media of these clips in the background, in this order and before those asked for earlier.

        Errors are reported when a clip is requested.
        """
        self._later.want(rows)

    def _prepare(self, row: int) -> None:
        try:
            if self._original(row) is None:
                self._make(row, self._target(row, ".mp4"))
            self._make(row, self._target(row, ".webp"))
        except (ClipError, UsageError, OSError):
            return
        except Exception:  # the thread must go on
            LOG.exception("media of clip %s cannot be prepared", self._clips.ids[row])

    def _failure(self, row: int) -> str | None:
        """Return the reason why the media cannot be made; None if there is none, or it is time for another attempt."""
        reason, tried = self._failed.get(row, (None, 0.0))
        return reason if time.monotonic() < tried + RETRY_S else None

    def _target(self, row: int, suffix: str) -> Path:
        return self._cache.path(f"{self._clips.ids[row]}{suffix}")

    def _frame_times(self, row: int) -> list[float]:
        times: list[float] = read_timeline(self.video(row).path).times.tolist()
        return times

    def _original(self, row: int) -> Path | None:
        """Return the clip's file if it is local and all browsers play it; None otherwise."""
        source = self._source(row)
        if not isinstance(source, Path):
            return None
        self._check_content(row, source)
        return source if self._plays(row, source, self._checked[row]) else None

    def _check_content(self, row: int, file: Path) -> None:
        """Check that the file has the catalogued content, again whenever it changes.

        Raises:
            ClipError: the content differs, or the file cannot be read.
        """
        try:
            stat = file.stat()
            state = stat.st_size, stat.st_mtime_ns
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
        """Return the place of the clip's file.

        Raises:
            ClipError: the file is gone, or has another size than the catalogued one.
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
        """Make the target if it does not exist, and wait for it."""
        if self._cache.has(target):
            return
        try:
            pool = self._strips if target.suffix == ".webp" else self._now
            pool.submit(self._make, row, target).result()
        except (CancelledError, RuntimeError) as error:
            if not self._closed:
                raise
            raise ClipError("the server is stopping") from error

    def _make(self, row: int, target: Path) -> None:
        """Make one file, only once if several threads request it at the same time."""
        with self._lock:
            if target.is_file():
                return
            running = self._making.get(target)
            future: Future[None] = Future()
            if running is None:
                self._making[target], self._begun[target] = future, time.monotonic()
        if running is not None:
            running.result()
            return
        try:
            self._write(row, target)
            future.set_result(None)
        except BaseException as error:
            future.set_exception(error)
            raise
        finally:
            with self._lock:
                self._making.pop(target, None)
                self._begun.pop(target, None)

    def _write(self, row: int, target: Path) -> None:
        if reason := self._failure(row):
            raise ClipError(reason)
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
                    if not self._closed:  # permanent, unlike a file that is not accessible, or what was not finished
                        tried = time.monotonic() if isinstance(error, Unfinished) else math.inf
                        self._failed[row] = str(error), tried
                    raise
            self._cache.add(target)
        except OSError as error:
            raise ClipError(f"its media cannot be made: {error.strerror or error}") from None
        except UsageError as error:
            raise ClipError(str(error)) from None
