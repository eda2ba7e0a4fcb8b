"""The responses of the API about the frames of a clip and the evidence for its label."""

from review_ui.messages import Box, Message


class Trace(Message):
    """The trace of one metric over the clip."""

    score: float | None
    times: list[float]
    """Seconds in the served video of each value; for a step between two frames the time of the first."""
    values: list[float | None]
    worst: int | None
    """Index of the largest value."""
    error: str | None


class Frames(Message):
    """The times of the frames in the served video."""

    frame_times: list[float]
    """Time of each frame in seconds; empty if the clip cannot be played."""
    unplayable: str | None
    """The reason why the clip cannot be played; null if it can."""


class Mark(Message):
    """When and where a metric is worst, as a proposal for a reviewer's mark."""

    t_start: float | None
    t_end: float | None
    box: Box | None
    """Null for a metric without an error map."""


class Evidence(Frames):
    """The evidence for the automatic label."""

    traces: dict[str, Trace]
    panels: list[str]
    """The metrics that have an image of their worst moment."""
    marks: dict[str, Mark]
    """By metric; empty unless the review has a second pass."""
