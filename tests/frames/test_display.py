"""Display of frames: display matrices, exact and rounded, and pixels that are not square."""

import math
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from hfv_builder.frames.display import display_size, nearest_transform
from hfv_builder.frames.facts import probe
from hfv_builder.frames.video import decode, frames
from hfv_builder.records import ClipError
from review_ui.proxies import make_proxy, plays_everywhere
from tests.conftest import moving_square, write_clip
from tests.frames.made import KINDS, make

Rgb = npt.NDArray[np.uint8]
FIXED_ONE = 65536
Matrix = tuple[int, int, int, int]


def turn(degrees: float) -> Matrix:
    """Return the matrix of a clockwise turn."""
    angle = math.radians(degrees)
    entries = (math.cos(angle), math.sin(angle), -math.sin(angle), math.cos(angle))
    a, b, c, d = (round(FIXED_ONE * entry) for entry in entries)
    return a, b, c, d


def same(rgb: Rgb) -> Rgb:
    return rgb


MATRICES: dict[str, tuple[Matrix, Callable[[Rgb], Rgb]]] = {
    "plain": ((FIXED_ONE, 0, 0, FIXED_ONE), same),
    "mirrored": ((-FIXED_ONE, 0, 0, FIXED_ONE), np.fliplr),
    "upside down": ((FIXED_ONE, 0, 0, -FIXED_ONE), np.flipud),
    "90": (turn(90), lambda rgb: np.rot90(rgb, 3)),
    "180": (turn(180), lambda rgb: np.rot90(rgb, 2)),
    "270": (turn(270), lambda rgb: np.rot90(rgb, 1)),
    "transposed": ((0, FIXED_ONE, FIXED_ONE, 0), lambda rgb: rgb.transpose(1, 0, 2)),
    "transposed the other way": ((0, -FIXED_ONE, -FIXED_ONE, 0), lambda rgb: np.rot90(rgb, 2).transpose(1, 0, 2)),
    "nearly 90": (turn(89.9999), lambda rgb: np.rot90(rgb, 3)),
    "a little over 90": (turn(90.01), lambda rgb: np.rot90(rgb, 3)),
    "nearly 180": (turn(179.99), lambda rgb: np.rot90(rgb, 2)),
    "270 off by one": ((1, -FIXED_ONE, FIXED_ONE, 1), lambda rgb: np.rot90(rgb, 1)),
    "180 off by one": ((-FIXED_ONE, 1, -1, -FIXED_ONE), lambda rgb: np.rot90(rgb, 2)),
    "180 off by one the other way": ((-FIXED_ONE, -1, 1, -FIXED_ONE), lambda rgb: np.rot90(rgb, 2)),
    "enlarged": ((2 * FIXED_ONE, 0, 0, 2 * FIXED_ONE), same),
}
IGNORED = {
    "45": turn(45),
    "1": turn(1),
    "zero": (0, 0, 0, 0),
    "singular": (FIXED_ONE, 0, FIXED_ONE, 0),
    "sheared": (FIXED_ONE, FIXED_ONE, 0, FIXED_ONE),
}


def with_matrix(source: Path, target: Path, matrix: Matrix) -> Path:
    """Copy an MP4 with another matrix in the header of its track."""
    data = bytearray(source.read_bytes())
    start = data.index(b"tkhd") + 4
    offset = start + (36 if data[start] == 0 else 48) + 4
    a, b, c, d = matrix
    data[offset : offset + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30 if any(matrix) else 0)
    target.write_bytes(data)
    return target


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("display") / "clip.mp4", moving_square(4))


@pytest.mark.parametrize("name", MATRICES)
def test_a_display_matrix_is_applied(tmp_path: Path, clip: Path, name: str) -> None:
    matrix, transform = MATRICES[name]
    path = with_matrix(clip, tmp_path / "shown.mp4", matrix)
    (stored,), (chunk,) = decode(clip), decode(path)
    assert np.array_equal(chunk.rgb, [transform(rgb) for rgb in stored.rgb])
    facts = probe(path)
    assert (facts.height, facts.width) == chunk.rgb.shape[1:3]
    assert facts.remarks == ()


@pytest.mark.parametrize("name", IGNORED)
def test_another_matrix_is_ignored_and_reported(tmp_path: Path, clip: Path, name: str) -> None:
    path = with_matrix(clip, tmp_path / "shown.mp4", IGNORED[name])
    (stored,), (chunk,) = decode(clip), decode(path)
    assert np.array_equal(chunk.rgb, stored.rgb)
    facts = probe(path)
    assert (facts.width, facts.height, facts.rotation) == (96, 64, 0)
    assert "display matrix is not axis-aligned" in facts.remarks[0]


def test_the_scale_of_a_matrix_does_not_matter() -> None:
    assert nearest_transform([0, -7, 0, 1 << 30, 0, 0, 5, 5, 1]) == nearest_transform([0, -1, 0, 1, 0, 0, 0, 0, 1])


def test_mirrored_clips_need_a_proxy_in_browsers(tmp_path: Path, clip: Path) -> None:
    path = with_matrix(clip, tmp_path / "mirrored.mp4", MATRICES["mirrored"][0])
    facts = vars(probe(path)) | {"rotation": 0}
    proxy = tmp_path / "proxy.mp4"
    make_proxy(path, proxy)
    assert plays_everywhere(proxy, facts)
    with_matrix(proxy, tmp_path / "again.mp4", MATRICES["mirrored"][0])
    assert not plays_everywhere(tmp_path / "again.mp4", facts)


def test_decord_shows_the_same_or_refuses(tmp_path: Path, clip: Path) -> None:
    pytest.importorskip("decord")
    for name in MATRICES:
        path = with_matrix(clip, tmp_path / "shown.mp4", MATRICES[name][0])
        (expected,) = decode(path)
        try:
            (chunk,) = decode(path, decoder="decord")
        except ClipError as error:
            assert "decord cannot decode it as it is shown" in str(error)  # noqa: PT017
        else:
            assert name not in ("mirrored", "upside down", "transposed")
            assert np.array_equal(chunk.rgb, expected.rgb)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "h264"])
def test_pixels_that_are_not_square_stay_as_stored_for_models(tmp_path: Path, suffix: str) -> None:
    kind = next(kind for kind in KINDS if kind.suffix == suffix and kind.codec == "libx264")
    path = make(tmp_path, kind, "pixels").path
    (chunk,) = decode(path)
    assert chunk.rgb.shape[1:3] == (64, 96)
    assert chunk.shape == pytest.approx(2)
    assert {frame.shape for frame in frames(path)} == {2.0}
    assert (probe(path).width, probe(path).height) == (96, 64)


@pytest.mark.parametrize(
    ("shape", "size"), [(1.0, (64, 96)), (2.0, (64, 192)), (0.5, (128, 96)), (1.001, (64, 96)), (0.01, (6400, 96))]
)
def test_display_enlarges_one_side_and_shrinks_none(shape: float, size: tuple[int, int]) -> None:
    assert display_size(64, 96, shape) == size
