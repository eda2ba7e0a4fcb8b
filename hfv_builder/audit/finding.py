"""A finding of the audit: a figure, how sure it is, how bad it is, and the command that cures it."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How much a finding stands in the way of publishing, from nothing to everything."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        """Return 0 for `ok` up to 3 for `error`."""
        return list(Severity).index(self)


class Area(StrEnum):
    """What a finding is about, in the order of the report."""

    SHORTCUTS = "shortcuts"
    LEAKAGE = "leakage"
    LABELS = "labels"
    AGREEMENT = "agreement"
    DIVERSITY = "diversity"
    PEOPLE = "people"
    MEDIA = "media"


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A figure with its 95 % interval; a figure that is counted, not estimated, has no interval."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The values from which on a figure is a note, a warning and an error; falling if small values are bad."""

    note: float
    warning: float
    error: float

    def severity(self, estimate: Estimate) -> Severity:
        """Return the severity that is certain: that of the end of the interval that speaks for the data set."""
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
    """One thing that the audit says."""

    finding: str
    """What is measured; a key of `limits.LIMITS`."""
    area: Area
    subject: str
    """What it is measured of: a generator, a fact, a pair of scores, or `all`."""
    estimate: Estimate | None
    """None if it cannot be computed; `says` has the reason."""
    severity: Severity
    says: str
    """The finding as a sentence with its figure."""
    advice: str = ""
    """The command that cures it or shows more of it; empty if there is nothing to do."""
    clips: tuple[str, ...] = ()
    """Ids of the clips it is about, if these can be listed."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """The findings of one area."""

    area: Area
    findings: tuple[Finding, ...]
    data: dict[str, Any] = field(default_factory=dict)
    """What the pictures of the area show."""
