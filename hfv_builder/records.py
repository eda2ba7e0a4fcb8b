"""The ids and names that every part shares, and the errors that are not internal ones."""

from enum import IntEnum, StrEnum


class Label(IntEnum):
    """Class of a clip, with the ids of the HFV paper (HumanSAM, §3.1)."""

    SPATIAL = 0
    APPEARANCE = 1
    MOTION = 2
    REAL = 3

    def __str__(self) -> str:
        """The name that tables and columns use: `spatial`, not `Label.SPATIAL`."""
        return self.name.lower()


class Metric(StrEnum):
    """One of the three anomaly scores. A higher score is more anomalous."""

    SPATIAL = "spatial"
    APPEARANCE = "appearance"
    MOTION = "motion"


METRICS = tuple(Metric)
"""All metrics in the order of their label ids: `METRICS[Label.MOTION] is Metric.MOTION`."""


class Status(StrEnum):
    """What became of an input row."""

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
    """Wrong use: one sentence that says what is wrong, where, and the way out. The command exits with 2."""


class ClipError(Exception):
    """A clip that cannot be read or scored: one sentence that becomes the `error` of its row."""


class NotScored(ClipError):
    """A clip that no model has processed, since its file is missing or has changed: the next run tries it again."""

    def __str__(self) -> str:
        """Return the sentence, marked as what it is."""
        return f"not scored: {super().__str__()}"


def reason(error: Exception) -> str:
    """Return what was raised, as the `error` of a clip's row."""
    return str(error) if isinstance(error, ClipError | OSError) else f"{type(error).__name__}: {error}".splitlines()[0]
