"""Predictions of a run for the evaluation sets of a release; made once and kept in the run's folder if possible."""

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote

import numpy as np
import numpy.typing as npt
import pandas as pd

from hfv_builder.detectors.base import Detector, fingerprint_of
from hfv_builder.detectors.parts import predict_in_parts
from hfv_builder.detectors.reader import Release
from hfv_builder.detectors.registry import FLOORS, configure, create, spec_of
from hfv_builder.detectors.run_folder import IMPORTED, Run, read_predictions, write_predictions
from hfv_builder.detectors.targets import four_probabilities
from hfv_builder.evaluation.results import KEYS
from hfv_builder.evaluation.scores import PROBABILITIES
from hfv_builder.records import UsageError
from hfv_builder.storage.checksum import file_sha256
from pipelines.detect.prepare import Workplace, prepare, profile_of
from pipelines.detect.train import surroundings_of

PARTIAL = ".partial"
"""Suffix of the file of predictions that are not complete."""


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """The predictions of a run."""

    rows: pd.DataFrame
    """A row per clip, set and variant: `KEYS` and `PROBABILITIES`, null for a clip that cannot be read."""
    failed: dict[str, str]
    """The reasons for unreadable clips, by path."""


def predict(run: Run, release: Release, place: Workplace) -> Predicted:
    """Return the predictions of a run, which are computed if they are not in its folder.

    An interrupted prediction goes on. If a clip cannot be read, the next call predicts those that could not.

    Raises:
        UsageError: the run is not done, or was trained on clips of another profile's release.
    """
    path = run.predictions_path(release.folder.name, release.checksum)
    made_by = str(run.facts.get("weights", ""))
    known_run = run.specification
    known = read_predictions(path, made_by=made_by)
    if known is not None and _has_sets(known, release) and (known_run.detector == IMPORTED or _is_newer(path, release)):
        return Predicted(rows=known, failed={})
    if known_run.detector == IMPORTED:
        raise UsageError(
            f"{run.folder} has no predictions for {release.folder.name}: import them with `hfv evaluate import --name "
            f"{run.name} --predictions FILE --release {quote(str(release.folder))}`"
        )
    own_profile = profile_of(release)
    if spec_of(known_run.detector).needs_scores and known_run.profile not in ("", own_profile):
        raise UsageError(
            f"{run.folder} was trained on scores of {known_run.profile}, and those of {release.folder.name} are of "
            f"{own_profile or 'an unknown profile'}: train it on a release with such scores"
        )
    detector = trained_detector(run, place)
    clips = release.rows[release.rows["path"].isin(release.sets["path"])]
    ready = prepare(release, clips, detector, known_run.target, known_run.classes, place)
    rows = ready.samples.rows
    own, partial = np.empty((0, len(known_run.classes))), path.with_suffix(PARTIAL)
    if len(rows) and known_run.detector in FLOORS:  # a forest takes a second for 10,000 clips at once, ten in parts
        own = detector.predict(ready.samples)
    elif len(rows):
        keys = [f"{content} {clip}" for content, clip in zip(ready.contents, rows["path"], strict=True)]
        own = predict_in_parts(detector, ready.samples, keys, path=partial, made_by=made_by)
    require_classes(run, own)
    four = four_probabilities(own, known_run.target, known_run.classes, known_run.real)
    joined = release.sets.merge(pd.concat([rows[["path"]], four], axis=1), how="left", on="path")
    joined = joined[[*KEYS, *PROBABILITIES]]
    if not ready.failed:  # else the next evaluation tries these clips again
        with contextlib.suppress(UsageError):  # the folder of someone else's run may be read-only
            write_predictions(path, joined, made_by=made_by)
            partial.unlink(missing_ok=True)
    return Predicted(rows=joined, failed=ready.failed)


def _has_sets(predictions: pd.DataFrame, release: Release) -> bool:
    """Return whether the predictions are of these sets, whose folders can be renamed without a change of a table."""
    of_predictions, of_release = (pd.MultiIndex.from_frame(rows[KEYS]) for rows in (predictions, release.sets))
    return of_predictions.sort_values().equals(of_release.sort_values())


def require_classes(run: Run, probabilities: npt.NDArray[np.float64]) -> None:
    """Check that a detector gives as many probabilities, (…, classes), as its run.json names classes.

    Raises:
        UsageError: it does not.
    """
    if probabilities.shape[-1] != (count := len(run.specification.classes)):
        raise UsageError(
            f"{run.folder / 'run.json'} names {count} classes, but its weights distinguish {probabilities.shape[-1]}: "
            "train the detector again into another --out"
        )


def _is_newer(predictions: Path, release: Release) -> bool:
    """Return whether no clip was replaced after the predictions; SHA256SUMS rules this out for the clips it lists."""
    unlisted = (release.folder / path for path in release.sets["path"].unique() if path not in release.sums)
    made = predictions.stat().st_mtime
    return all(path.stat().st_ctime <= made for path in unlisted if path.is_file())


def trained_detector(run: Run, place: Workplace) -> Detector:
    """Return the detector of a run as it was trained.

    Raises:
        UsageError: the run is not finished, its weights were changed, or the features computed here differ from those
            of its training.
    """
    known = run.specification
    again = f"hfv train {known.detector} --release DIR --out {run.folder} --resume"
    if not (run.done and run.weights.is_file()):
        raise UsageError(f"{run.folder} is not trained to its end: run `{again}`")
    config = configure(known.detector, known.config, str(run.folder / "run.json"))
    surroundings = surroundings_of(known.classes, place, lite=known.is_lite)
    detector = create(known.detector, config, replace(surroundings, is_trained=True))
    if (own := fingerprint_of(detector)) != known.fingerprint:
        raise UsageError(
            f"{run.folder} was trained on other features ({known.fingerprint}) than those computed here ({own}): "
            "train it again, or use it with the device, weights and versions it was trained with"
        )
    if file_sha256(run.weights) != run.facts.get("weights"):
        raise UsageError(
            f"{run.weights} was changed after the training: run `{again}`, which trains the detector again"
        )
    detector.load(run.weights)
    return detector
