"""Near duplicates: all hashes within the distance are found, copies join their originals, other clips do not."""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfv_builder.audit.hamming import near_pairs
from hfv_builder.audit.near import near_duplicates, near_groups
from hfv_builder.frames.hashing import MIRROR, SIDE, frame_hash
from hfv_builder.frames.signals import Signals, SignalWatch
from hfv_builder.frames.video import Chunk

Frames = npt.NDArray[np.uint8]
COPIES: dict[str, Callable[[Frames], Frames]] = {
    "re-encoded": lambda frames: np.stack([_jpeg(frame) for frame in frames]),
    "resized": lambda frames: np.stack([cv2.resize(frame, None, fx=0.7, fy=0.7) for frame in frames]).astype(np.uint8),
    "trimmed": lambda frames: frames[len(frames) // 10 :],
    "letterboxed": lambda frames: np.pad(frames, ((0, 0), (24, 24), (0, 0), (0, 0))),
    "mirrored": lambda frames: frames[:, :, ::-1],
}


def _jpeg(frame: Frames) -> Frames:
    data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 30])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def scene(seed: int, count: int = 40) -> Frames:
    """Return frames of moving shapes on a texture: (count, 144, 192, 3) uint8."""
    rng = np.random.default_rng(seed)
    background = cv2.resize(rng.integers(0, 255, (6, 8, 3)).astype(np.uint8), (192, 144), interpolation=cv2.INTER_CUBIC)
    shapes = [
        (
            rng.uniform(0, 192, 2),
            rng.uniform(1, 2, 2) * rng.choice([-1, 1], 2),
            int(rng.integers(8, 30)),
            rng.integers(0, 255, 3),
        )
        for _ in range(4)
    ]
    frames = []
    for time in range(count):
        frame = background.copy()
        for start, speed, size, colour in shapes:
            x, y = (start + time * speed).astype(int)
            cv2.circle(frame, (int(x), int(y)), size, [int(value) for value in colour], -1)
        frames.append(frame)
    return np.stack(frames).astype(np.uint8)


def signals(frames: Frames, *, chunk: int = 7) -> Signals:
    parts = [slice(start, start + chunk) for start in range(0, len(frames), chunk)]
    index = np.arange(len(frames), dtype=np.int32)
    watch = SignalWatch(Chunk(rgb=np.ascontiguousarray(frames[part]), index=index[part]) for part in parts)
    assert sum(len(chunk_read.rgb) for chunk_read in watch) == len(frames)
    return watch.compute()


@settings(max_examples=30)
@given(
    st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 5), st.sets(st.integers(0, 63), max_size=5)), max_size=20),
    st.integers(0, 5),
)
def test_every_pair_within_the_distance_is_found(
    bases: list[int], changes: list[tuple[int, set[int]]], distance: int
) -> None:
    values = [*bases, *(bases[base % len(bases)] ^ sum(1 << bit for bit in bits) for base, bits in changes)]
    first, second = near_pairs(np.array(values, np.uint64), distance)
    expected = [
        (i, j)
        for i in range(len(values))
        for j in range(i + 1, len(values))
        if (values[i] ^ values[j]).bit_count() <= distance
    ]
    assert [*zip(first.tolist(), second.tolist(), strict=True)] == expected


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_the_mirrored_image_has_the_mirrored_hash(seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 255, (SIDE, SIDE)).astype(np.uint8)
    hashed, mirrored = frame_hash(image), frame_hash(np.ascontiguousarray(image[:, ::-1]))
    assert hashed is not None
    assert mirrored == hashed ^ MIRROR
    assert frame_hash(np.full((SIDE, SIDE), 9, np.uint8)) is None


