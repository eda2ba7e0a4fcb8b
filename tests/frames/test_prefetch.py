"""Decoding ahead: order, errors, what is not taken, and threads that end."""

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


def three(clip: int) -> Iterator[Chunk]:
    yield from (chunk(10 * clip + part) for part in range(3))


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def test_every_clip_comes_with_its_chunks_in_order() -> None:
    with looking_ahead(range(4), three) as ahead:
        seen = [(clip, [int(each.index[0]) for each in chunks]) for clip, chunks in ahead]
    assert seen == [(clip, [10 * clip, 10 * clip + 1, 10 * clip + 2]) for clip in range(4)]


def test_the_next_clip_is_decoded_meanwhile_and_no_further() -> None:
    decoded: list[int] = []

    def decode(clip: int) -> Iterator[Chunk]:
        for each in three(clip):
            decoded.append(clip)
            yield each

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

    seen = []
    with looking_ahead(range(3), decode) as ahead:
        for clip, chunks in ahead:
            try:
                seen.append((clip, len(list(chunks))))
            except ClipError:
                seen.append((clip, -1))
    assert seen == [(0, 2), (1, -1), (2, 2)]


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_what_is_not_taken_of_a_clip_is_passed_over(taken: int) -> None:
    firsts = []
    with looking_ahead(range(5), three) as ahead:
        for _, chunks in ahead:
            for _ in range(taken):
                firsts.append(int(next(chunks).index[0]))
    assert firsts == [10 * clip + part for clip in range(5) for part in range(taken)]


def test_an_error_of_the_list_itself_is_raised() -> None:
    def clips() -> Iterator[int]:
        yield 0
        raise OSError("the list is gone")

    with looking_ahead(clips(), three) as ahead:
        next(ahead)
        with pytest.raises(OSError, match="list is gone"):
            next(ahead)


def test_leaving_early_ends_the_thread() -> None:
    def interrupted() -> None:
        with looking_ahead(range(1000), three) as ahead:
            next(ahead)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
