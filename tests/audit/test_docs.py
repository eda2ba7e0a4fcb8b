"""docs/audit.md has every finding, with its limits."""

import re
from pathlib import Path

from hfv_builder.audit.limits import LIMITS

DOCS = Path(__file__).parents[2] / "docs" / "audit.md"


def limit(text: str, given: float) -> bool:
    """Whether the text of a limit says what the code has."""
    if text == "–":
        return given > 1 or given < 0
    if text == "any":
        return 0 < given < 1e-6
    number = float(text.rstrip(" %"))
    return abs(given - (number / 100 if text.endswith("%") else number)) < 1e-9


def test_every_finding_is_documented_with_its_limits() -> None:
    text = DOCS.read_text().replace(r"\|", "")
    table = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", text, re.MULTILINE)
    rows = {name: limits for name, _, *limits in table if name in LIMITS or name not in ("finding", "---")}
    assert [*rows] == [*LIMITS]
    for name, (_, limits) in LIMITS.items():
        values = (limits.note, limits.warning, limits.error)
        assert all(limit(said, given) for said, given in zip(rows[name], values, strict=True)), name
