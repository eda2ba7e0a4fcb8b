"""Why a clip got its label: its traces on the times of the served video. Reads files: not for the event loop."""

from typing import Any

import numpy as np

from hfv_builder.records import ClipError
from review_ui.clips import Clips
from review_ui.media import Media
from review_ui.traces import Traces


def frames_of(media: Media, row: int) -> dict[str, Any]:
    """The times of the frames, and why there are none if the clip cannot be played."""
    try:
        return {"frame_times": media.times(row), "unplayable": None}
    except ClipError as error:
        return {"frame_times": [], "unplayable": str(error)}


def evidence_of(clips: Clips, media: Media, traces: Traces, row: int) -> dict[str, Any]:
    """The same, with the trace of each metric and the metrics that have a picture of their worst moment."""
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
