"""The command line: help without heavy imports, one-sentence errors, exit codes and valid JSON."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hfv_builder.backends.registry import resolve
from hfv_builder.profiles.profile import load_profile
from pipelines.arguments import parser
from pipelines.cli import main

COMMANDS = sorted(parser()._subparsers._group_actions[0].choices)  # type: ignore[union-attr, arg-type]
HEAVY = (
    "torch",
    "pandas",
    "dask",
    "distributed",
    "pyarrow",
    "numpy",
    "cv2",
    "fastapi",
    "pydantic",
    "accelerate",
    "timm",
)


def hfv(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pipelines.cli", *arguments]


HELP = f"""
import contextlib, io, json, sys
from pipelines.cli import main
for command in sys.argv[1:]:
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            main([*command.split(), "--help"])
    except SystemExit as end:
        print(json.dumps([end.code, out.getvalue(), [name for name in {HEAVY} if name in sys.modules]]))
"""


def test_help_needs_only_the_standard_library() -> None:
    process = subprocess.run([sys.executable, "-c", HELP, "", *COMMANDS], capture_output=True, text=True, check=True)
    helps = [json.loads(line) for line in process.stdout.splitlines()]
    assert len(helps) == 1 + len(COMMANDS)
    for command, (code, out, heavy) in zip(["", *COMMANDS], helps, strict=True):
        assert (code, heavy) == (0, [])
        assert f"usage: hfv {command}" in out


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("demo --out FILE", "cannot write to"),
        ("evaluate --release FILE", "is not a release"),
        ("evaluate --release RELEASE --out FILE", "Not a directory"),
        ("evaluate import --name n --predictions FILE --release RELEASE", "is not a table of a release"),
        ("evaluate import --name n --predictions FILE --release FILE", "is not a release"),
        ("predict FILE FILE", "is not a run"),
        ("release a --version 1", "is not a semantic version"),
        ("release a --version 1.0.0 --variants a", "there is no variant a"),
        ("reproduce --release FILE", "is not a release"),
        ("train clip-svm --release FILE", "is not a release"),
        ("train clip-svm --release RELEASE --out FILE/a/b", "Not a directory"),
        ("train clip-svm --release FILE --config absent.toml", "there is no such file"),
        ("train nothing --release FILE", "there is no detector 'nothing'"),
        ("weights try --record .", "cannot be written"),
    ],
)
def test_wrong_arguments_are_refused_before_a_stage_is_imported(
    command: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    table = tmp_path / "release" / "data" / "train" / "metadata.parquet"
    table.parent.mkdir(parents=True)
    pq.write_table(pa.table({"file_name": ["a.mp4"]}), table)
    paths = {name.upper(): str(tmp_path / name) for name in ("file", "release")}
    for module in ("detect.commands", "detect.imports", "demo.command", "release.commands", "weights_command"):
        monkeypatch.delitem(sys.modules, f"pipelines.{module}", raising=False)
    for module in ("detect.prepare", "detect.train", "demo.stage", "release.stage", "trial"):
        monkeypatch.setitem(sys.modules, f"pipelines.{module}", None)
    monkeypatch.setenv("HFV_MANIFESTS", str(tmp_path))
    arguments = re.sub("FILE|RELEASE", lambda name: paths[name[0]], command).split()
    assert main(arguments) == 2
    assert sentence in capsys.readouterr().err


def test_the_readme_shows_every_command() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    for command in COMMANDS:
        assert f"hfv {command}" in readme, command


def test_every_make_target_of_a_stage_passes_its_variables() -> None:
    root = Path(__file__).parents[2]
    for target, variables, expected in (
        ("label", {"GENERATOR": "a b", "MANIFESTS": "/m"}, "--generator a --generator b --manifests /m"),
        ("split", {"LABELS": "final"}, "--labels final"),
        ("split", {"PROTOCOL": "hfv", "GROUP": "prompt"}, "split --protocol hfv --group prompt"),
        ("release", {"NAME": "n", "VERSION": "1.0.0", "ALLOW_LITE": "1"}, "release n --version 1.0.0 --allow-lite"),
        ("score", {"GENERATOR": "k", "PROFILE": "lite", "WORKERS": "3"}, "--generator k --profile lite --workers 3"),
        ("score", {"GENERATOR": "k", "RETRY": "1"}, "score --generator k --retry-failed"),
        ("review", {"PORT": "1", "SETTINGS": "s"}, "hfv review --port 1 --settings s"),
        ("show", {"CLIP": "a b.mp4", "MANIFESTS": "/m"}, "hfv show a b.mp4 --manifests /m"),
        ("catalog", {"GENERATOR": "k", "REAL": "1"}, "--generator k --clips data/clips/k --real"),
    ):
        assignments = [f"{name}={value}" for name, value in variables.items()]
        process = subprocess.run(
            ["make", "-n", "-o", ".venv/.ready", target, *assignments],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"HOST": "not meant for us"},
        )
        assert expected in " ".join(process.stdout.replace('"', "").replace("\\\n", " ").split())
        assert "not meant" not in process.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["catalog", "--generator", "kling", "--clips", "nowhere"], "/nowhere does not exist"),
        (["catalog", "--generator", "kling", "--clips", "."], "there is no clip in"),
        (["score", "--generator", "klnig"], "/m, which is empty"),
        (["score", "--generator", "kling", "--profile", "papper"], "there is no profile 'papper'"),
        (["label"], "/m has no clips yet"),
        (["split", "--generator", "kling"], "'kling' has no clips in"),
        (["release", "mine", "--version", "1.0.0"], "/m has no clips yet"),
        (["status"], "/m has no clips yet"),
    ],
)
def test_a_usage_error_is_one_sentence_and_exit_code_2(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*arguments, "--manifests", "m"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith(f"hfv {arguments[0]}: ")
    assert sentence in err
    assert not [*Path().iterdir()]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["catalog", "--generator", "k", "--clips", "file"], "/file is a file; give the folder that contains"),
        (["catalog", "--generator", "k", "--clips", "clips", "--manifests", "file"], "Not a directory"),
        (["status", "--manifests", "file"], "/file has no clips yet"),
        (["score", "--generator", "k", "--profile", "clips"], "there is no profile 'clips'"),
        (["review"], "/manifests has no clips yet"),
        (["review", "--users", "clips"], "clips"),
        (["review", "--settings", "clips"], "clips cannot be read: Is a directory"),
        (["reviews", "export", "--db", "clips"], "clips does not exist"),
        (["reviews", "add-user", "anna", "--users", "clips"], "clips"),
        (["demo", "--out", "file"], "cannot write to file: File exists; choose another place with --out DIR"),
    ],
)
def test_files_given_as_folders_and_folders_given_as_files_are_refused(
    arguments: list[str],
    sentence: str,
    clips_folder: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clips_folder(count=1)
    (tmp_path / "file").write_text("x")
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert sentence in err
    assert err.count("\n") == 1
    assert not Path("manifests/review").exists()


def test_commands_lead_from_a_folder_to_splits(
    clips_folder: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = clips_folder(count=4, broken=True)
    monkeypatch.setenv("HFV_MANIFESTS", str(tmp_path / "m"))
    assert main(["catalog", "--generator", "kling", "--clips", str(folder), "--workers", "0", "--json"]) == 3
    captured = capsys.readouterr()
    assert json.loads(captured.out)["ok"] == 4
    assert main(["score", "--generator", "kling", "--profile", "lite", "--workers", "1"]) == 3
    captured = capsys.readouterr()
    assert "failed: 1" in captured.out
    assert "next: hfv label" in captured.out
    assert main(["label", "--json"]) == 0
    labelled = json.loads(capsys.readouterr().out)["generators"][0]
    assert labelled["spatial"] + labelled["appearance"] + labelled["motion"] == 4
    assert labelled["unlabelled"] == 1
    assert main(["split"]) == 0
    assert main(["status", "--json"]) == 0
    out = capsys.readouterr().out
    assert json.loads(out[out.index("{") :])["generators"][0]["split"] == 4
    reports = [json.loads(path.read_text()) for path in sorted((tmp_path / "m" / "runs").glob("*.json"))]
    assert [report["stage"] for report in reports] == ["catalog", "score", "label", "split"]
    scored = reports[1]
    assert scored["versions"]["torch"]
    assert [metric["fingerprint"] for metric in scored["metrics"]] == list(
        resolve(load_profile("lite")).fingerprints.values()
    )
    assert sum(scored["failures_by_reason"].values()) == scored["failed"] == 1
    assert scored["clips_per_second"] > 0
    assert scored["device"] == "cpu"


def test_ctrl_c_says_how_to_resume(clips_folder: Callable[..., Path], tmp_path: Path) -> None:
    folder = clips_folder(count=32, frames=24)
    manifests = str(tmp_path / "m")
    where = ["--generator", "k", "--manifests", manifests]
    assert main(["catalog", *where, "--clips", str(folder), "--workers", "0"]) == 0
    process = subprocess.Popen(
        hfv("score", *where, "--profile", "lite", "--workers", "1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell makes its background jobs, and their children, ignore the signal.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.time() + 90
    while time.time() < deadline and not list(Path(manifests, "scores").rglob("part-*")):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "nothing is lost, run the same command to resume" in err
    assert "Traceback" not in err
