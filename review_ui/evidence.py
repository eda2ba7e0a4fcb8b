"""Collect the evidence of a clip's label: its traces at the times of the served video. Reads files: use threads."""

from typing import Any

import numpy as np

from hfv_builder.labelling.marks import worst_span
from hfv_builder.records import ClipError, Metric
from hfv_builder.scoring.region import worst_region
from review_ui.clips import Clips
from review_ui.media import Media
from review_ui.panels import Panels
from review_ui.traces import Traces


def frames_of(media: Media, row: int) -> dict[str, Any]:
    """Return the times of the frames as `frame_times`, and as `unplayable` the reason if the clip cannot be played."""
    try:
        return {"frame_times": media.times(row), "unplayable": None}
    except ClipError as error:
        return {"frame_times": [], "unplayable": str(error)}


def evidence_of(
    clips: Clips, media: Media, traces: Traces, panels: Panels, row: int, *, marks: bool = False
) -> dict[str, Any]:
    """Return the result of `frames_of` with `traces` by metric, and in `panels` the metrics with an evidence image.

    With `marks` there is also, by metric, a proposal of when and where the anomaly is; see `messages.Mark`.
    """
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
    proposed = {metric: _mark(clips, panels, row, times, metric, trace) for metric, trace in placed_traces.items()}
    return frames | {"traces": placed_traces, "panels": panels.metrics(row), "marks": proposed if marks else {}}


def _mark(
    clips: Clips, panels: Panels, row: int, times: list[float], metric: str, trace: dict[str, Any]
) -> dict[str, Any]:
    """Return the span around the worst moment of a trace, and the box of the largest error in its image."""
    values = np.array([np.nan if value is None else value for value in trace["values"]])
    begins = np.array(trace["times"])
    shown_until = np.array([*times[1:], 2 * times[-1] - times[-2]] if len(times) > 1 else times)
    lasts = np.minimum(np.searchsorted(times, begins) + 1, len(times) - 1)  # the second frame of each step
    start, end = worst_span(values, begins, shown_until[lasts]) or (None, None)
    errors = panels.errors(row, Metric(metric))
    region = None if errors is None else worst_region(errors)
    facts = clips.facts(row)
    width, height = facts["width"], facts["height"]
    if region is None or not width or not height:
        return {"t_start": start, "t_end": end, "box": None}
    left, top = round(region[0] * width), round(region[1] * height)
    right, bottom = round((region[0] + region[2]) * width), round((region[1] + region[3]) * height)
    return {"t_start": start, "t_end": end, "box": [left, top, max(1, right - left), max(1, bottom - top)]}
