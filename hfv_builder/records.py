"""Shared ids and names, and the errors that are reported to users."""

from enum import IntEnum, StrEnum


class Label(IntEnum):
    """Class of a clip, with the ids of the HFV paper (HumanSAM, §3.1)."""

    SPATIAL = 0
    APPEARANCE = 1
    MOTION = 2
    REAL = 3

    def __str__(self) -> str:
        """Return the name used in tables and columns: `spatial`, not `Label.SPATIAL`."""
        return self.name.lower()


class Metric(StrEnum):
    """One of the three anomaly scores. A higher score is more anomalous."""

    SPATIAL = "spatial"
    APPEARANCE = "appearance"
    MOTION = "motion"


METRICS = tuple(Metric)
"""All metrics in the order of their label ids: `METRICS[Label.MOTION] is Metric.MOTION`."""


class Status(StrEnum):
    """The result of processing an input row."""

    OK = "ok"
    FAILED = "failed"
    DUPLICATE = "duplicate"


class Split(StrEnum):
    """The part of the dataset that a clip belongs to."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


DONE, OUR_FAULT, WRONG_USE, SOME_FAILED, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit codes of the commands."""


class UsageError(Exception):
    """An error of the user. Each sentence says what is wrong, where, and what to do. The command exits with 2."""

    def __str__(self) -> str:
        """Return the sentences, one per line."""
        return "\n".join(map(str, self.args))


class ClipError(Exception):
    """A clip cannot be read or scored. The message is one sentence and becomes the `error` of the clip's row."""


class NotScored(ClipError):
    """A clip was not processed because its file is missing or has changed. The next run tries it again."""

    def __str__(self) -> str:
        """Return the message with the prefix `not scored: `."""
        return f"not scored: {super().__str__()}"


def reason(error: Exception) -> str:
    """Return the message of an exception for the `error` of a clip's row."""
    return str(error) if isinstance(error, ClipError | OSError) else f"{type(error).__name__}: {error}".splitlines()[0]
