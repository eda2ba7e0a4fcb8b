"""What goes over the wire: the bodies of requests and answers, which OpenAPI describes."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from review_ui.settings import HAND

Settled = Literal["spatial", "appearance", "motion", "none", "real", "reject"]
Answer = Literal["spatial", "appearance", "motion", "none", "real", "reject", "unsure"]
Reason = Literal["not a person", "no anomaly", "generated", "watermark", "broken", "duplicate", "other"]
Queue = Literal["labels", "calibration", "disagreements", "failed", "repeats"]
LabelName = Literal["spatial", "appearance", "motion", "real"]
SplitName = Literal["train", "val", "test"]
DecisionId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{16,64}$")]
ClipId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
Generator = Annotated[str, StringConstraints(max_length=200)]
Note = Annotated[str, StringConstraints(max_length=500, strip_whitespace=True, pattern=r"^[^\x00-\x08\x0b-\x1f]*$")]
Seconds = Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False)]


class Message(BaseModel):
    """Unknown fields are refused: a misspelt one must not be lost in silence."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Entry(Message):
    """Who comes in."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]
    token: Annotated[str, StringConstraints(max_length=200)] | None = None
    """Only where the server has users."""


class Me(Message):
    """Who one is."""

    name: str
    role: Literal["reviewer", "adjudicator"]


class Wanted(Message):
    """How many clips one wants, and of which kind."""

    count: Annotated[int, Field(ge=1, le=HAND)] = 4
    generator: Generator | None = None
    label: LabelName | None = None
    split: SplitName | None = None


class First(Message):
    """A blind first answer that is still to be kept or changed."""

    decision_id: str
    answer: Answer
    reason: str | None


class Choice(Message):
    """An answer that a clip can have."""

    answer: Answer
    name: str
    """What it is called."""
    key: str
    """The key that gives it, unless the reviewer chose another."""


class Item(Message):
    """A clip to be answered."""

    clip_id: str
    generator: str | None
    source: str | None
    """The generator's display name; null, as the generator is, where a setting hides where clips are from."""
    is_real: bool
    """Camera footage."""
    answers: list[Choice]
    """The answers that this clip can have, in the order in which to offer them; `reject` and `unsure` come last."""
    reasons: list[str]
    """The reasons to offer for rejecting it."""
    width: int | None
    height: int | None
    fps: float | None
    num_frames: int | None
    duration_s: float | None
    codec: str | None
    prompt: str | None
    error: str | None
    """Why it could not be read, if it could not."""
    split: str | None
    shown: bool
    """The suggestion may be seen before the first answer; if not, that answer is blind."""
    suggestion: dict[str, Any] | None
    """label, margin, tied, group_size, ranks and scores; null for a clip without a label, and while it must not be
    seen."""
    first: First | None
    lease_s: float
    """Seconds for which the clip is kept for whoever got it."""


class Hand(Message):
    """The clips that one has."""

    items: list[Item]
    left: int
    """How many clips of the queue are left for this reviewer, those in the hand included."""


class QueueState(Message):
    """A queue as it stands for one reviewer."""

    name: Queue
    title: str
    about: str
    blind: bool
    total: int
    left: int


class Offer(Message):
    """What there is to do."""

    queues: list[QueueState]
    generators: list[str]
    disputed: int


class NewDecision(Message):
    """One answer to one clip."""

    decision_id: DecisionId
    """Made by the sender, at random; sending the same decision again changes nothing."""
    clip_id: ClipId
    answer: Answer
    reason: Reason | None = None
    """For `reject`, and only for it."""
    note: Note = ""
    final: bool = True
    """False for a blind first answer that is still to be kept or changed; the clip stays in the hand."""
    seconds: Seconds | None = None
    """Time spent on this answer, as the page measured it."""
    blind: bool | None = None
    """Ignored: the server knows what it has shown."""
    queue: Queue | None = None
    """Ignored: the server knows from which queue the clip was dealt."""


class Kept(Message):
    """A decision is on the disk."""

    decision_id: str
    decision: Literal["confirm", "relabel", "reject", "unsure"]
    label: LabelName | None
    created_at: str
    duplicate: bool
    """It was there already."""
    blind: bool
    """It was given before the suggestion was shown."""
    suggestion: dict[str, Any] | None
    """As in the item, now that it may be seen; its evidence may be asked for, too."""


class NewUndo(Message):
    """Takes decisions back, which is a decision too."""

    decision_id: DecisionId
    undoes: Annotated[list[DecisionId], Field(min_length=1, max_length=4)]
    queue: Queue | None = None
    """Ignored: the clip goes back to the queue from which it was dealt."""


class Undone(Message):
    """What was taken back."""

    decision_id: str
    undoes: list[str]
    clip_id: str | None
    """The clip that is in the hand again."""
    duplicate: bool


class Adjudication(Message):
    """The last word on a clip."""

    decision_id: DecisionId
    clip_id: ClipId
    answer: Settled
    reason: Reason | None = None
    note: Note = ""
    seconds: Seconds | None = None


class Opinion(Message):
    """What one reviewer said of a clip, oldest first."""

    decision_id: str
    reviewer: str
    answer: Answer
    reason: str | None
    note: str | None
    blind: bool
    first: Answer | None
    """What they had said before they saw the suggestion; null if they saw it from the start."""
    seconds: float | None
    created_at: str


class Case(Message):
    """A clip on which reviewers differ or are unsure."""

    item: Item
    opinions: list[Opinion]


class Cases(Message):
    """The clips that wait for an adjudicator."""

    cases: list[Case]
    total: int


class Trace(Message):
    """One metric over the clip."""

    score: float | None
    times: list[float]
    """Seconds in the served video; a step between two frames stands at the first of them."""
    values: list[float | None]
    worst: int | None
    """The place of the largest value."""
    error: str | None


class Frames(Message):
    """When the frames of the served video are shown."""

    frame_times: list[float]
    """Seconds of each frame; empty if the clip cannot be played."""
    unplayable: str | None
    """Why the clip cannot be played."""


class Evidence(Frames):
    """Why the clip got its label."""

    traces: dict[str, Trace]
    panels: list[str]
    """Metrics with a picture of their worst moment."""


class Problem(Message):
    """What went wrong, in one sentence."""

    error: str
