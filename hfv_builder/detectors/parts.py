"""Predict many clips in parts, and keep those that are done: an interrupted command goes on with the others."""

import contextlib
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from hfv_builder.detectors.base import Detector, Floats, Lazy, Samples
from hfv_builder.detectors.kept_table import read_kept, write_kept
from hfv_builder.records import UsageError

PART = 64
"""Clips that are predicted at once. The parts are the same in every run, and so are the last bits of predictions."""
EVERY_S = 60.0
"""Seconds of prediction after which the results are written; a kill loses at most this time and one part."""
SCHEMA = pa.schema({"clip": pa.string(), "probabilities": pa.list_(pa.float64())})


def predict_in_parts(detector: Detector, samples: Samples, clips: list[str], *, path: Path, made_by: str) -> Floats:
    """Return what `detector.predict` returns, (n, classes).

    Args:
        detector: which predicts each clip by itself.
        samples: at least one clip.
        clips: what identifies each clip and its content.
        path: the file of what is done; written only if prediction takes long, and if it can be written.
        made_by: identifies the weights of the detector.
    """
    known = _read(path, made_by)
    written, count = time.monotonic(), len(known)
    try:
        for start in range(0, len(clips), PART):
            places = range(start, min(start + PART, len(clips)))
            own = clips[start : places.stop]
            if all(clip in known for clip in own):
                continue
            known |= zip(own, detector.predict(_some(samples, places)), strict=True)
            if time.monotonic() - written >= EVERY_S:
                _write(path, known, made_by)
                written, count = time.monotonic(), len(known)
    finally:
        if len(known) > count and (path.is_file() or time.monotonic() - written >= EVERY_S):
            _write(path, known, made_by)
    return np.stack([known[clip] for clip in clips])


def _some(samples: Samples, places: range) -> Samples:
    return replace(
        samples,
        rows=samples.rows.iloc[places.start : places.stop].reset_index(drop=True),
        features=Lazy(places, samples.features.__getitem__),
        further=tuple(Lazy(places, arrays.__getitem__) for arrays in samples.further),
        classes=samples.classes[places.start : places.stop],
    )


def _read(path: Path, made_by: str) -> dict[str, Floats]:
    """Return the probabilities that are known by clip; none if they are of other weights, or the file is damaged."""
    if (table := read_kept(path, made_by=made_by)) is None:
        return {}
    try:
        clips, probabilities = (table.cast(SCHEMA)[name].to_pylist() for name in SCHEMA.names)
    except (ValueError, pa.ArrowException):
        return {}
    return {clip: np.array(own, np.float64) for clip, own in zip(clips, probabilities, strict=True)}


def _write(path: Path, known: dict[str, Floats], made_by: str) -> None:
    table = pa.table([pa.array([*known]), pa.array([own.tolist() for own in known.values()])], SCHEMA)
    with contextlib.suppress(UsageError):
        write_kept(path, table, made_by=made_by)
