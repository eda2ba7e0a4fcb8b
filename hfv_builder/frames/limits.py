"""Limit the size and length of clips, so that no file uses up the memory or the time of a run."""

from hfv_builder.records import ClipError

FRAME_PIXELS = 1 << 26
"""Largest number of pixels of a frame: 8192x8192."""
CLIP_PIXELS = 1 << 38
"""Largest number of pixels of all frames of a clip together: about 130,000 frames of 1920x1080."""
CLIP_FRAMES = 1 << 20
"""Largest number of frames of a clip."""


def check_size(width: int, height: int) -> None:
    """Check that a frame, in pixels, is not too large.

    Raises:
        ClipError: the frame has more than `FRAME_PIXELS` pixels.
    """
    if width * height > FRAME_PIXELS:
        raise ClipError(f"its frames are {width}x{height}, more than {FRAME_PIXELS} pixels; scale it down")


def check_length(frames: int, width: int, height: int) -> None:
    """Check that a clip does not have too many frames of this size.

    Raises:
        ClipError: it has more than `CLIP_FRAMES` frames or `CLIP_PIXELS` pixels.
    """
    most = min(CLIP_FRAMES, CLIP_PIXELS // max(1, width * height))
    if frames > most:
        raise ClipError(
            f"it has more than {most} frames of {width}x{height}, the limit for one clip; cut it into shorter clips"
        )
