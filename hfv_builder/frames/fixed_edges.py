"""The edges that stay where they are throughout a clip, as a map; those of watermarks are among them."""

import numpy as np
import numpy.typing as npt

SIDE = 128
"""Rows and columns of the map, whatever the shape of the frames."""
STEP = 2.0
"""Grey levels a pixel below which the mean of the frames has no edge."""
LEAST = 4
"""Frames below which nothing is known to stay."""

Grey = npt.NDArray[np.uint8]
Vectors = npt.NDArray[np.float32]


def fixed_edges(kept: Grey) -> bytes | None:
    """Return the map of the edges of the mean of the frames: what moves leaves none. None with too few frames.

    Args:
        kept: (n, `SIDE`, `SIDE`) uint8, frames spread over the clip.

    Returns:
        For each place, row by row, half a byte: 0 without an edge, else 1 to 8 for the eighth of the circle in which
        the brightness rises.
    """
    if len(kept) < LEAST:
        return None
    mean = kept.sum(axis=0, dtype=np.uint32).astype(np.float32) / np.float32(len(kept))
    down, across = np.zeros_like(mean), np.zeros_like(mean)
    down[1:-1] = (mean[2:] - mean[:-2]) / 2
    across[:, 1:-1] = (mean[:, 2:] - mean[:, :-2]) / 2
    octants = 1 + 4 * (down < 0) + 2 * (across < 0) + (np.abs(down) > np.abs(across))
    codes = np.where(down * down + across * across > STEP * STEP, octants, 0).astype(np.uint8).ravel()
    return (codes[::2] << 4 | codes[1::2]).tobytes()


def edge_directions(packed: bytes) -> Vectors:
    """Return the direction in which the brightness rises, (2, `SIDE`, `SIDE`) float32 of length 1; 0 without an edge.

    Args:
        packed: from `fixed_edges`.
    """
    pairs = np.frombuffer(packed, np.uint8)
    codes = np.stack([pairs >> 4, pairs & 15], axis=1).reshape(SIDE, SIDE)
    return _DIRECTIONS[:, codes]


def _directions() -> Vectors:
    """Return the middle of each eighth of the circle, (2, 9): rows down and across, columns the codes."""
    near, far = np.sin(np.pi / 8), np.cos(np.pi / 8)
    table = np.zeros((2, 9), np.float32)
    for code in range(8):
        steep = code & 1
        table[0, 1 + code] = (far if steep else near) * (-1 if code & 4 else 1)
        table[1, 1 + code] = (near if steep else far) * (-1 if code & 2 else 1)
    return table


_DIRECTIONS = _directions()
