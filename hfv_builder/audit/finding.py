"""A finding of the audit: a figure, its interval, its severity, and the command that fixes it."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How seriously a finding stands in the way of publication, in rising order."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        """Return 0 for `ok` up to 3 for `error`."""
        return list(Severity).index(self)


class Area(StrEnum):
    """The areas of findings, in the order of the report."""

    SHORTCUTS = "shortcuts"
    LEAKAGE = "leakage"
    LABELS = "labels"
    AGREEMENT = "agreement"
    DIVERSITY = "diversity"
    PEOPLE = "people"
    MEDIA = "media"


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A figure with its 95 % interval; a counted figure has no interval."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The values at which a figure becomes a note, a warning and an error; falling if small values are bad."""

    note: float
    warning: float
    error: float

    def severity(self, estimate: Estimate) -> Severity:
        """Return the severity of the end of the interval that is better for the data set."""
        falling = self.note > self.error
        kind_end = estimate.high if falling else estimate.low
        value = estimate.value if kind_end is None else kind_end
        for severity, limit in (
            (Severity.ERROR, self.error),
            (Severity.WARNING, self.warning),
            (Severity.NOTE, self.note),
        ):
            if value <= limit if falling else value >= limit:
                return severity
        return Severity.OK


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One result of the audit."""

    finding: str
    """What is measured; a key of `limits.LIMITS`."""
    area: Area
    subject: str
    """The subject of the figure: a generator, a fact, a pair of scores, or `all`."""
    estimate: Estimate | None
    """None if it cannot be computed; `says` has the reason."""
    severity: Severity
    says: str
    """The finding as a sentence with its figure."""
    advice: str = ""
    """The command that fixes it or shows more of it; empty if there is nothing to do."""
    clips: tuple[str, ...] = ()
    """Ids of the clips with the problem, if they can be listed."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """The findings of one area."""

    area: Area
    findings: tuple[Finding, ...]
    data: dict[str, Any] = field(default_factory=dict)
    """The data of the pictures of the area."""
