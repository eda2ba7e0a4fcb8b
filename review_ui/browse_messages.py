"""The bodies of responses for browsing: a page of the grid, and all about one clip."""

from typing import Any, Literal

from review_ui.messages import Answer, Details, LabelName, Message, SplitName

Opinion = Literal["disputed", "changed", "confirmed", "rejected", "open"]
Sort = Literal["id", "name", "margin", "spatial", "appearance", "motion"]
MetricName = Literal["spatial", "appearance", "motion"]


class MediaState(Message):
    """Whether the video of a clip can be played at once."""

    state: Literal["ready", "making", "waiting"]
    seconds: float | None
    """For how long it has been made; null unless it is being made."""


class Listed(Message):
    """A clip of the grid. Fields that the user may not see now are null."""

    clip_id: str
    name: str | None
    """The name of its file."""
    source: str | None
    is_real: bool
    failed: bool
    duration_s: float | None
    prompt: str | None
    split: SplitName | None
    label: LabelName | None
    """The automatic label."""
    margin: int | None
    score: float | None
    """The score that the grid is sorted or filtered by."""
    opinion: Opinion | None
    """What reviewers say."""


class Listing(Message):
    """A page of the grid."""

    clips: list[Listed]
    total: int
    """Number of clips that are found."""
    sight: bool
    """Whether the user sees labels, scores and decisions of all clips."""
    generators: list[str]
    """The generators to filter by; empty if the settings hide where clips come from."""
    labels: list[LabelName]
    splits: list[SplitName]


class Distribution(Message):
    """The scores of a generator on one metric, and where the clip is among them."""

    score: float
    rank: int | None
    """1 is the most anomalous."""
    size: int
    """Number of clips that are ranked together."""
    above: float
    """Share of the generator's clips with a higher score."""
    edges: list[float]
    """The ends of the bins, one more than there are bins."""
    counts: list[int]


class Spoken(Details):
    """One decision on a clip."""

    reviewer: str
    role: Literal["reviewer", "adjudicator"]
    answer: Answer
    reason: str | None
    note: str | None
    blind: bool
    final: bool
    undone: bool
    created_at: str


class ClipPage(Message):
    """All about one clip. What the user may not see now is null."""

    clip_id: str
    name: str | None
    facts: dict[str, Any]
    """The columns of the catalogue, without the path."""
    split: SplitName | None
    hidden: str | None
    """Why scores and labels are not shown; null if they are."""
    suggestion: dict[str, Any] | None
    distributions: dict[MetricName, Distribution] | None
    final: dict[str, Any] | None
    """Of the decisions: `label` (an answer, null if they settle nothing), `votes`, `disputed` and `adjudicated`."""
    decisions: list[Spoken] | None
    """All decisions, oldest first. For adjudicators."""
