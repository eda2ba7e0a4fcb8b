"""Settings of a review, such as overlap, leases and blind queues, read from TOML."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from hfv_builder.labelling.decisions import NO_ANOMALY, REASONS, Kind
from hfv_builder.records import UsageError
from hfv_builder.storage.toml_file import read_toml
from hfv_builder.storage.validation import first_problem

Text = Annotated[
    str, Field(min_length=1, max_length=40, pattern=r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*\S)?$")
]
ReasonList = Annotated[list[Text], Field(min_length=1, max_length=9)]
"""Reasons that one digit key each can choose."""
Share = Annotated[float, Field(ge=0, le=1)]
STRICT = ConfigDict(extra="forbid")

HAND = 8
"""Largest number of clips in a reviewer's hand."""

QUEUES = {
    "labels": "Confirm labels",
    "calibration": "Calibration set",
    "disagreements": "Second look",
    "failed": "Failed media",
    "repeats": "Repeats",
}
"""Titles of the queues by name, in display order."""
REVISIT = "revisit"
"""`Decision.queue` of an answer that replaces an earlier one of the same reviewer, who chose to look again."""
MARKS = "marks"
"""The queue of the second pass: the reviewer's own answers, to mark when and where the anomaly is."""
AGAIN = (REVISIT, MARKS)
"""Queues of answers to a clip that the reviewer knows: neither first answers nor repeats."""
ABOUT = {
    "labels": "Validation candidates first, then by increasing margin.",
    "calibration": "Start here: the same clips for all, to measure agreement.",
    "disagreements": "Clips on which reviewers differ or are unsure.",
    "failed": "Clips that could not be read or scored.",
    "repeats": "Clips that you have answered before, to measure consistency.",
    MARKS: "Your own answers: mark when and where the anomaly is.",
}
"""Descriptions of the queues on the start page."""


@dataclass(frozen=True, kw_only=True)
class QueueSettings:
    """The settings of one queue."""

    __pydantic_config__ = STRICT

    blind: bool = True
    """Whether reviewers answer before the suggestion is shown."""


@dataclass(frozen=True, kw_only=True)
class Reasons:
    """The reasons for which clips can be rejected, in the order of their number keys."""

    __pydantic_config__ = STRICT

    generated: ReasonList = field(default_factory=lambda: list(REASONS[Kind.GENERATED]))
    """Of generated clips. One without an anomaly has an answer of its own, which needs no reason."""
    real: ReasonList = field(default_factory=lambda: list(REASONS[Kind.REAL]))
    """Of camera footage."""
    failed: ReasonList = field(default_factory=lambda: list(REASONS[Kind.FAILED]))
    """Of clips that cannot be read or scored."""

    def of(self, kind: Kind) -> list[str]:
        """Return the reasons for a clip of this kind."""
        named: list[str] = getattr(self, kind.name.lower())
        return named


def _queues() -> dict[str, QueueSettings]:
    return {name: QueueSettings(blind=name not in ("failed", "disagreements")) for name in QUEUES}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of a review. The defaults suit one reviewer per clip."""

    __pydantic_config__ = STRICT

    overlap: Annotated[int, Field(ge=1, le=100)] = 1
    """Number of reviewers per clip."""
    lease_s: Annotated[int, Field(ge=5, le=86400)] = 600
    """Seconds for which a clip is reserved for the reviewer to whom it was dealt."""
    shown: Share = 0.1
    """Share of clips in blind queues whose suggestion is shown from the start, to measure its influence."""
    calibration: Annotated[int, Field(ge=0, le=10000)] = 40
    """Number of clips in the calibration set."""
    repeats: Share = 0.02
    """Share of clips dealt from `labels` that the reviewer has answered before."""
    show_source: bool = True
    """Whether reviewers see the generator or camera data set of a clip."""
    browse: Literal["done", "open"] = "done"
    """Who sees labels, scores and decisions of all clips: `done`, reviewers without open blind work; `open`, all."""
    reasons: Reasons = field(default_factory=Reasons)
    """The reasons for which clips can be rejected."""
    marks: bool = False
    """Whether there is a second pass, in which reviewers mark when and where the anomaly of their answer is."""
    cache_gb: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)] = 20.0
    """Largest size of all proxies and film strips together, in 10⁹ bytes; the least recently used ones are deleted."""
    queues: dict[str, QueueSettings] = field(default_factory=_queues)

    def blind(self, queue: str) -> bool:
        """Return whether reviewers of this queue answer before the suggestion is shown."""
        return queue != MARKS and self.queues[queue].blind

    @property
    def titles(self) -> dict[str, str]:
        """The titles of the queues that this review has, by name."""
        return QUEUES | ({MARKS: "When and where"} if self.marks else {})


def load_settings(path: Path | None, *, overlap: int | None = None, cache_gb: float | None = None) -> Settings:
    """Return the settings of the file, or the defaults if `path` is None; the other arguments override the file.

    Raises:
        UsageError: the file cannot be read or is invalid.
    """
    try:
        given = {} if path is None else read_toml(path)
    except FileNotFoundError:
        raise UsageError(f"the review settings {path} cannot be read: there is no such file") from None
    queues = given.get("queues")
    unknown = sorted(set(queues) - set(QUEUES)) if isinstance(queues, dict) else []
    if unknown:
        raise UsageError(f"{path}: there is no queue {unknown[0]!r}; choose from {', '.join(QUEUES)}")
    given |= {name: value for name, value in (("overlap", overlap), ("cache_gb", cache_gb)) if value is not None}
    try:
        # Via JSON, in which pydantic accepts a table for a dataclass without allowing other coercions.
        read = TypeAdapter(Settings).validate_json(json.dumps(given, default=str))
    except ValidationError as error:
        raise UsageError(f"{path or 'the review settings'}: {first_problem(error)}") from None
    for kind in Kind:
        own = read.reasons.of(kind)
        twice = next((reason for reason in own if own.count(reason) > 1 or reason == NO_ANOMALY), None)
        if twice is not None:
            cure = "is an answer, not a reason" if twice == NO_ANOMALY else "is given twice"
            raise UsageError(f"{path}: reasons.{kind.name.lower()}: {twice!r} {cure}; remove it")
    if "queues" not in given:
        return read
    return Settings(**{**vars(read), "queues": _queues() | read.queues})
