"""Decode the next clip in a background thread while the current one is on the device.

FFmpeg and OpenCV release the GIL, so that a thread is enough and frames need not be copied between processes.
"""

import contextlib
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import torch

from hfv_builder.frames.video import Chunk

K = TypeVar("K")
POLL_S = 0.1
"""Seconds after which a waiting decoder checks whether it was stopped."""


@dataclass(frozen=True)
class _Start(Generic[K]):
    clip: K
    dropped: threading.Event
    """Set when the rest of the clip is not needed."""


@dataclass(frozen=True)
class _End:
    """The end of a clip's chunks."""

    error: BaseException | None


@dataclass(frozen=True)
class _Done:
    """The end of all clips."""

    error: BaseException | None = None


Item = _Start[K] | Chunk | _End | _Done


@contextlib.contextmanager
def looking_ahead(
    clips: Iterable[K], decode: Callable[[K], Iterable[Chunk]], *, chunks: int = 2, pin: bool = False
) -> Generator[Iterator[tuple[K, Iterator[Chunk]]]]:
    """Yield an iterator of the clips with their chunks, decoded in advance; join the thread at the end.

        with looking_ahead(clips, lambda clip: video.decode(clip.path)) as ahead:
            for clip, chunks in ahead:
                scores = scorer.score(chunks)

    An exception of `decode` is raised by the chunks of its clip, after those decoded before it; the next clip is not
    affected. Chunks that are not consumed are dropped. An exception of `clips` itself ends the iteration.

    Args:
        clips: the clips.
        decode: returns the chunks of a clip; runs in the thread.
        chunks: number of decoded chunks in the queue; memory is bounded by (chunks + 2) · `video.CHUNK_BYTES`, for one
            more chunk in use and one being decoded.
        pin: put the frames into page-locked memory, from which the GPU copies faster; needs CUDA.
    """
    waiting: queue.Queue[Item[K]] = queue.Queue(maxsize=chunks)
    stopped = threading.Event()
    thread = threading.Thread(
        target=_decode_all, args=(clips, decode, waiting, stopped, pin), name="hfv-decoder", daemon=True
    )
    thread.start()
    try:
        yield _clips(waiting)
    finally:
        stopped.set()
        thread.join()


def pinned(chunk: Chunk) -> Chunk:
    """Return the chunk with its frames in page-locked memory."""
    return replace(chunk, rgb=torch.from_numpy(chunk.rgb).pin_memory().numpy())


def _clips(waiting: "queue.Queue[Item[K]]") -> Iterator[tuple[K, Iterator[Chunk]]]:
    while not isinstance(item := waiting.get(), _Done):
        if isinstance(item, _Start):
            yield item.clip, _chunks(waiting)
            item.dropped.set()
        # Other items belong to a clip that was not consumed to its end.
    if item.error is not None:
        raise item.error


def _chunks(waiting: "queue.Queue[Item[K]]") -> Iterator[Chunk]:
    while isinstance(item := waiting.get(), Chunk):
        yield item
    if isinstance(item, _End) and item.error is not None:
        raise item.error


def _decode_all(
    clips: Iterable[K],
    decode: Callable[[K], Iterable[Chunk]],
    waiting: "queue.Queue[Item[K]]",
    stopped: threading.Event,
    pin: bool,
) -> None:
    def put(item: "Item[K]") -> None:
        while not stopped.is_set():
            with contextlib.suppress(queue.Full):
                return waiting.put(item, timeout=POLL_S)

    try:
        for clip in clips:
            dropped = threading.Event()
            put(_Start(clip, dropped))
            error = None
            try:
                for chunk in decode(clip):
                    put(pinned(chunk) if pin else chunk)
                    if stopped.is_set() or dropped.is_set():
                        break
            except BaseException as raised:
                error = raised
            put(_End(error))
            if stopped.is_set():
                return
        put(_Done())
    except BaseException as raised:
        put(_Done(raised))
