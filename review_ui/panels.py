"""The images of the worst moments of clips, their error maps coloured on one scale for each generator."""

from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np

from hfv_builder.records import METRICS, Metric
from hfv_builder.scoring.heat import Errors, coloured, errors_of, scale_of
from review_ui.clips import Clips

LEARNT_FROM = 128
"""Number of clips of a generator from whose error maps the colour scale is computed."""


class Panels:
    """The evidence images of clips. Methods read files: use threads."""

    def __init__(self, clips: Clips, find: Callable[[str, str, Metric], Path | None]) -> None:
        """Start without reading any file.

        Args:
            clips: the clips.
            find: returns the path of the evidence image of a clip id, generator and metric.
        """
        self._clips, self._find = clips, find
        self._scales = lru_cache(maxsize=None)(self._scale)

    def metrics(self, row: int) -> list[Metric]:
        """Return the metrics that have an image of the clip."""
        return [metric for metric in METRICS if self._path(row, metric) is not None]

    def image(self, row: int, metric: Metric) -> bytes | None:
        """Return the image as a WebP, its error map coloured on the scale of the generator; None if there is none."""
        image = self._read(row, metric)
        return image and coloured(image, metric, self._scales(int(self._clips.generator[row]), metric))

    def errors(self, row: int, metric: Metric) -> Errors | None:
        """Return the error map of the image; None if there is none."""
        image = self._read(row, metric)
        return None if image is None else errors_of(image)

    def _scale(self, generator: int, metric: Metric) -> float:
        """Return the error that is white in maps of this generator, computed from evenly spread clips."""
        rows = np.flatnonzero(self._clips.generator == generator)
        sample = rows[np.linspace(0, len(rows) - 1, min(len(rows), LEARNT_FROM)).astype(int)]
        return scale_of(image for row in sample if (image := self._read(int(row), metric)))

    def _read(self, row: int, metric: Metric) -> bytes | None:
        path = self._path(row, metric)
        with suppress(OSError):
            return path.read_bytes() if path else None
        return None

    def _path(self, row: int, metric: Metric) -> Path | None:
        generator = self._clips.generators[int(self._clips.generator[row])]
        return self._find(self._clips.ids[row], generator, metric)
