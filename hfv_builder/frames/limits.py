"""Limits on what is read of one clip, so that no file takes the memory or the time of all others."""

from hfv_builder.records import ClipError

FRAME_PIXELS = 1 << 26
"""Pixels of a frame at most, as 8192x8192 has."""
CLIP_PIXELS = 1 << 38
"""Pixels of all frames of a clip together at most: about 130,000 frames of 1920x1080."""
CLIP_FRAMES = 1 << 20
"""Frames of a clip at most."""


def check_size(width: int, height: int) -> None:
    """Check the size of a frame, in pixels.

    Raises:
        ClipError: it has too many pixels.
    """
    if width * height > FRAME_PIXELS:
        raise ClipError(f"its frames are {width}x{height}; at most {FRAME_PIXELS} pixels are read, scale it down")


def check_length(frames: int, width: int, height: int) -> None:
    """Check how many frames of this size a clip has.

    Raises:
        ClipError: there are too many, or they have too many pixels together.
    """
    most = min(CLIP_FRAMES, CLIP_PIXELS // max(1, width * height))
    if frames > most:
        raise ClipError(
            f"it has more than {most} frames of {width}x{height}, the most that is read of one clip; cut it"
        )
