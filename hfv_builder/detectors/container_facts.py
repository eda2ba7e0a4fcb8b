"""Facts of a file that need no decoding: size, rate, length, bytes, codec."""

from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from hfv_builder.frames.facts import probe
from hfv_builder.frames.media import open_media

NUMBERS = ("width", "height", "fps", "num_frames", "duration_s", "bytes_per_frame", "bit_rate", "rotation", "audio")
CODECS = ("h264", "hevc", "av1", "vp9", "mpeg4", "gif")
PIXELS = ("yuv420p", "yuv444p", "yuv422p", "yuv420p10le", "yuvj420p")
NAMES = (*NUMBERS, *(f"codec={name}" for name in CODECS), *(f"pix_fmt={name}" for name in PIXELS))


class ContainerFacts:
    """Extractor: (len(NAMES),) float64, see `NAMES`; NaN for a fact that the file does not state."""

    fingerprint = f"container facts 1, av {av.__version__}"

    def extract(self, path: Path) -> npt.NDArray[np.float64]:
        """Return the facts of the file.

        Raises:
            ClipError: it is not a video.
        """
        facts = probe(path)
        with open_media(path) as container:
            audio = float(bool(container.streams.audio))
        bytes_per_frame = path.stat().st_size / facts.num_frames
        numbers = [facts.width, facts.height, facts.fps, facts.num_frames, facts.duration_s, bytes_per_frame]
        numbers += [facts.bit_rate, facts.rotation, audio]
        named = [facts.codec == name for name in CODECS] + [facts.pix_fmt == name for name in PIXELS]
        return np.array([*numbers, *named], np.float64)
