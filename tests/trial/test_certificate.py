"""Certificates: what one machine records, another compares with."""

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


def made(scores: Any = SCORES, **other: Any) -> Certificate:
    fields: dict[str, Any] = {
        "profile": "paper",
        "precision": "fp32",
        "environment": {},
        "fingerprints": {},
        "frames": "f",
    }
    return Certificate(**(fields | {"scores": scores} | other))


def altered(clip: str, metric: str, value: float | None) -> dict[str, Any]:
    return {name: dict(row, **({metric: value} if name == clip else {})) for name, row in SCORES.items()}


def test_equal_scores_differ_by_nothing() -> None:
    rows = compare(made(), made())
    assert [(row.difference, row.passed) for row in rows] == [(0, True)] * 3
    assert [row.rank_correlation for row in rows] == pytest.approx([1, 1, 1])
    assert changed_labels(made(), made()) == []


@pytest.mark.parametrize(("precision", "passed"), [("fp32", False), ("fp16", True)])
def test_a_difference_is_a_share_of_the_range_and_its_limit_hangs_on_the_precision(
    precision: str, passed: bool
) -> None:
    own = made(altered("3.mp4", "spatial", 0.305), precision=precision)  # the range of spatial is 0.5
    spatial, appearance, motion = compare(own, made())
    assert spatial.difference == pytest.approx(0.01)
    assert spatial.passed is passed
    assert (appearance.difference, motion.difference) == (0, 0)


def test_labels_that_change_are_named() -> None:
    # 0.mp4 has the largest appearance score of all, and small scores otherwise.
    assert "0.mp4" in changed_labels(made(altered("0.mp4", "appearance", -1.0)), made())


def test_a_score_that_one_machine_lacks_is_no_small_difference() -> None:
    spatial, *_ = compare(made(altered("3.mp4", "spatial", None)), made())
    assert spatial.difference == float("inf")
    assert not spatial.passed


@pytest.mark.parametrize("other", [{"profile": "lite"}, {"frames": "g"}])
def test_what_cannot_be_compared_is_refused(other: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        compare(made(), made(**other))


@pytest.mark.parametrize("content", ["", "[]", '{"profile": "paper"}', '{"scores": 1}'])
def test_what_is_no_certificate_is_refused_in_one_sentence(content: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(UsageError, match="is not a certificate") as error:
        certificate.read(path)
    assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match="cannot be read"):
        certificate.read(tmp_path / "none.json")


def test_a_certificate_survives_its_file(tmp_path: Path) -> None:
    certificate.write(made(), tmp_path / "a.json")
    assert certificate.read(tmp_path / "a.json") == made()


def test_twelve_clips_of_three_families() -> None:
    assert [spec.family for spec in clips()] == ["spatial"] * 4 + ["appearance"] * 4 + ["motion"] * 4
    assert len({spec.file for spec in clips()}) == 12


def test_lite_is_certified_and_compared_by_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = clips()[::4]
    monkeypatch.setattr(certificate, "clips", lambda: few)
    path = tmp_path / "here.json"
    common = ["weights", "try", "--profile", "lite", "--manifests", str(tmp_path)]
    assert main([*common, "--record", str(path)]) == 0
    assert "no learnt models" in capsys.readouterr().out
    trusted = certificate.read(path)
    device = trusted.environment["device"]
    again = certify(resolve(load_profile("lite"), device=device), trusted.environment, store=WeightsDir())
    assert again == trusted
    scores = {
        clip: {metric: value and 2 * value for metric, value in row.items()} for clip, row in trusted.scores.items()
    }
    certificate.write(dataclasses.replace(trusted, scores=scores, environment={"device": "another"}), path)
    assert main([*common, "--compare", str(path)]) == 3
    printed = capsys.readouterr().out
    assert "FAILED" in printed
    assert f"device {device} (certificate: another)" in printed


def test_missing_weights_and_wrong_options_are_wrong_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HFV_WEIGHTS", str(tmp_path / "none"))
    assert main(["weights", "try", "--manifests", str(tmp_path)]) == 2
    assert "hfv weights pull" in capsys.readouterr().err
    assert main(["weights", "check", "--record", "x", "--manifests", str(tmp_path)]) == 2
    assert "--record belongs to `hfv weights try`" in capsys.readouterr().err
