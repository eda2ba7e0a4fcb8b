"""A selection of clips."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Filter:
    """A selection of clips. A field that is None selects all."""

    generator: str | None = None
    among: tuple[str, ...] | None = None
    """The generators that a reviewer is assigned to."""
    label: int | None = None
    """The automatic label."""
    split: str | None = None
