"""The result of one check of a model."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tabulate import tabulate


@dataclass(frozen=True, kw_only=True)
class Check:
    """A measured value beside its limit."""

    model: str
    """The backend."""
    name: str
    """What is measured, in a few words."""
    value: float
    limit: float
    least: bool = False
    """Whether the limit is the smallest value that passes; else it is the largest."""
    unit: str = ""
    advice: str = ""
    """The probable cause if the check fails."""

    @property
    def passed(self) -> bool:
        """Whether the value is finite and within the limit."""
        return math.isfinite(self.value) and (self.value >= self.limit if self.least else self.value <= self.limit)

    @property
    def expected(self) -> str:
        """The limit as text, such as `≤ 0.5 px`."""
        return f"{'≥' if self.least else '≤'} {self.limit:g}{self.unit and ' ' + self.unit}"


def table(checks: Sequence[Check]) -> str:
    """Return the checks as a table to print: model, check, value, expected, verdict."""
    rows = [
        [
            check.model,
            check.name,
            f"{check.value:.3g}{check.unit and ' ' + check.unit}",
            check.expected,
            _verdict(check),
        ]
        for check in checks
    ]
    headers = ["model", "check", "value", "expected", "verdict"]
    return tabulate(rows, headers=headers, disable_numparse=True)


def _verdict(check: Check) -> str:
    return "ok" if check.passed else "FAILED"
