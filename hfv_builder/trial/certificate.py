"""A certificate: the scores of twelve rendered clips on one machine, for comparison with another machine."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import ConfigDict, FiniteFloat, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from hfv_builder.backends.registry import Resolved
from hfv_builder.backends.weights import WeightsDir
from hfv_builder.frames.video import Chunk
from hfv_builder.labelling.labels import label_clips
from hfv_builder.profiles.profile import SECTIONS
from hfv_builder.records import METRICS, Metric, UsageError
from hfv_builder.samples.plan import PLANNED_KINDS
from hfv_builder.samples.render import render_frames
from hfv_builder.samples.spec import SampleSpec
from hfv_builder.scoring.scorer import Scorer
from hfv_builder.storage.part_file import result_file
from hfv_builder.trial.spearman import spearman

FRAMES = 6
"""Number of scored frames of each clip: few, so that the largest models also finish on a CPU."""
TOLERANCES = {"fp32": 0.001, "fp16": 0.02, "bf16": 0.05}
"""Largest difference of a score, relative to the range of its metric over the twelve clips. The key is the lower
precision of the two machines. Rounding in fp32 depends on the processor; in fp16 and bf16 also on the order of
additions."""
ACTIONS = ("walk", "wave", "squat", "juggle")


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", strict=True))
class Certificate:
    """The scores of one machine, and what determined them."""

    profile: str
    precision: Literal["fp32", "fp16", "bf16"]
    """The lowest precision of its models."""
    environment: dict[str, str]
    """Versions and device."""
    fingerprints: dict[str, str]
    frames: str
    """SHA-256 of all frames, which must be equal to compare scores."""
    scores: dict[str, dict[str, FiniteFloat | None]]
    """By clip and metric; None where a metric has no score."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One metric on two machines."""

    metric: Metric
    difference: float
    """Largest difference of a clip's scores, relative to the metric's range on the trusted machine."""
    tolerance: float
    rank_correlation: float
    """Spearman's, over the twelve clips; NaN if all scores are equal."""

    @property
    def passed(self) -> bool:
        """Whether the difference is within the tolerance."""
        return self.difference <= self.tolerance


def clips() -> list[SampleSpec]:
    """Return the twelve clips: four of each family, of obvious severity."""
    families = [(family, kinds[number % len(kinds)]) for family, kinds in PLANNED_KINDS.items() for number in range(4)]
    return [
        SampleSpec(
            generator="certificate",
            file=f"{family}-{number % 4}.mp4",
            family=family,
            kind=kind,
            action=ACTIONS[number % 4],
            severity=1.0,
            seed=number,
            num_frames=2 * FRAMES,
        )
        for number, (family, kind) in enumerate(families)
    ]


def certify(
    resolved: Resolved,
    environment: dict[str, str],
    *,
    store: WeightsDir,
    shown: Callable[[Iterable[SampleSpec]], Iterable[SampleSpec]] = iter,
) -> Certificate:
    """Return the certificate of this machine.

    Args:
        resolved: the profile on its device.
        environment: versions and device.
        store: the directory of the weights.
        shown: wraps the clips, to show progress.
    """
    scorer, digest = Scorer(resolved, store=store), hashlib.sha256()
    scores = {}
    for spec in shown(clips()):
        rgb = np.ascontiguousarray(render_frames(spec)[FRAMES // 2 : FRAMES // 2 + FRAMES])
        digest.update(rgb.tobytes())
        results = scorer.score([Chunk(rgb=rgb, index=np.arange(FRAMES, dtype=np.int32))]).scores
        scores[spec.file] = {metric.value: result.value for metric, result in results.items()}
    order = list(TOLERANCES)
    return Certificate(
        profile=resolved.profile.name,
        precision=max((getattr(resolved.profile, name).precision for name in SECTIONS), key=order.index),
        environment=environment,
        fingerprints={metric.value: value for metric, value in resolved.fingerprints.items()},
        frames=digest.hexdigest(),
        scores=scores,
    )


ADAPTER = TypeAdapter(Certificate)


def write(certificate: Certificate, path: Path) -> None:
    """Write a certificate as JSON, atomically.

    Raises:
        UsageError: it cannot be written.
    """
    with result_file(path, option="--record") as part:
        part.write_bytes(ADAPTER.dump_json(certificate, indent=2) + b"\n")


def read(path: Path) -> Certificate:
    """Return the certificate in a file.

    Raises:
        UsageError: there is none, or it is not a certificate.
    """
    try:
        return ADAPTER.validate_json(path.read_bytes())
    except OSError as error:
        raise UsageError(f"the certificate {path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "its content"
        raise UsageError(
            f"{path} is not a certificate of `hfv weights try --record` ({where}: {first['msg']})"
        ) from None


def compare(own: Certificate, trusted: Certificate) -> list[Comparison]:
    """Return how far the scores of this machine are from the trusted one's, of the same profile, by metric.

    Raises:
        UsageError: the certificates are of different frames.
    """
    if own.frames != trusted.frames or own.scores.keys() != trusted.scores.keys():
        raise UsageError(
            "the rendered clips differ, so their scores cannot be compared: use the versions of numpy and OpenCV of "
            "the certificate's environment, or record a new one"
        )
    rows = []
    for metric in METRICS:
        here, there = (_column(certificate, metric.value) for certificate in (own, trusted))
        both = np.isfinite(here) & np.isfinite(there)
        spread = np.ptp(there[both]) if both.any() else 0.0
        apart = np.abs(here - there)[both].max(initial=0.0)
        # A score that only one machine has is an infinite difference.
        same = np.array_equal(np.isfinite(here), np.isfinite(there))
        difference = np.inf if not same else 0.0 if apart == 0 else apart / spread if spread else np.inf
        rows.append(
            Comparison(
                metric=metric,
                difference=float(difference),
                tolerance=max(TOLERANCES[own.precision], TOLERANCES[trusted.precision]),
                rank_correlation=spearman(here[both], there[both]),
            )
        )
    return rows


def changed_labels(own: Certificate, trusted: Certificate) -> list[str]:
    """Return the clips whose automatic labels differ when the twelve are ranked as one generator."""
    here, there = _labels(own), _labels(trusted)
    return [clip for clip in sorted(there.keys() | here.keys()) if here.get(clip) != there.get(clip)]


def _column(certificate: Certificate, metric: str) -> np.ndarray:
    return np.array([certificate.scores[clip].get(metric) for clip in sorted(certificate.scores)], np.float64)


def _labels(certificate: Certificate) -> dict[str, int | None]:
    rows = [{"clip_id": clip, "generator": "certificate", **scores} for clip, scores in certificate.scores.items()]
    frame = pd.DataFrame(rows, columns=["clip_id", "generator", *(metric.value for metric in METRICS)])
    frame = frame.astype({metric.value: np.float64 for metric in METRICS})
    labels = label_clips(frame)["auto_label"]
    return {clip: None if pd.isna(label) else int(label) for clip, label in zip(frame["clip_id"], labels, strict=True)}
