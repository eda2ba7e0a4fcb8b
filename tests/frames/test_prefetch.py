"""Decoding ahead keeps the order, reports errors for the right clip, skips what is not read, and ends its thread."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from hfv_builder.frames.prefetch import looking_ahead
from hfv_builder.frames.video import Chunk
from hfv_builder.records import ClipError


def chunk(number: int) -> Chunk:
    return Chunk(rgb=np.zeros((1, 2, 2, 3), np.uint8), index=np.array([number], np.int32))


def three_chunks(clip: int) -> Iterator[Chunk]:
    """Yield three chunks of a frame each, whose indices tell clip and position."""
    yield from (chunk(10 * clip + part) for part in range(3))


@pytest.fixture(autouse=True)
def _all_threads_end() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def test_every_clip_comes_with_its_chunks_in_order() -> None:
    with looking_ahead(range(4), three_chunks) as ahead:
        result = [(clip, [int(part.index[0]) for part in chunks]) for clip, chunks in ahead]
    assert result == [(clip, [10 * clip, 10 * clip + 1, 10 * clip + 2]) for clip in range(4)]


def test_clips_are_decoded_only_so_far_ahead() -> None:
    decoded: list[int] = []

    def decode(clip: int) -> Iterator[Chunk]:
        for part in three_chunks(clip):
            decoded.append(clip)
            yield part

    with looking_ahead(range(50), decode, chunks=4) as ahead:
        next(ahead)
        time.sleep(0.3)
        assert 2 <= len(decoded) <= 6


def test_an_error_belongs_to_its_clip() -> None:
    def decode(clip: int) -> Iterator[Chunk]:
        yield chunk(clip)
        if clip == 1:
            raise ClipError("broken")
        yield chunk(clip)

    counts = []
    with looking_ahead(range(3), decode) as ahead:
        for clip, chunks in ahead:
            try:
                counts.append((clip, len(list(chunks))))
            except ClipError:
                counts.append((clip, -1))
    assert counts == [(0, 2), (1, -1), (2, 2)]


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_chunks_that_are_not_read_are_skipped(taken: int) -> None:
    indices = []
    with looking_ahead(range(5), three_chunks) as ahead:
        for _, chunks in ahead:
            for _ in range(taken):
                indices.append(int(next(chunks).index[0]))
    assert indices == [10 * clip + part for clip in range(5) for part in range(taken)]


def test_an_error_of_the_list_of_clips_is_raised() -> None:
    def clips() -> Iterator[int]:
        yield 0
        raise OSError("the list is gone")

    with looking_ahead(clips(), three_chunks) as ahead:
        next(ahead)
        with pytest.raises(OSError, match="list is gone"):
            next(ahead)


def test_leaving_early_ends_the_thread() -> None:
    def interrupted() -> None:
        with looking_ahead(range(1000), three_chunks) as ahead:
            next(ahead)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
