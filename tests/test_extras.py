"""Each extra is enough for its commands: what an installation without the others lacks is blocked, and they run."""

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

OURS = "hfv-builder"
RUN = """
import contextlib, io, json, sys, traceback
from importlib import metadata
from importlib.machinery import PathFinder
extras, modules, commands = {arguments}

def missing(name, known=metadata.distribution):
    if name.lower().replace("_", "-") not in extras:
        raise metadata.PackageNotFoundError(name)
    return known(name)

metadata.distribution = missing

def find_spec(name, path=None, target=None, find=PathFinder.find_spec):
    return None if name.partition(".")[0] in modules else find(name, path, target)

PathFinder.find_spec = find_spec
from pipelines.cli import main
if len(commands) == 1:
    sys.exit(main(commands[0]))
ends = []
for argv in commands:
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        try:
            code = main(argv)
        except Exception:
            code = 1
            traceback.print_exc()
    ends.append([code, said.getvalue()])
print(json.dumps(ends))
"""
BASE = ("catalog", "select", "label", "split", "status")
"""What needs no extra."""
NEEDS = {
    "review": "review",
    "score": "models",
    "release": "release",
    "audit": "audit",
    "evaluate": "detect",
    "demo": "demo",
}
"""Commands and the extra that each needs."""

End = tuple[int, str]
"""The exit code of a command, and what it said."""


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Manifests:
    return make_sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture
def manifests(sample: Manifests, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sample.local_root, tmp_path / "manifests"))


@functools.cache
def owners() -> Mapping[str, list[str]]:
    """The distributions of each top-level module; it takes a second to list them."""
    return metadata.packages_distributions()


@functools.cache
def installed_with(*extras: str) -> set[str]:
    """The distributions that an installation with these extras has, and no others."""
    todo, done = [(OURS, extra) for extra in ("", *extras)], set()
    while todo:
        name, extra = todo.pop()
        if (name, extra) in done:
            continue
        done.add((name, extra))
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # another platform's
            continue
        for need in map(Requirement, needs):
            if _applies(need.marker, extra) and (extra == "" or not _applies(need.marker, "")):
                todo += [(canonicalize_name(need.name), more) for more in ("", *need.extras)]
    return {name for name, _ in done}


def _applies(marker: Marker | None, extra: str) -> bool:
    return marker is None or marker.evaluate({"extra": extra})


def blocked_modules(*extras: str) -> list[str]:
    """The top-level modules of the distributions that such an installation lacks."""
    have = installed_with(*extras)
    return sorted(
        name
        for name, distributions in owners().items()
        if not any(canonicalize_name(owner) in have for owner in distributions) and not name.startswith("_")
    )


def program_with(extras: tuple[str, ...], *commands: list[str]) -> list[str]:
    """The command line of an `hfv` of such an installation, or of a process that runs several of its commands."""
    arguments = [sorted(installed_with(*extras)), blocked_modules(*extras), commands]
    return [sys.executable, "-c", RUN.replace("{arguments}", json.dumps(arguments))]


def test_what_is_blocked() -> None:
    assert {"torch", "fastapi", "matplotlib", "cv2", "pytest"} <= set(blocked_modules())
    assert {"torch", "transformers", "open_clip", "matplotlib"} <= set(blocked_modules("review"))
    assert "fastapi" not in blocked_modules("review")
    assert not {"pyarrow", "pandas", "dask", "av"} & set(blocked_modules())


def succeed(manifests: Manifests, generator: str) -> None:
    """Let all scores of the sample be successes, which can be ranked."""
    for keys in manifests.partitions(SCORES, generator=generator):
        rows = manifests.read(SCORES, **keys).to_pylist()
        done = [row | keys | {"status": "ok", "fingerprint": "f"} for row in rows]
        manifests.replace(SCORES, [pa.Table.from_pylist(done, SCORES.schema)], **keys)


@pytest.fixture(scope="module")
def ends(sample: Manifests, tmp_path_factory: pytest.TempPathFactory) -> dict[str, End]:
    """How each command ends in an installation without extras, run one after another in one process."""
    root = tmp_path_factory.mktemp("base")
    (root / "clips").mkdir()
    make_clip(root / "clips" / "c.mp4")
    options = {
        "catalog": ["--generator", "gamma", "--clips", str(root / "clips"), "--workers", "0"],
        "label": ["--generator", "alpha"],
        "score": ["--generator", "alpha", "--profile", "lite"],
        "release": ["small", "--version", "1.0.0"],
        "evaluate": ["--release", str(root)],
        "demo": ["--out", str(root / "demo")],
    }
    commands = []
    for name in (*BASE, *NEEDS):
        own = Path(shutil.copytree(sample.local_root, root / name))
        if name == "label":
            succeed(Manifests(own), "alpha")
        commands.append([name, *options.get(name, []), "--manifests", str(own)])
    done = subprocess.run(program_with((), *commands), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name: (code, said) for name, (code, said) in zip((*BASE, *NEEDS), json.loads(done.stdout), strict=True)}


@pytest.mark.parametrize("command", BASE)
def test_the_base_catalogues_labels_and_splits(ends: dict[str, End], command: str) -> None:
    code, said = ends[command]
    assert code == 0, said


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
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "release.toml").is_file()


@pytest.mark.parametrize(("command", "extra"), NEEDS.items())
def test_a_missing_extra_is_named(ends: dict[str, End], command: str, extra: str) -> None:
    code, said = ends[command]
    assert code == 2
    assert f"pip install -e '.[{extra}]'" in said
    assert "Traceback" not in said
