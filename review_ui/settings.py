"""What can be set for a review: overlap, leases, blindness per queue; read from TOML."""

import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from hfv_builder.records import UsageError

Share = Annotated[float, Field(ge=0, le=1)]
STRICT = ConfigDict(extra="forbid")

HAND = 8
"""Clips that a reviewer has in hand at most."""

QUEUES = {
    "labels": "Confirm labels",
    "calibration": "Calibration set",
    "disagreements": "Second look",
    "failed": "Failed media",
    "repeats": "Repeats",
}
"""The queues, by their name in addresses, in the order in which they are offered."""
ABOUT = {
    "labels": "Validation candidates first, closest calls first.",
    "calibration": "The same clips for everybody, to see how far you agree.",
    "disagreements": "Reviewers differ; another pair of eyes.",
    "failed": "Clips that could not be read or scored.",
    "repeats": "Clips you have answered before, to see how steady you are.",
}


@dataclass(frozen=True, kw_only=True)
class QueueSettings:
    """One queue."""

    __pydantic_config__ = STRICT

    blind: bool = True
    """Ask for an answer before the suggestion is shown."""


def _queues() -> dict[str, QueueSettings]:
    return {name: QueueSettings(blind=name not in ("failed", "disagreements")) for name in QUEUES}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that can be set; the defaults suit one reviewer a clip."""

    __pydantic_config__ = STRICT

    overlap: Annotated[int, Field(ge=1, le=100)] = 1
    """How many reviewers each clip is to have."""
    lease_s: Annotated[int, Field(ge=5, le=86400)] = 600
    """How long a clip is kept for the reviewer who got it."""
    shown: Share = 0.1
    """Share of clips in blind queues that show the suggestion from the start, to measure its pull."""
    calibration: Annotated[int, Field(ge=0, le=10000)] = 40
    """Clips in the calibration set."""
    repeats: Share = 0.02
    """Share of clips dealt from `labels` that the reviewer has answered before."""
    show_source: bool = True
    """Tell reviewers which generator or camera data set a clip is from."""
    queues: dict[str, QueueSettings] = field(default_factory=_queues)

    def blind(self, queue: str) -> bool:
        """Whether this queue asks first and shows the suggestion afterwards."""
        return self.queues[queue].blind


def load_settings(path: Path | None, *, overlap: int | None = None) -> Settings:
    """The settings in the file, or the defaults; `overlap` overrides the file's.

    Raises:
        UsageError: the file is not right; the sentence says where.
    """
    try:
        given = {} if path is None else tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"the review settings {path} cannot be read: {error}") from None
    unknown = sorted(set(given.get("queues", {})) - set(QUEUES))
    if unknown:
        raise UsageError(f"{path}: there is no queue {unknown[0]!r}; choose from {', '.join(QUEUES)}")
    if overlap is not None:
        given["overlap"] = overlap
    try:
        # By way of JSON, where pydantic takes a table for a dataclass and allows no coercion.
        read = TypeAdapter(Settings).validate_json(json.dumps(given, default=str))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{path or '--overlap'}: {place}: {first['msg'].lower()}") from None
    if "queues" not in given:
        return read
    return Settings(**{**vars(read), "queues": _queues() | read.queues})
