"""Certificates that one machine records and another compares with."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from hfv_builder.backends.registry import resolve
from hfv_builder.backends.weights import WeightsDir
from hfv_builder.profiles.profile import load_profile
from hfv_builder.records import UsageError
from hfv_builder.trial import certificate
from hfv_builder.trial.certificate import Certificate, certify, changed_labels, clips, compare
from pipelines.cli import main

SCORES = {
    f"{number}.mp4": {"spatial": 0.1 * number, "appearance": 0.5 - 0.07 * number, "motion": 0.01 * (number % 4)}
    for number in range(6)
}


def certificate_of(scores: Any = SCORES, **changes: Any) -> Certificate:
    fields: dict[str, Any] = {
        "profile": "paper",
        "precision": "fp32",
        "environment": {},
        "fingerprints": {},
        "frames": "f",
    }
    return Certificate(**(fields | {"scores": scores} | changes))


def scores_with(clip: str, metric: str, value: float | None) -> dict[str, Any]:
    return {name: dict(row, **({metric: value} if name == clip else {})) for name, row in SCORES.items()}


def test_equal_scores_have_no_difference() -> None:
    rows = compare(certificate_of(), certificate_of())
    assert [(row.difference, row.passed) for row in rows] == [(0, True)] * 3
    assert [row.rank_correlation for row in rows] == pytest.approx([1, 1, 1])
    assert changed_labels(certificate_of(), certificate_of()) == []


@pytest.mark.parametrize(("precision", "passed"), [("fp32", False), ("fp16", True)])
def test_a_difference_is_relative_to_the_range_and_limited_by_the_precision(precision: str, passed: bool) -> None:
    changed = certificate_of(scores_with("3.mp4", "spatial", 0.305), precision=precision)  # the range of spatial is 0.5
    spatial, appearance, motion = compare(changed, certificate_of())
    assert spatial.difference == pytest.approx(0.01)
    assert spatial.passed is passed
    assert (appearance.difference, motion.difference) == (0, 0)


def test_labels_that_change_are_named() -> None:
    # 0.mp4 has the largest appearance score of all, and small scores otherwise.
    assert "0.mp4" in changed_labels(certificate_of(scores_with("0.mp4", "appearance", -1.0)), certificate_of())


def test_a_missing_score_is_an_infinite_difference() -> None:
    spatial, *_ = compare(certificate_of(scores_with("3.mp4", "spatial", None)), certificate_of())
    assert spatial.difference == float("inf")
    assert not spatial.passed


def test_certificates_of_other_frames_are_refused() -> None:
    with pytest.raises(UsageError, match="the rendered clips differ"):
        compare(certificate_of(), certificate_of(frames="g"))
    fewer = certificate_of()
    with pytest.raises(UsageError, match="the rendered clips differ"):
        compare(fewer, dataclasses.replace(fewer, scores=dict([*fewer.scores.items()][1:])))


@pytest.mark.parametrize("content", ["", "[]", '{"profile": "paper"}', '{"scores": 1}'])
def test_other_files_are_refused_in_one_sentence(content: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(UsageError, match="is not a certificate") as error:
        certificate.read(path)
    assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match="cannot be read"):
        certificate.read(tmp_path / "none.json")
    certificate.write(certificate_of(), path)
    path.write_text(path.read_text().replace('"fp32"', '"fp64"'))
    with pytest.raises(UsageError, match=r"is not a certificate .*precision"):
        certificate.read(path)


def test_a_certificate_is_read_as_it_was_written(tmp_path: Path) -> None:
    certificate.write(certificate_of(), tmp_path / "a.json")
    assert certificate.read(tmp_path / "a.json") == certificate_of()


def test_twelve_clips_of_three_families() -> None:
    assert [spec.family for spec in clips()] == ["spatial"] * 4 + ["appearance"] * 4 + ["motion"] * 4
    assert len({spec.file for spec in clips()}) == 12


def test_lite_is_certified_and_compared_by_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    three_clips = clips()[::4]
    monkeypatch.setattr(certificate, "clips", lambda: three_clips)
    path = tmp_path / "here.json"
    common = ["weights", "try", "--profile", "lite", "--manifests", str(tmp_path)]
    assert main([*common, "--record", str(path)]) == 0
    assert "no learnt models" in capsys.readouterr().out
    recorded = certificate.read(path)
    device = recorded.environment["device"]
    repeated = certify(resolve(load_profile("lite"), device=device), recorded.environment, store=WeightsDir())
    assert repeated == recorded
    scores = {
        clip: {metric: value and 2 * value for metric, value in row.items()} for clip, row in recorded.scores.items()
    }
    certificate.write(dataclasses.replace(recorded, scores=scores, environment={"device": "another"}), path)
    assert main([*common, "--compare", str(path)]) == 3
    printed = capsys.readouterr().out
    assert "FAILED" in printed
    assert f"device {device} (certificate: another)" in printed


def test_missing_weights_and_wrong_options_are_usage_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HFV_WEIGHTS", str(tmp_path / "none"))
    assert main(["weights", "try", "--manifests", str(tmp_path)]) == 2
    assert "hfv weights pull" in capsys.readouterr().err
    certificate.write(certificate_of(profile="lite"), tmp_path / "lite.json")
    assert main(["weights", "try", "--compare", str(tmp_path / "lite.json"), "--manifests", str(tmp_path)]) == 2
    assert "is of profile lite, not paper" in capsys.readouterr().err  # before anything is loaded or computed
    (tmp_path / "folder").mkdir()
    for place in (tmp_path / "folder", tmp_path / "lite.json" / "x.json"):
        assert main(["weights", "try", "--record", str(place), "--manifests", str(tmp_path)]) == 2
        assert "cannot be written" in capsys.readouterr().err  # likewise
    assert main(["weights", "try", "--profile", "audit", "--record", "x", "--manifests", str(tmp_path)]) == 2
    assert "audit has no scores to record or compare" in capsys.readouterr().err
    assert main(["weights", "check", "--record", "x", "--manifests", str(tmp_path)]) == 2
    assert "--record belongs to `hfv weights try`" in capsys.readouterr().err
