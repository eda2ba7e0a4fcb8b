"""The commands that the Makefile runs, logged by a script in place of `hfv`."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipelines.arguments import parser

ROOT = Path(__file__).parents[1]


def make(
    tmp_path: Path, *arguments: str, codes: dict[str, int] | None = None, **environment: str
) -> tuple[int, str, str]:
    """Run make; return its exit code, the arguments of each call of `hfv` (a line each), and its standard error."""
    log = tmp_path / "log"
    log.write_text("")
    stand_in = tmp_path / "hfv"
    cases = "".join(f"{stage}) exit {code};;\n" for stage, code in (codes or {}).items())
    stand_in.write_text(f'#!/bin/sh\necho "$@" >> {log}\ncase $1 in\n{cases}*) exit 0;;\nesac\n')
    stand_in.chmod(0o755)
    command = ["make", "-o", ".venv/.ready", f"BIN={tmp_path}", *arguments]
    process = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ | environment
    )
    return process.returncode, log.read_text(), process.stderr


@pytest.mark.parametrize("codes", [{"score": 3}, {"catalog": 3}, {"catalog": 3, "score": 3}])
def test_failed_clips_do_not_stop_make(tmp_path: Path, codes: dict[str, int]) -> None:
    code, log, err = make(tmp_path, "score", "label", "GENERATOR=k", codes=codes)
    assert code == 0
    assert [line.split()[0] for line in log.splitlines()] == ["catalog", "score", "label"]
    assert err.count("make score: done, but some clips failed") == len(codes)


def test_failed_files_of_the_catalogue_do_not_stop_make(tmp_path: Path) -> None:
    code, _, err = make(tmp_path, "catalog", "GENERATOR=k", codes={"catalog": 3})
    assert code == 0
    assert err.count("\n") == 1


@pytest.mark.parametrize("failure", [1, 2, 130])
def test_other_exit_codes_stop_make(tmp_path: Path, failure: int) -> None:
    code, log, err = make(tmp_path, "score", "GENERATOR=k", codes={"catalog": failure})
    assert code == 2
    assert f"Error {failure}" in err
    assert "score" not in log
    code, _, err = make(tmp_path, "score", "label", "GENERATOR=k", codes={"score": failure})
    assert code == 2
    assert "some clips failed" not in err


def test_label_ignores_a_profile_of_the_environment(tmp_path: Path) -> None:
    assert make(tmp_path, "label")[1].split() == ["label"]
    assert make(tmp_path, "label", PROFILE="lite")[1].split() == ["label"]
    assert make(tmp_path, "label", "PROFILE=lite")[1].split() == ["label", "--profile", "lite"]
    calls = make(tmp_path, "score", "label", "GENERATOR=k", "PROFILE=lite")[1].splitlines()
    assert "--profile lite" in calls[1]
    assert calls[2] == "label --generator k --profile lite"
    assert make(tmp_path, "score", "GENERATOR=k")[1].splitlines()[1] == "score --generator k"


def test_the_examples_of_the_guide_are_rendered_into_the_package(tmp_path: Path) -> None:
    (tmp_path / "python").write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/given\n')
    (tmp_path / "python").chmod(0o755)
    assert make(tmp_path, "guide")[0] == 0
    assert 'write_examples("review_ui/guide")' in (tmp_path / "given").read_text()


def test_select_and_audit_pass_their_variables_on(tmp_path: Path) -> None:
    chosen = ["GENERATOR=a b", "PER_GENERATOR=720", "BALANCE=activity,format", "SEED=3"]
    assert make(tmp_path, "select", *chosen)[1] == (
        "select --generator a --generator b --per-generator 720 --balance activity,format --seed 3\n"
    )
    assert make(
        tmp_path, "audit", "AGAINST=theirs.csv", "RELEASE=out/a-1.0.0", "TOPICS=t.toml", "PEOPLE=pose", "WORKERS=1"
    )[1] == ("audit --against theirs.csv --release out/a-1.0.0 --topics t.toml --people pose --workers 1\n")
    assert make(tmp_path, "review", "LIST=some.txt", "RUN=r")[1] == "review --clips some.txt --run r\n"


VARIABLES = sorted({*re.findall(r"call (?:flag|switch|given|need),(\w+)", (ROOT / "Makefile").read_text())})
NEEDED = ("GENERATOR=k", "DETECTOR=clip-svm", "RELEASE=r", "RUN=runs/x", "CLIPS=c")
"""Variables that these targets require."""
TARGETS = (
    "demo",
    "catalog",
    "score",
    "select",
    "label",
    "split",
    "audit",
    "train",
    "evaluate",
    "predict",
    "reproduce",
    "status",
    "weights",
    "review",
)


def test_no_variable_is_taken_from_the_environment(tmp_path: Path) -> None:
    assert {"CLUSTER", "DEVICE", "PROFILE", "GENERATOR", "REAL", "MANIFESTS", "PROMPTS"} <= set(VARIABLES)
    code, plain, _ = make(tmp_path, *TARGETS, *NEEDED)
    assert code == 0
    other: Any = dict.fromkeys(VARIABLES, "not-meant-for-us")
    assert make(tmp_path, *TARGETS, *NEEDED, **other) == (0, plain, "")
    code, log, err = make(tmp_path, "score", **other)
    assert (code, log) == (2, "")
    assert "score needs GENERATOR: make score GENERATOR=kling" in err


WITHOUT = {
    "release": {"--clips", "--to", "--private"},
    "evaluate": {"--name", "--predictions"},
    "demo": {"--manifests"},
    "weights": {"--manifests"},
    "reviews": {"--manifests"},
}
"""Options that no target needs: of actions without one, such as `hfv release push`, and without effect."""


def test_every_option_has_a_variable(tmp_path: Path) -> None:
    log = make(tmp_path, *TARGETS, "release", "show", *(f"{name}=1" for name in VARIABLES))[1]
    actions = parser()._actions
    commands: Any = next(action.choices for action in actions if isinstance(action.choices, dict))
    for name, command in commands.items():
        options = {flag for action in command._actions for flag in action.option_strings if flag[:2] == "--"}
        given = set(" ".join(re.findall(rf"^{name} .*", log, re.MULTILINE)).split())
        missing = options - given - WITHOUT.get(name, set()) - {"--help", "--json", "--verbose"}
        assert not missing, (name, missing)


def test_detectors_are_trained_and_evaluated(tmp_path: Path) -> None:
    code, log, _ = make(
        tmp_path,
        "train",
        "evaluate",
        "DETECTOR=clip-svm",
        "RELEASE=releases/my set",
        "TARGET=binary",
        "SET=kernel=linear c=2.0",
        "GENERATOR=a b",
        "RUNS=runs/x runs/y",
        codes={"train": 3},
    )
    assert code == 0
    assert log.splitlines() == [
        "train clip-svm --target binary --set kernel=linear --set c=2.0 --generator a --generator b "
        "--release releases/my set",
        "evaluate runs/x runs/y --release releases/my set",
    ]
    code, log, err = make(tmp_path, "train", "DETECTOR=clip-svm")
    assert (code, log) == (2, "")
    assert "train needs RELEASE: make train RELEASE=releases/my-set-1.0.0" in err
    assert "--resume" in make(tmp_path, "train", *NEEDED, "RESUME=1")[1]


def test_own_clips_are_predicted(tmp_path: Path) -> None:
    code, log, err = make(
        tmp_path, "predict", "RUN=runs/x", "CLIPS=a b.mp4", "OUT=maps", "KEEP=1", codes={"predict": 3}
    )
    assert (code, log) == (0, "predict runs/x a b.mp4 --out maps --keep\n")
    assert "make predict: done, but some clips failed" in err
    assert "predict needs RUN: make predict RUN=runs" in make(tmp_path, "predict", "CLIPS=a")[2]
    assert "predict needs CLIPS: make predict CLIPS=my-clips" in make(tmp_path, "predict", "RUN=a")[2]


def test_the_paper_is_reproduced(tmp_path: Path) -> None:
    code, log, _ = make(tmp_path, "reproduce", "RELEASE=r", "DETECTOR=cnndet f3net", "CONFIG=c.toml", "SEED=1")
    assert code == 0
    assert log == "reproduce --detector cnndet --detector f3net --config c.toml --release r --seed 1\n"
    assert "reproduce needs RELEASE" in make(tmp_path, "reproduce")[2]


@pytest.mark.parametrize("value", ["0", "no", "No", "NO", "false", "False", "off", "n", "", " "])
@pytest.mark.parametrize(
    ("target", "variable", "flag"),
    [
        ("catalog", "REAL", "--real"),
        ("catalog", "RETRY", "--retry-failed"),
        ("catalog", "PROMPTS_IN_NAMES", "--prompts-in-names"),
        ("score", "RETRY", "--retry-failed"),
        ("label", "BY_FORMAT", "--by-format"),
        ("label", "ALLOW_MIXED", "--allow-mixed"),
        ("split", "ALLOW_PARTIAL", "--allow-partial"),
        ("split", "STRONG_ONLY", "--strong-only"),
        ("select", "ALL", "--all"),
        ("audit", "RETRY", "--retry-failed"),
        ("predict", "KEEP", "--keep"),
    ],
)
def test_negative_values_leave_a_flag_out(tmp_path: Path, target: str, variable: str, flag: str, value: str) -> None:
    assert flag not in make(tmp_path, target, *NEEDED, f"{variable}={value}")[1]
    assert flag in make(tmp_path, target, *NEEDED, f"{variable}=1")[1]


def test_an_empty_variable_counts_as_not_given(tmp_path: Path) -> None:
    required = {need.partition("=")[0] for need in NEEDED}
    empty = [f"{name}=" for name in VARIABLES if name not in required]
    assert make(tmp_path, *TARGETS, *NEEDED, *empty) == make(tmp_path, *TARGETS, *NEEDED)
