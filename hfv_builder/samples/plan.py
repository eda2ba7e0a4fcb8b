"""The sample set: the list of its clips, and the table of the anomalies injected into them."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hfv_builder.samples.actions import ACTIONS
from hfv_builder.samples.anomalies import CLEAN
from hfv_builder.samples.spec import SampleSpec
from hfv_builder.storage.part_file import part_file

TRUTH_COLUMNS = ("generator", "file", "family", "kind", "action", "severity", "seed")

SEVERITIES = (0.5, 1.0)
"""Range of the severities: from visible to obvious."""

PLANNED_KINDS: dict[str, tuple[str, ...]] = {
    "spatial": ("order", "object_scale", "sinking"),
    "appearance": ("clothes", "identity", "scene", "object"),
    "motion": ("spin", "jitter", "shuffle"),
}
"""The kinds in the sample set: those that the scores of `lite` can distinguish.

`limb_length`, `stutter` and `bend` can be rendered too, but classical scores recover only half to two thirds of them,
too few for a smoke test.
"""


@dataclass(frozen=True)
class ClipFormat:
    """Size in pixels, frames per second and number of frames of a generator's clips."""

    width: int
    height: int
    fps: int
    num_frames: int


FAKE_SOURCES = {"demo-a": ClipFormat(320, 240, 16, 36), "demo-b": ClipFormat(384, 216, 12, 30)}
REAL_SOURCE, REAL_FORMAT = "demo-real", ClipFormat(320, 240, 16, 36)


def sample_plan(*, per_family: int = 12, real: int = 24, seed: int = 0) -> list[SampleSpec]:
    """Return the clips of the sample set, sorted by generator and file name.

    Every fake generator gets `per_family` clips of each anomaly family, the real source gets `real` clean clips. Kinds
    and actions are equally frequent up to a remainder, severities are spread evenly over `SEVERITIES`. The result
    depends only on the arguments; the seeds of the clips are independent of each other.
    """
    specs: list[SampleSpec] = []
    for number, (generator, form) in enumerate(FAKE_SOURCES.items()):
        rng = np.random.default_rng([seed, number])
        rows = [row for family in PLANNED_KINDS for row in _family_rows(rng, family, per_family)]
        specs += _named(rng, generator, form, rows)
    rng = np.random.default_rng([seed, len(FAKE_SOURCES)])
    rows = [(CLEAN, "none", action, 0.0) for action in _dealt(rng, list(ACTIONS), real)]
    return specs + _named(rng, REAL_SOURCE, REAL_FORMAT, rows)


def write_truth(specs: Iterable[SampleSpec], path: Path) -> None:
    """Write the anomaly of every clip to a CSV file with the columns `TRUTH_COLUMNS`, atomically."""
    with part_file(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(TRUTH_COLUMNS)
        writer.writerows([getattr(spec, column) for column in TRUTH_COLUMNS] for spec in specs)


Row = tuple[str, str, str, float]
"""Family, kind, action, severity."""


def _family_rows(rng: np.random.Generator, family: str, count: int) -> list[Row]:
    kinds = _dealt(rng, PLANNED_KINDS[family], count)
    actions = _dealt(rng, list(ACTIONS), count)
    low, high = SEVERITIES
    steps = (rng.permutation(count) + 0.5) / max(count, 1)
    severities = [round(float(low + (high - low) * step), 3) for step in steps]
    return [(family, *row) for row in zip(kinds, actions, severities, strict=True)]


def _dealt(rng: np.random.Generator, names: Sequence[str], count: int) -> list[str]:
    """Return `count` names in random order, whose frequencies differ by at most one."""
    packs = [rng.permutation(list(names)) for _ in range(-(-count // len(names)))]
    hand = [str(name) for pack in packs for name in pack][:count]
    return [hand[index] for index in rng.permutation(count)]


def _named(rng: np.random.Generator, generator: str, form: ClipFormat, rows: list[Row]) -> list[SampleSpec]:
    """Return the clips in random order, so that a file name does not reveal the anomaly."""
    seeds = rng.choice(2**32, size=len(rows), replace=False)
    return [
        SampleSpec(
            generator=generator,
            file=f"clip_{number:04d}.mp4",
            family=family,
            kind=kind,
            action=action,
            severity=severity,
            seed=int(seeds[number]),
            width=form.width,
            height=form.height,
            fps=form.fps,
            num_frames=form.num_frames,
        )
        for number, (family, kind, action, severity) in enumerate(rows[index] for index in rng.permutation(len(rows)))
    ]
