"""The environment of a run: temporary folders, the home folder, the locale and the terminal."""

import ast
import io
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from hfv_builder.backends.weights import WeightsDir, default_root
from hfv_builder.profiles.profile import load_profile
from hfv_builder.records import UsageError
from hfv_builder.storage.manifest import Manifests
from pipelines import cli
from pipelines.cli import main
from pipelines.outcome import Outcome, table
from pipelines.weights import pull
from tests.pipelines.conftest import raising

FORK = """
from multiprocessing import get_context, util
from pipelines.workers.local import prepare_forks
import tempfile
prepare_forks([])
child = get_context("forkserver").Process(target=int)
child.start()
child.join()
print(child.exitcode, tempfile.gettempdir(), util.get_temp_dir())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers are not forked")
@pytest.mark.parametrize("length", [20, 90, 200])
def test_workers_start_with_long_names_of_tmpdir(tmp_path: Path, length: int) -> None:
    folder = tmp_path / ("x" * length)
    folder.mkdir()
    process = subprocess.run(
        [sys.executable, "-c", FORK],
        env=os.environ | {"TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    code, temporary, sockets = process.stdout.split()
    assert (code, temporary) == ("0", str(folder)), process.stderr
    assert len(sockets) < 80 or length == 20
    assert not Path(sockets).exists()  # the process deletes it


@pytest.fixture
def _no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate a user without a home folder that the system does not know."""
    import pwd

    for name in ("HOME", "HFV_WEIGHTS", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", raising(KeyError("uid not found")))


@pytest.mark.usefixtures("_no_home")
def test_only_weights_need_a_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    WeightsDir().require([])
    with pytest.raises(UsageError, match="no home folder for the weights; give a folder with HFV_WEIGHTS or --dir"):
        pull(load_profile("paper"))
    with pytest.raises(UsageError, match="weights"):
        WeightsDir().require(["clip"])
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv("HFV_WEIGHTS", str(tmp_path / "weights"))
    assert default_root() == tmp_path / "weights"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_output_works_in_every_encoding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, encoding: str) -> None:
    name = "\u52d5\u753b caf\u00e9 \udce9 \x1b[31m.mp4"

    def stage(_: Manifests, options: object) -> Outcome:
        if fails:
            raise UsageError(f"{name} is not there")
        listed = pa.table({"file": ["caf\u00e9 \x1b.mp4"]})
        return Outcome(summary={"file": name}, text=f"it is {name}", details={"files": listed})

    monkeypatch.setitem(cli.STAGES, "status", stage)
    for fails, options in ((False, []), (False, ["--json"]), (False, ["-v"]), (True, [])):
        streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", streams[0])
            patch.setattr(sys, "stderr", streams[1])
            assert main(["status", "--manifests", str(tmp_path), *options]) == (2 if fails else 0)
            written = b""
            for stream in streams:
                stream.flush()
                written += stream.buffer.getvalue()
        assert b"mp4" in written
        assert b"\x1b" not in written


def test_a_skipped_precaution_is_reported_if_verbose(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from hfv_builder.storage import precautions
    from hfv_builder.storage.places import put

    def stage(_: Manifests, options: object) -> Outcome:
        for name in "ab":
            put(tmp_path / name, b"content")
        return Outcome(summary={}, text="done")

    monkeypatch.setitem(cli.STAGES, "status", stage)
    monkeypatch.setattr(os, "chmod", raising(PermissionError(1, "Operation not permitted")))
    for options, times in (([], 0), (["-v"], 1)):
        precautions.TOLD.clear()
        assert main(["status", "--manifests", str(tmp_path), *options]) == 0
        assert capsys.readouterr().err.count("files have no permissions to set (Operation not permitted)") == times


def test_text_files_are_utf_8_in_every_locale() -> None:
    """No file is read or written as text in the encoding of the locale."""
    root = Path(__file__).parents[2]
    for package in ("hfv_builder", "pipelines", "review_ui"):
        for path in sorted((root / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    method = node.func.attr
                    modes = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
                    of_text = method == "open" and any(mode in ("r", "w", "a", "x") for mode in modes)
                    is_media = ast.unparse(node.func) in ("av.open", "tarfile.open")
                    if method in ("read_text", "write_text") or (of_text and not is_media):
                        arguments = {argument.arg for argument in node.keywords} | {*modes}
                        assert arguments & {"encoding", "utf-8"}, f"{path}:{node.lineno}"


def test_json_has_no_nan() -> None:
    rows = pa.table({"value": [math.inf, 1.0]})
    outcome = Outcome(summary={"curve": [{"loss": math.nan}]}, text="", details={"rows": rows})
    assert json.loads(outcome.json(), parse_constant=pytest.fail) == {
        "curve": [{"loss": None}],
        "rows": [{"value": None}, {"value": 1.0}],
    }
    assert table([{"loss": math.nan}]).endswith("–")
