"""Predict the user's own clips with a trained run: probabilities, and what they are based on."""

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from tqdm import tqdm

from hfv_builder.detectors.ahead import ahead
from hfv_builder.detectors.answers import keep_answers
from hfv_builder.detectors.base import Detector, Evidence, Explains, Extractor, Samples
from hfv_builder.detectors.parts import EVERY_S
from hfv_builder.detectors.registry import DETECTORS
from hfv_builder.detectors.run_folder import IMPORTED, Run, read_run
from hfv_builder.detectors.targets import four_probabilities
from hfv_builder.records import DONE, SOME_FAILED, ClipError, UsageError, reason
from hfv_builder.release.metadata import SCHEMA
from hfv_builder.storage.part_file import writing
from hfv_builder.storage.path_text import path_text
from hfv_builder.wording import counted
from pipelines.detect.given_clips import clips_in
from pipelines.detect.own_scores import clip_id_of, own_scores
from pipelines.detect.predict import require_classes, trained_detector
from pipelines.detect.prepare import HERE, Workplace
from pipelines.outcome import Outcome, paragraphs, table
from pipelines.workers.limits import cores

LONGEST = 200
"""Bytes of a clip's name in the name of its image."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer of a run for one clip."""

    clip: Path
    evidence: Evidence | None
    """The evidence without images and maps, which would take too much memory; None for a clip that cannot be read."""
    error: str = ""
    image: Path | None = None
    """The WebP with the maps of the detector."""


def predict_clips(
    folder: Path,
    clips: Sequence[Path],
    *,
    out: Path | None = None,
    keep: bool = False,
    place: Workplace = HERE,
) -> Outcome:
    """Return the probabilities of clips by a run, and their evidence; exit code 3 if a clip cannot be read.

    Each clip is decoded once, and results are stored only with `out` or `keep`.

    Args:
        folder: of the run.
        clips: files, or folders that are searched for clips.
        out: folder for images with the maps of the detector; None for none.
        keep: whether the run's folder keeps the answers by clip id, for `hfv review`.
        place: where to compute.

    Raises:
        UsageError: the run is not finished or cannot keep answers, its detector cannot read files, or there are no
            clips.
    """
    started = time.time()
    run = read_run(folder)
    if keep and not os.access(folder, os.W_OK):
        raise UsageError(f"{folder} is read-only: leave out --keep, or copy the run")
    if run.specification.detector == IMPORTED:
        raise UsageError(f"{folder} holds imported predictions, not a detector: give a run of `hfv train`")
    paths = clips_in(clips)
    detector = trained_detector(run, place)
    answers: list[Answer] = []
    kept, written = 0, time.monotonic()
    try:
        for answer in _answers(run, detector, paths, out, place):
            answers.append(answer)
            if keep and time.monotonic() - written >= EVERY_S:
                _keep(run, answers[kept:])
                kept, written = len(answers), time.monotonic()
    finally:  # also if it is interrupted
        if keep:
            _keep(run, answers[kept:])
    return _outcome(run, answers, out, started)


def _outcome(run: Run, answers: Sequence[Answer], out: Path | None, started: float) -> Outcome:
    """Return the answers as tables for people and values for programs."""
    specification = run.specification
    failed = [answer for answer in answers if answer.evidence is None]
    rows = [
        _row(answer.clip, answer.evidence, specification.classes) for answer in answers if answer.evidence is not None
    ]
    errors = [{"clip": path_text(answer.clip), "error": answer.error} for answer in failed]
    about = "" if out is None else _about_images(answers, out, specification.detector)
    text = paragraphs(
        table(rows, f"{run.name} ({specification.detector}), probabilities in percent:"),
        table(errors, f"{counted(len(errors), 'clip has', 'clips have')} no answer:"),
        about,
    )
    summary = {
        "run": str(run.folder),
        "detector": specification.detector,
        "target": specification.target,
        "classes": list(specification.classes),
        "clips": [_facts(answer, specification.classes) for answer in answers],
        "seconds": round(time.time() - started, 1),
    }
    return Outcome(summary=summary, text=text, exit_code=SOME_FAILED if failed else DONE, started=started)


