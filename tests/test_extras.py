"""Each extra suffices for its commands: they run while all packages of the other extras are blocked."""

import functools
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import pyarrow as pa
import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import SCORES
from tests.review_ui.sample import make_clip, make_sample

PROJECT = "hfv-builder"
RUN = """
import contextlib, io, json, sys, traceback
from importlib import metadata
from importlib.machinery import PathFinder
extras, modules, commands = {arguments}

def missing(name, distribution=metadata.distribution):
    if name.lower().replace("_", "-") not in extras:
        raise metadata.PackageNotFoundError(name)
    return distribution(name)

metadata.distribution = missing

def find_spec(name, path=None, target=None, find=PathFinder.find_spec):
    return None if name.partition(".")[0] in modules else find(name, path, target)

PathFinder.find_spec = find_spec
from pipelines.cli import main
if len(commands) == 1:
    sys.exit(main(commands[0]))
results = []
for argv in commands:
    stderr = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(stderr):
        try:
            code = main(argv)
        except Exception:
            code = 1
            traceback.print_exc()
    results.append([code, stderr.getvalue()])
print(json.dumps(results))
"""
BASE = ("catalog", "select", "label", "split", "status")
"""Commands that need no extra."""
NEEDS = {
    "review": "review",
    "score": "models",
    "release": "release",
    "audit": "audit",
    "evaluate": "detect",
    "demo": "demo",
}
"""Commands and the extra that each needs."""

Result = tuple[int, str]
"""The exit code of a command and its standard error."""


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Manifests:
    return make_sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture
def manifests(sample: Manifests, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sample.local_root, tmp_path / "manifests"))


@functools.cache
def owners() -> Mapping[str, list[str]]:
    """Return the distributions of each top-level module; listing them takes a second."""
    return metadata.packages_distributions()


@functools.cache
def installed_with(*extras: str) -> set[str]:
    """Return the distributions of an installation with exactly these extras."""
    pending, visited = [(PROJECT, extra) for extra in ("", *extras)], set()
    while pending:
        name, extra = pending.pop()
        if (name, extra) in visited:
            continue
        visited.add((name, extra))
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # a requirement of another platform
            continue
        for need in map(Requirement, needs):
            if _applies(need.marker, extra) and (extra == "" or not _applies(need.marker, "")):
                pending += [(canonicalize_name(need.name), other) for other in ("", *need.extras)]
    return {name for name, _ in visited}


def _applies(marker: Marker | None, extra: str) -> bool:
    return marker is None or marker.evaluate({"extra": extra})


def blocked_modules(*extras: str) -> list[str]:
    """Return the top-level modules that an installation with these extras lacks."""
    installed = installed_with(*extras)
    return sorted(
        name
        for name, distributions in owners().items()
        if not any(canonicalize_name(owner) in installed for owner in distributions) and not name.startswith("_")
    )


def program_with(extras: tuple[str, ...], *commands: list[str]) -> list[str]:
    """Return the command line that runs `hfv` as if only these extras were installed.

    With several commands, one process runs them all and prints the list of their results as JSON.
    """
    arguments = [sorted(installed_with(*extras)), blocked_modules(*extras), commands]
    return [sys.executable, "-c", RUN.replace("{arguments}", json.dumps(arguments))]


def test_what_is_blocked() -> None:
    assert {"torch", "fastapi", "matplotlib", "cv2", "pytest"} <= set(blocked_modules())
    assert {"torch", "transformers", "open_clip", "matplotlib"} <= set(blocked_modules("review"))
    assert "fastapi" not in blocked_modules("review")
    assert not {"pyarrow", "pandas", "dask", "av"} & set(blocked_modules())


def make_scores_succeed(manifests: Manifests, generator: str) -> None:
    """Make all scores of the sample successful, so that they can be ranked."""
    for keys in manifests.partitions(SCORES, generator=generator):
        rows = manifests.read(SCORES, **keys).to_pylist()
        succeeded = [row | keys | {"status": "ok", "fingerprint": "f"} for row in rows]
        manifests.replace(SCORES, [pa.Table.from_pylist(succeeded, SCORES.schema)], **keys)


@pytest.fixture(scope="module")
def results(sample: Manifests, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    """Run each command in one process as if no extra were installed; return their results."""
    root = tmp_path_factory.mktemp("base")
    (root / "clips").mkdir()
    make_clip(root / "clips" / "c.mp4")
    table = root / "data" / "train" / "metadata.parquet"  # of a release
    table.parent.mkdir(parents=True)
    table.touch()
    options = {
        "catalog": ["--generator", "gamma", "--clips", str(root / "clips"), "--workers", "0"],
        "label": ["--generator", "alpha"],
        "score": ["--generator", "alpha", "--profile", "lite"],
        "release": ["small", "--version", "1.0.0"],
        "evaluate": ["--release", str(root)],
        "demo": ["--out", str(root / "of-demo")],
    }
    commands = []
    for name in (*BASE, *NEEDS):
        copy = Path(shutil.copytree(sample.local_root, root / name))
        if name == "label":
            make_scores_succeed(Manifests(copy), "alpha")
        commands.append([name, *options.get(name, []), "--manifests", str(copy)])
    process = subprocess.run(program_with((), *commands), capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    return {name: (code, err) for name, (code, err) in zip((*BASE, *NEEDS), json.loads(process.stdout), strict=True)}


@pytest.mark.parametrize("command", BASE)
def test_base_commands_need_no_extra(results: dict[str, Result], command: str) -> None:
    code, err = results[command]
    assert code == 0, err


def test_the_review_app_needs_no_model_library(manifests: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    argv = program_with(("review",), ["review", "--port", str(port), "--manifests", str(manifests)])
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        assert f"at http://127.0.0.1:{port}" in server.stderr.readline()
        for _ in range(200):
            try:
                page = urllib.request.urlopen(f"http://127.0.0.1:{port}/enter", timeout=20)
                break
            except OSError:
                time.sleep(0.1)
        with page:
            assert page.status == 200
        server.send_signal(signal.SIGINT)
        assert server.wait(60) == 0


def test_a_release_needs_no_model_library(tmp_path: Path) -> None:
    argv = program_with(("release",), ["release", "init", "--manifests", str(tmp_path)])
    process = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert (tmp_path / "release.toml").is_file()


@pytest.mark.parametrize(("command", "extra"), NEEDS.items())
def test_a_missing_extra_is_named(results: dict[str, Result], command: str, extra: str) -> None:
    code, err = results[command]
    assert code == 2
    assert f"pip install -e '.[{extra}]'" in err
    assert "Traceback" not in err