def test_copies_are_found_and_other_clips_are_not() -> None:
    originals = [scene(seed) for seed in range(30)]
    hashes = [signals(frames).hashes for frames in originals]
    owners = [*range(30)]
    for kind, copy in enumerate(COPIES.values()):
        for seed in range(6):
            owner = (6 * kind + seed) % 30
            hashes.append(signals(copy(originals[owner])).hashes)
            owners.append(owner)
    pairs = near_duplicates(hashes)
    groups = near_groups(pairs, len(hashes))
    is_joined = np.array([groups[30 + copy] == groups[owner] for copy, owner in enumerate(owners[30:])])
    assert is_joined.mean() >= 0.95
    assert len({*groups[:30].tolist()}) == 30  # no original is joined to another


def test_embeddings_can_rule_out_near_duplicates() -> None:
    hashes = [[0, 0, 0], [0, 31 << 8, 31 << 20], [0, 31 << 8, 31 << 20]]  # the first is five bits from the others
    vectors = np.array([[1, 0], [0, 1], [np.nan, np.nan]], np.float32)
    pairs = near_duplicates(hashes, vectors)
    assert {*zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)} == {(0, 2), (1, 2)}
    vectors[1] = [0, 1]  # equal frames need no confirmation by embeddings
    vectors[2] = [1, 0]
    pairs = near_duplicates(hashes, vectors)
    assert {*zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)} == {(0, 2), (1, 2)}
    assert near_groups(near_duplicates([[1], [], [1], [~1 & (1 << 64) - 1]]), 4).tolist() == [
        0,
        1,
        0,
        2,
    ]


def test_a_hash_that_thousands_of_clips_share_is_ignored() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2**63, (3000, 6), dtype=np.uint64)
    values[:, 0] = 12345  # a title card
    pairs = near_duplicates([*values])
    assert len(pairs.first) == 0


def test_signals_do_not_depend_on_chunks() -> None:
    frames = scene(1, 75)
    assert signals(frames, chunk=1) == signals(frames, chunk=75)


def test_media_faults_are_measured() -> None:
    frames = scene(2)
    clean = signals(frames)
    assert (clean.frozen, clean.black, clean.cuts, clean.border) == (0, 0, 0, 0)
    frozen = signals(np.concatenate([frames[:20], np.repeat(frames[19:20], 20, axis=0)])).frozen
    assert frozen == pytest.approx(20 / 39)
    assert signals(np.repeat(frames[:20], 2, axis=0)).frozen == pytest.approx(20 / 39)
    assert signals(np.concatenate([frames, np.zeros_like(frames[:10])])).black == pytest.approx(0.2)
    assert signals(np.concatenate([frames[:20], scene(7)[:20]])).cuts == 1
    flash = frames.copy()
    flash[20] = np.minimum(flash[20].astype(int) + 90, 255)
    assert signals(flash).cuts == 0
    letterbox = signals(COPIES["letterboxed"](frames))
    assert letterbox.border == pytest.approx(0.25, abs=0.02)


def test_a_clip_of_one_frame_has_no_signals_of_change() -> None:
    result = signals(scene(3, 1))
    assert (result.decoded, result.frozen, result.change, result.cuts, len(result.hashes)) == (1, None, None, None, 1)


def test_short_clips_are_compared_alike_beside_longer_ones() -> None:
    rng = np.random.default_rng(0)
    shared, one, other = rng.integers(0, 2**63, (3, 4)).tolist()
    short = [[*shared, *one], [*shared, *other]]  # one half is the same
    beside = [*short, rng.integers(0, 2**63, 12).tolist()]
    assert len(near_duplicates(short).first) == len(near_duplicates(beside).first) == 0


@pytest.mark.parametrize("titles", [1, 2])
def test_a_copy_is_found_among_clips_that_share_a_frame(titles: int) -> None:
    rng = np.random.default_rng(0)
    title, *others = rng.integers(0, 2**63, 1 + 6 * (titles + 1)).tolist()
    clips = [[title] * titles + others[clip::6] for clip in range(6)]
    copy = [title] * titles + [own ^ 0b11111 for own in others[3::6]]  # so bad that only the title is exactly the same
    pairs = near_duplicates([*clips, copy])
    assert [*zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)] == [(3, 6)]
