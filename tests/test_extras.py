"""Each extra is enough for its commands: what an installation without the others lacks is blocked, and they run."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
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
import sys
from importlib import metadata
from importlib.machinery import PathFinder
extras, modules, argv = {arguments}

def missing(name, known=metadata.distribution):
    if name.lower().replace("_", "-") not in extras:
        raise metadata.PackageNotFoundError(name)
    return known(name)

metadata.distribution = missing

def find_spec(name, path=None, target=None, find=PathFinder.find_spec):
    return None if name.partition(".")[0] in modules else find(name, path, target)

PathFinder.find_spec = find_spec
from pipelines.cli import main
sys.exit(main(argv))
"""


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Manifests:
    return make_sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture
def manifests(sample: Manifests, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sample.local_root, tmp_path / "manifests"))


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
    owners = metadata.packages_distributions()
    return sorted(
        name
        for name, distributions in owners.items()
        if not any(canonicalize_name(owner) in have for owner in distributions) and not name.startswith("_")
    )


def command_with(extras: tuple[str, ...], *argv: str, manifests: Path) -> list[str]:
    """The command line for an `hfv` of such an installation."""
    arguments = [sorted(installed_with(*extras)), blocked_modules(*extras), [*argv, "--manifests", str(manifests)]]
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


@pytest.mark.parametrize("command", ["catalog", "select", "label", "split", "status"])
def test_the_base_catalogues_labels_and_splits(manifests: Path, tmp_path: Path, command: str) -> None:
    options = []
    if command == "catalog":
        clips = tmp_path / "clips"
        clips.mkdir()
        make_clip(clips / "c.mp4")
        options = ["--generator", "gamma", "--clips", str(clips), "--workers", "0"]
    if command == "label":
        options = ["--generator", "alpha"]
        succeed(Manifests(manifests), "alpha")
    done = subprocess.run(
        command_with((), command, *options, manifests=manifests), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_review_app_needs_no_model_library(manifests: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    argv = command_with(("review",), "review", "--port", str(port), manifests=manifests)
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
    argv = command_with(("release",), "release", "init", manifests=tmp_path)
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "release.toml").is_file()


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("review", "review"),
        ("score", "models"),
        ("release", "release"),
        ("audit", "audit"),
        ("evaluate", "detect"),
        ("demo", "demo"),
    ],
)
def test_a_missing_extra_is_named(manifests: Path, tmp_path: Path, command: str, extra: str) -> None:
    options = {
        "score": ["--generator", "alpha", "--profile", "lite"],
        "release": ["small", "--version", "1.0.0"],
        "evaluate": ["--release", str(tmp_path)],
        "demo": ["--out", str(tmp_path / "demo")],
    }
    argv = command_with((), command, *options.get(command, []), manifests=manifests)
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"pip install -e '.[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr
