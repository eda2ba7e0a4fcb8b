"""The fingerprint of a score: a hash of everything that determines it."""

import dataclasses
import hashlib
import json
from typing import Any

from hfv_builder.profiles.profile import Profile
from hfv_builder.records import Metric

VERSIONS = {Metric.SPATIAL: 1, Metric.APPEARANCE: 2, Metric.MOTION: 1}
"""Version of the code of each metric. Increment it when the score for the same frames and parameters changes."""
ACCELERATION = 2
"""Version of the flow acceleration and its scaling part, for the metrics that use them. Scores from flow that is
smaller than the frames have a version of their own, so that those of `lite` stay valid."""

ADDED = {"rate": 0.0, "min_decoded": 0.9, "scaling": False}
"""Profile fields that were added later, with the value that reproduces the earlier behaviour. They enter a fingerprint
only with another value, so that earlier scores stay valid."""

DECIDES = {
    Metric.SPATIAL: ("flow", "depth", "spatial"),
    Metric.APPEARANCE: ("background", "subject"),
    Metric.MOTION: ("flow", "motion"),
}
"""The sections of a profile that determine each metric. The choice of frames determines all metrics."""


def fingerprint(profile: Profile, metric: Metric, revisions: dict[str, str]) -> str:
    """Return the hash, 16 hex digits, of everything that determines a score of this metric.

    Args:
        revisions: the revision of the backend of each section, such as `{"flow": "opencv-5.0"}`; sections that do not
            determine the metric are ignored.
    """
    sections = DECIDES[metric]
    decides = {
        "metric": metric.value,
        "version": VERSIONS[metric],
        "frames": _frames(profile),
        "sections": {name: _stated(dataclasses.asdict(getattr(profile, name))) for name in sections},
        "revisions": {name: revisions[name] for name in sections if name in revisions},
    }
    if profile.looks_at_runs(metric):
        small = not 0 < profile.long_side <= profile.flow.long_side
        decides["acceleration"] = {"version": ACCELERATION, "of_small_flow": 1} if small else ACCELERATION
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:16]


def _frames(profile: Profile) -> dict[str, Any]:
    """Return the fields and versions that determine which frames are compared."""
    names = ("decoder", "pairs", "long_side", "rate", "min_decoded")
    frames = _stated({name: getattr(profile, name) for name in names})
    versions = {"shrink": 2} if profile.long_side else {}
    return frames | versions | ({"spread": 2, "runs": profile.runs} if profile.pairs else {})


def _stated(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in ADDED or value != ADDED[name]}
