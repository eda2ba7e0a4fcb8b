"""Overlays: edges of one direction at one place in most clips, caused by a watermark, a logo or a caption.

Every clip has a map of its static edges. Edges of a scene have another direction or place in the next clip; edges of an
overlay have the same direction and place in all clips.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation, label

from hfv_builder.frames.fixed_edges import SIDE, edge_directions

LEAST = 8
"""Smallest number of clips with different contents for a result."""
STEADY, FEW, MOST = 0.6, 0.6, 0.8
"""The length of the mean direction of the edges at a place of an overlay is at least 0.6 + 0.6/√n in n clips, or
0.8."""
AREA = 12
"""Smallest number of places of an overlay; a place is a 128th of the height by a 128th of the width."""
JOINED = 2
"""Steps by which places are widened before they are joined, so that letters make one overlay."""
AT_ONCE = 64
"""Clips whose maps are unpacked together."""
SHOWS = 0.5
"""Smallest mean cosine of a clip's edges and those of the overlays for the clip to show the overlays."""

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Box:
    """The place of an overlay, as shares of the height and width."""

    top: float
    bottom: float
    left: float
    right: float

    @property
    def cut(self) -> tuple[str, float]:
        """Return the side of the frame where the smallest strip removes the overlay, and the share of that strip."""
        sides = {"top": self.bottom, "bottom": 1 - self.top, "left": self.right, "right": 1 - self.left}
        side = min(sides, key=lambda name: (sides[name], name))
        return side, sides[side]


@dataclass(frozen=True, kw_only=True)
class Overlays:
    """The overlays in clips of one shape."""

    boxes: tuple[Box, ...]
    """The boxes of the overlays, the largest first."""
    shows: Mask
    """(n,), whether each clip shows them."""
    steadiness: Floats
    """(128, 128) in [0, 1], the length of the mean direction of the edges at each place: 1 if all clips agree."""


def find_overlays(maps: Sequence[bytes], contents: npt.NDArray[np.int64]) -> Overlays | None:
    """Return the overlays of clips of one shape and source; None if there are too few different contents.

    Args:
        maps: (n,), the `fixed_edges` of each clip.
        contents: (n,), equal for clips that show the same, such as near duplicates; each content counts once.
    """
    values, inverse = np.unique(contents, return_inverse=True)
    if len(values) < LEAST:
        return None
    weights = 1 / np.bincount(inverse)[inverse] / len(values)
    mean = np.zeros((2, SIDE, SIDE))
    for part, edges in _batches(maps):
        mean += np.tensordot(weights[part], edges, axes=1)
    steadiness = np.hypot(*mean)
    steady = steadiness >= min(MOST, STEADY + FEW / len(values) ** 0.5)
    regions, count = label(binary_dilation(steady, iterations=JOINED))
    sizes = np.bincount(regions[steady], minlength=count + 1)
    chosen = [number for number in np.argsort(-sizes, kind="stable").tolist() if sizes[number] >= AREA]
    shows = np.zeros(len(maps), bool)
    if chosen:
        place = steady & np.isin(regions, chosen)
        wanted = mean[:, place] / steadiness[place]
        for part, edges in _batches(maps):
            shows[part] = np.einsum("nip,ip->n", edges[:, :, place], wanted) / place.sum() >= SHOWS
    boxes = tuple(_box(steady & (regions == number)) for number in chosen)
    return Overlays(boxes=boxes, shows=shows, steadiness=steadiness)


def _batches(maps: Sequence[bytes]) -> Iterator[tuple[slice, Floats]]:
    """Yield the directions of the edges of some maps at a time, (k, 2, 128, 128), with their places."""
    for start in range(0, len(maps), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        yield part, np.stack([edge_directions(packed) for packed in maps[part]]).astype(np.float64)


def _box(own: Mask) -> Box:
    rows, columns = np.flatnonzero(own.any(axis=1)), np.flatnonzero(own.any(axis=0))
    ends = (rows[0] - 1, rows[-1] + 2, columns[0] - 1, columns[-1] + 2)
    top, bottom, left, right = (min(max(int(end), 0), SIDE) / SIDE for end in ends)
    return Box(top=top, bottom=bottom, left=left, right=right)
