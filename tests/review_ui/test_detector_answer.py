"""A detector's answer beside the automatic label: hidden and shown with it, by the server."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fastapi.testclient import TestClient

from hfv_builder.detectors.answers import answers_of, keep_answers
from hfv_builder.detectors.run_folder import Run, Specification, write_predictions
from hfv_builder.evaluation.scores import PROBABILITIES
from hfv_builder.records import UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS
from review_ui.settings import Settings
from tests.review_ui.browser import Desk, Served
from tests.review_ui.conftest import Person

ANSWER = {
    "run": "clip-svm",
    "answer": "motion",
    "probabilities": {"spatial": 0.1, "appearance": 0.2, "motion": 0.6, "real": 0.1},
}


def answers(manifests: Manifests) -> dict[str, dict[str, Any]]:
    """The same answer to every clip."""
    return dict.fromkeys(manifests.read(CLIPS, ["clip_id"])["clip_id"].to_pylist(), ANSWER)


def test_it_is_hidden_until_the_blind_answer(start: Callable[..., TestClient], manifests: Manifests) -> None:
    anna = Person(start(settings=Settings(shown=0.0), answers=answers(manifests)), "anna")
    item = anna.hand()[0]
    paths = [f"/api/clips/{item['clip_id']}", f"/api/browse/{item['clip_id']}", f"/api/clips/{item['clip_id']}/frames"]
    for path in paths:
        assert "clip-svm" not in anna.send("GET", path).text
    assert "clip-svm" not in json.dumps(item)
    body = {"decision_id": "a" * 16, "clip_id": item["clip_id"], "answer": "none", "final": False}
    kept = anna.send("POST", "/api/decisions", body).json()
    assert kept["suggestion"]["detector"] == ANSWER
    assert anna.get(paths[0])["suggestion"]["detector"] == ANSWER
    other = next(clip for clip in answers(manifests) if clip != item["clip_id"])
    assert "clip-svm" not in anna.send("GET", f"/api/clips/{other}").text


def test_a_clip_that_the_detector_does_not_know(start: Callable[..., TestClient]) -> None:
    anna = Person(start(settings=Settings(shown=1.0), answers={"0" * 16: ANSWER}), "anna")
    assert anna.hand()[0]["suggestion"]["detector"] is None


def run_of(folder: Path, target: str = "anomaly") -> Run:
    specification = Specification(
        detector="clip-svm",
        config={},
        target=target,  # type: ignore[arg-type]
        classes=(),
        real=(),
        generators=(),
        release="r",
        checksum="",
        fingerprint="",
        clips="",
        is_lite=True,
    )
    return Run(folder=folder, specification=specification, done=True, facts={"weights": "w"})


def predictions(*clips: str, variant: str = "", four: bool = True, p_real: float = 0.1) -> pd.DataFrame:
    rows = pd.DataFrame({"clip_id": clips, "set": "kling", "variant": variant})
    rest = (1 - p_real) / 3 if four else float("nan")
    return rows.assign(**dict.fromkeys(PROBABILITIES[:3], rest), p_real=p_real)


def test_what_a_run_answered(tmp_path: Path) -> None:
    run = run_of(tmp_path / "svm")
    with pytest.raises(UsageError, match="has predicted nothing: run `hfv evaluate"):
        answers_of(run)
    for name, table, made_by in (
        ("a", predictions("1", "2", p_real=0.9), "w"),
        ("b", predictions("2", four=False, p_real=0.7), "w"),
        ("c", pd.concat([predictions("3", variant="blur3"), predictions("4", p_real=float("nan"))]), "w"),
        ("d", predictions("5"), "other weights"),
    ):
        write_predictions(run.predictions_path(name, "0" * 64), table, made_by=made_by)
    own = answers_of(run)
    assert own.keys() == {"1", "2"}
    assert own["1"] | {"probabilities": None} == {"run": "svm", "answer": "real", "probabilities": None}
    assert own["2"]["probabilities"] == pytest.approx({"fake": 0.3, "real": 0.7})
    for p_real in (0.4, 0.2):
        keep_answers(run, predictions("1", "9", p_real=p_real).drop(columns=["set", "variant"]))
    assert {clip: round(answer["probabilities"]["real"], 3) for clip, answer in answers_of(run).items()} == {
        "1": 0.2,
        "2": 0.7,
        "9": 0.2,
    }


def test_two_predictions_at_once_keep_the_answers_of_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def keep(clip: str) -> None:
        keep_answers(run, predictions(clip).drop(columns=["set", "variant"]))

    def written_late(*arguments: Any, **options: Any) -> None:
        if not others:
            others.append(threading.Thread(target=keep, args=("2",)))
            others[0].start()
            others[0].join(0.2)
        write_predictions(*arguments, **options)

    run, others = run_of(tmp_path), list[threading.Thread]()
    monkeypatch.setattr("hfv_builder.detectors.answers.write_predictions", written_late)
    keep("1")
    others[0].join()
    assert answers_of(run).keys() == {"1", "2"}


def test_the_page_shows_it_after_the_answer(
    serve: Callable[..., Served], sit: Callable[..., Desk], sample: Manifests
) -> None:
    desk = sit(serve(sample, settings=Settings(shown=0.0), answers=answers(sample)), "anna").opened()
    assert desk.page.locator("#detector").is_hidden()
    assert "clip-svm" not in desk.page.content()
    desk.press("1", "Enter")
    desk.in_phase("revealed")
    assert desk.text("#detector") == "clip-svm: Motion spatial 10 %, appearance 20 %, motion 60 %, real 10 %"
    overflow = "[...document.querySelectorAll('.suggestion, #detector')].some(box => box.scrollWidth > box.clientWidth)"
    assert not desk.page.evaluate(overflow)
