"""Collect the evidence of a clip's label: its traces at the times of the served video. Reads files: use threads."""

from typing import Any

import numpy as np

from hfv_builder.records import ClipError
from review_ui.clips import Clips
from review_ui.media import Media
from review_ui.traces import Traces


def frames_of(media: Media, row: int) -> dict[str, Any]:
    """Return the times of the frames as `frame_times`, and as `unplayable` the reason if the clip cannot be played."""
    try:
        return {"frame_times": media.times(row), "unplayable": None}
    except ClipError as error:
        return {"frame_times": [], "unplayable": str(error)}


def evidence_of(clips: Clips, media: Media, traces: Traces, row: int) -> dict[str, Any]:
    """Return the result of `frames_of` with `traces` by metric, and in `panels` the metrics with an evidence image."""
    frames = frames_of(media, row)
    times = frames["frame_times"]
    placed_traces = {}
    for metric, scored in traces.read(clips.ids[row], clips.generators[int(clips.generator[row])]).items():
        steps = zip(scored["frames"] or [], scored["trace"] or [], strict=False)
        placed = [(times[frame], np.nan if value is None else value) for frame, value in steps if frame < len(times)]
        values = [value for _, value in placed]
        placed_traces[metric.value] = {
            "score": scored["score"],
            "times": [time_s for time_s, _ in placed],
            "values": [None if np.isnan(value) else value for value in values],
            "worst": None if not np.isfinite(values).any() else int(np.nanargmax(values)),
            "error": scored["error"],
        }
    panels = [metric.value for metric in media.panels(row)]
    return frames | {"traces": placed_traces, "panels": panels}