def _answers(
    run: Run, detector: Detector, paths: Sequence[Path], out: Path | None, place: Workplace
) -> Iterator[Answer]:
    """Yield the answer for every clip, in their order."""
    specification = run.specification
    rows = pd.DataFrame(index=range(len(paths)), columns=SCHEMA.names)
    if DETECTORS[specification.detector].needs_scores:
        scores = own_scores(place.manifests, paths, specification)
        rows[scores.columns] = scores
        rows["error"] = np.where(scores.notna().all(axis=1), "", "the manifests have no scores of it")
    else:
        rows["error"] = ""
    explains = detector if isinstance(detector, Explains) else None
    extractors = explains.evidence_extractors() if explains else detector.extractors()
    threads = place.threads or cores()
    with ThreadPoolExecutor(threads) as pool, tqdm(total=len(paths), desc="clips", unit="clip", disable=None) as bar:
        features = ahead(pool, _reader(extractors), paths, 2 * threads)
        for number, (path, (arrays, error)) in enumerate(zip(paths, features, strict=True)):
            bar.update()
            if error := error or str(rows["error"][number]):
                yield Answer(clip=path, evidence=None, error=error)
                continue
            first, *others = arrays or [np.empty(0)]
            clip = Samples(
                rows=rows.iloc[[number]],
                features=[first],
                further=tuple([other] for other in others),
                classes=np.array([-1]),
            )
            if explains is not None:
                evidence = explains.explain(clip, maps=out is not None)
            else:
                own = detector.predict(clip)
                evidence = Evidence(probabilities=own[0], views=own, view="clip")
            require_classes(run, evidence.probabilities)
            if not np.isfinite(evidence.probabilities).all():
                yield Answer(clip=path, evidence=None, error="the detector gives no numbers as its probabilities")
                continue
            image = _drawn(path, evidence, out)
            yield Answer(clip=path, evidence=replace(evidence, images=None, maps=None), image=image)


def _reader(extractors: Sequence[Extractor]) -> Callable[[Path], tuple[list[npt.NDArray[Any]], str]]:
    """Return a function from a clip to its features, one array for each extractor, or to an error."""

    def read(path: Path) -> tuple[list[npt.NDArray[Any]], str]:
        try:
            return [extractor.extract(path) for extractor in extractors], ""
        except (ClipError, OSError) as error:
            return [], reason(error)

    return read


def _drawn(path: Path, evidence: Evidence, out: Path | None) -> Path | None:
    """Write the maps of the detector and return the file; None for a detector without maps.

    Raises:
        UsageError: the folder cannot be written.
    """
    if out is None or evidence.images is None or evidence.maps is None:
        return None
    from hfv_builder.detectors.map_image import write_maps

    at = hashlib.sha256(path_text(path.absolute()).encode()).hexdigest()[:8]  # names in two folders may be equal
    file = out / f"{_cut(path.stem)}-{at}.webp"
    with writing(file):
        write_maps(file, evidence.images, evidence.maps)
    return file


def _cut(stem: str) -> str:
    """Return the beginning of a name, which leaves space for suffixes in the name of a file."""
    while len(os.fsencode(stem)) > LONGEST:
        stem = stem[:-1]
    return stem


def _keep(run: Run, answers: Sequence[Answer]) -> None:
    known = run.specification
    ids = [clip_id_of(answer.clip) for answer in answers if answer.evidence is not None]
    probabilities = [answer.evidence.probabilities for answer in answers if answer.evidence is not None]
    if probabilities:
        four = four_probabilities(np.stack(probabilities), known.target, known.classes, known.real)
        keep_answers(run, four.assign(clip_id=ids)[np.array(ids) != ""])


def _about_images(answers: Sequence[Answer], out: Path, detector: str) -> str:
    count = sum(answer.image is not None for answer in answers)
    if count or all(answer.evidence is None for answer in answers):
        return f"{count} images of the pixels to which it is sensitive are in {out}"
    return f"{detector} has no maps of pixels, so there are no images"


def _row(clip: Path, evidence: Evidence, classes: Sequence[str]) -> dict[str, Any]:
    """Return the row of a clip in the table for people."""
    row: dict[str, Any] = {"clip": path_text(clip), "answer": classes[int(evidence.probabilities.argmax())]}
    row |= {name: f"{100 * value:.1f}" for name, value in zip(classes, evidence.probabilities, strict=True)}
    if len(evidence.views) > 1:
        agreeing = int((evidence.views.argmax(axis=1) == evidence.probabilities.argmax()).sum())
        row[f"{evidence.view}s that agree"] = f"{agreeing} of {len(evidence.views)}"
    if evidence.fusion is not None:
        row["video branch"] = f"{evidence.fusion:.2f}"
    return row


def _facts(answer: Answer, classes: Sequence[str]) -> dict[str, Any]:
    """Return the answer for a clip as values for programs, with the same keys for every clip."""
    evidence = answer.evidence
    known = {"clip": path_text(answer.clip), "error": answer.error or None}
    if evidence is None:
        return known | dict.fromkeys(("answer", "probabilities", "view", "views", "fusion", "image"))

    def named(values: npt.NDArray[np.float64]) -> dict[str, float]:
        return dict(zip(classes, map(float, values), strict=True))

    return known | {
        "answer": classes[int(evidence.probabilities.argmax())],
        "probabilities": named(evidence.probabilities),
        "view": evidence.view,
        "views": [named(view) for view in evidence.views],
        "fusion": evidence.fusion,
        "image": None if answer.image is None else str(answer.image),
    }
