"""The responses of the API about the clips that wait for an adjudicator."""

from review_ui.evidence_messages import Mark
from review_ui.messages import Answer, DecisionId, Details, Item, LabelName, Message


class Opinion(Details):
    """One reviewer's answer to a clip."""

    decision_id: DecisionId
    reviewer: str
    answer: Answer
    reason: str | None
    note: str | None
    blind: bool
    first: Answer | None
    """The answer before the suggestion was shown; null if it was shown from the start."""
    seconds: float | None
    created_at: str


class Case(Message):
    """A clip on which reviewers differ or are unsure."""

    item: Item
    opinions: list[Opinion]
    marks: dict[LabelName, Mark]
    """By anomaly, the medians of the marks of the reviewers who gave that answer; without those that nobody marked."""


class Cases(Message):
    """Clips that wait for an adjudicator."""

    cases: list[Case]
    total: int
