"""docs/audit.md lists every finding with its limits."""

import re
from pathlib import Path

from hfv_builder.audit.limits import LIMITS

DOCS = Path(__file__).parents[2] / "docs" / "audit.md"


def states_limit(text: str, value: float) -> bool:
    """Return whether the text of a limit states the value of the code."""
    if text == "–":
        return value > 1 or value < 0
    if text == "any":
        return 0 < value < 1e-6
    number = float(text.rstrip(" %"))
    return abs(value - (number / 100 if text.endswith("%") else number)) < 1e-9


def test_every_finding_is_documented_with_its_limits() -> None:
    text = DOCS.read_text().replace(r"\|", "")
    table = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", text, re.MULTILINE)
    rows = {name: limits for name, _, *limits in table if name in LIMITS or name not in ("finding", "---")}
    assert [*rows] == [*LIMITS]
    for name, (_, limits) in LIMITS.items():
        values = (limits.note, limits.warning, limits.error)
        assert all(
            states_limit(text_of_limit, value) for text_of_limit, value in zip(rows[name], values, strict=True)
        ), name
