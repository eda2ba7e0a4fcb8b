"""The bodies of requests and responses of the API, from which its OpenAPI description is made."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from review_ui.settings import HAND

Settled = Literal["spatial", "appearance", "motion", "none", "real", "reject"]
Answer = Literal["spatial", "appearance", "motion", "none", "real", "reject", "unsure"]
Queue = Literal["labels", "calibration", "disagreements", "failed", "repeats", "marks"]
Strength = Literal["weak", "strong"]
LabelName = Literal["spatial", "appearance", "motion", "real"]
SplitName = Literal["train", "val", "test"]
DecisionId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{16,64}$")]
ClipId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
Generator = Annotated[str, StringConstraints(max_length=200)]
TEXT = r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]*$"
"""Text without control characters."""
Reason = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=TEXT)]
"""One of the reasons of the clip, see `Item.reasons`, or `no anomaly`."""
Note = Annotated[str, StringConstraints(max_length=500, strip_whitespace=True, pattern=TEXT)]
Seconds = Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False)]
Side = Annotated[int, Field(ge=1, le=10**6)]
Box = tuple[Annotated[int, Field(ge=0, le=10**6)], Annotated[int, Field(ge=0, le=10**6)], Side, Side]


class Message(BaseModel):
    """Base class that rejects unknown fields, so that a misspelt field is an error."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Details(Message):
    """How strong an anomaly is, and when and where it is."""

    strength: Strength | None = None
    """Asked of validation candidates; null if the reviewer gave none."""
    t_start: Seconds | None = None
    """Seconds in the clip when the anomaly begins; given together with `t_end`."""
    t_end: Seconds | None = None
    box: Box | None = None
    """x, y, width and height in pixels of the clip as it is shown (`Item.width`, `Item.height`)."""


class Entry(Message):
    """A request to sign in."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]
    token: Annotated[str, StringConstraints(max_length=200)] | None = None
    """Required if the server has a users file."""


class Me(Message):
    """The signed-in user."""

    name: str
    role: Literal["reviewer", "adjudicator"]


class Wanted(Message):
    """A request for clips: how many, and which."""

    count: Annotated[int, Field(ge=1, le=HAND)] = 4
    generator: Generator | None = None
    label: LabelName | None = None
    split: SplitName | None = None


class First(Message):
    """A blind first answer that the reviewer must still keep or change."""

    decision_id: str
    answer: Answer
    reason: str | None
    strength: Strength | None


class Given(Details):
    """The reviewer's answer that counts now."""

    answer: Answer
    reason: str | None


class Choice(Message):
    """An answer that a clip can have."""

    answer: Answer
    name: str
    """Its display name."""
    key: str
    """Its default key."""


class Item(Message):
    """A clip to answer."""

    clip_id: str
    generator: str | None
    source: str | None
    """The display name of the generator; null, like `generator`, if the settings hide the source of clips."""
    is_real: bool
    """Whether the clip is camera footage."""
    answers: list[Choice]
    """The answers that this clip can have, in display order; `reject` and `unsure` come last."""
    reasons: list[str]
    """The reasons for which it can be rejected."""
    width: int | None
    height: int | None
    fps: float | None
    num_frames: int | None
    duration_s: float | None
    codec: str | None
    prompt: str | None
    error: str | None
    """The reason why the clip could not be read; null if it could."""
    split: str | None
    shown: bool
    """Whether the suggestion is shown before the first answer; if not, that answer is blind."""
    suggestion: dict[str, Any] | None
    """label, margin, tied, group_size, ranks, scores, and the answer of a detector (run, answer, probabilities; null
    without one); null for a clip without a label, or while it is hidden."""
    first: First | None
    candidate: bool
    """Whether the clip is a candidate for val, whose anomaly has a strength."""
    given: Given | None
    """The earlier answer; null unless the clip was dealt to be answered again by somebody who knows that answer."""
    marking: bool
    """Whether the page asks when and where the anomaly is."""
    lease_s: float
    """Seconds for which the clip stays reserved for the reviewer."""


class Hand(Message):
    """The clips that are dealt to a reviewer."""

    items: list[Item]
    left: int
    """Number of clips of the queue that are left for this reviewer, including the hand."""


class QueueState(Message):
    """The state of a queue for one reviewer."""

    name: Queue
    title: str
    about: str
    blind: bool
    total: int
    left: int


class Offer(Message):
    """All queues, and the values that clips can be filtered by."""

    queues: list[QueueState]
    generators: list[str]
    labels: list[LabelName]
    """The automatic labels that at least one clip has."""
    splits: list[SplitName]
    """The splits that at least one clip is in."""
    disputed: int


class NewDecision(Details):
    """One answer to one clip."""

    decision_id: DecisionId
    """A random id, chosen by the client; sending the same decision again changes nothing."""
    clip_id: ClipId
    answer: Answer
    reason: Reason | None = None
    """Required for `reject`, not allowed for other answers."""
    note: Note = ""
    final: bool = True
    """False for a blind first answer that the reviewer must still keep or change; the clip stays in the hand."""
    seconds: Seconds | None = None
    """Time spent on this answer, measured by the page."""
    blind: bool | None = None
    """Ignored: the server determines whether the answer is blind."""
    queue: Queue | None = None
    """Ignored: the server determines the queue from which the clip was dealt."""


class Kept(Message):
    """Confirmation that a decision is on disk."""

    decision_id: str
    decision: Literal["confirm", "relabel", "reject", "unsure"]
    label: LabelName | None
    created_at: str
    duplicate: bool
    """Whether the decision had been stored before."""
    blind: bool
    """Whether it was given before the suggestion was shown."""
    suggestion: dict[str, Any] | None
    """The suggestion as in `Item`; from now on it may be shown, and so may the evidence."""


class NewUndo(Message):
    """An undo of decisions, which is a decision too."""

    decision_id: DecisionId
    undoes: Annotated[list[DecisionId], Field(min_length=1, max_length=4)]
    """Ids of the decisions to undo, all on the same clip."""
    queue: Queue | None = None
    """Ignored: the clip goes back to the queue from which it was dealt."""


class Undone(Message):
    """Confirmation of an undo."""

    decision_id: str
    undoes: list[str]
    clip_id: str | None
    """The clip, which is in the hand again; null if it is not in these manifests."""
    duplicate: bool


class Adjudication(Details):
    """An adjudicator's answer to a clip, which becomes its final label."""

    decision_id: DecisionId
    clip_id: ClipId
    answer: Settled
    reason: Reason | None = None
    note: Note = ""
    seconds: Seconds | None = None


class OwnAnswer(Message):
    """The answer of the signed-in user to a clip, as it counts now."""

    clip_id: str
    source: str | None
    """The display name of the generator; null if the settings hide it."""
    prompt: str | None
    answer: Answer
    reason: str | None
    note: str | None
    created_at: str
    settled: bool
    """Whether an adjudicator has set the final label of the clip."""


class OwnAnswers(Message):
    """Answers of the signed-in user, the latest first."""

    answers: list[OwnAnswer]
    total: int
    """Number of clips that the user has answered."""


class Revisit(Message):
    """A clip that the user has answered and may answer again."""

    item: Item
    answer: Answer
    """The answer that counts now."""


class Problem(Message):
    """An error, as one sentence."""

    error: str
