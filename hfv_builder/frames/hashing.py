"""Perceptual hashes of frames: 64 bits that hardly change when a frame is encoded again, resized or letterboxed."""

import numpy as np
import numpy.typing as npt

SIDE = 32
"""Rows and columns of the image that is hashed."""
BITS = 8
"""Rows and columns of frequencies that give a bit each."""
VERSION = "2"
"""A whole number. Raise it when the same frames give other hashes or other `signals`."""
FLAT = 2.0
"""Standard deviation in grey levels below which a frame has no content to hash."""

Grey = npt.NDArray[np.uint8]


def frame_hash(image: Grey) -> int | None:
    """Return the hash of a grey image, or None if it is too flat.

    The bits are the signs of the lowest 8 × 8 frequencies of the image's cosine transform, row by row; the mean of the
    image is left out, and in its place stands the lowest frequency that is not among them. The mirrored image has the
    same hash with the bits of `MIRROR` inverted.

    Args:
        image: (32, 32) uint8.
    """
    if image.std() < FLAT:
        return None
    frequencies = _COSINES @ image.astype(np.float64) @ _COSINES.T
    signs = (frequencies[:BITS, :BITS] > 0).ravel()
    signs[0] = frequencies[BITS, 0] > 0
    return int.from_bytes(np.packbits(signs).tobytes())


def _cosines() -> npt.NDArray[np.float64]:
    """Return the lowest nine rows of the type-II cosine transform of 32 values."""
    steps = np.arange(SIDE) + 0.5
    return np.cos(np.pi / SIDE * np.outer(np.arange(BITS + 1), steps))


_COSINES = _cosines()
MIRROR = int.from_bytes(np.packbits(np.tile(np.arange(BITS) % 2 == 1, BITS)).tobytes())
"""Bits of the frequencies that change their sign when the image is mirrored left to right."""
