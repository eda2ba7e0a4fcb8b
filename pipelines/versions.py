"""The versions that decide results, and the commit of our own code."""

import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

from hfv_builder.backends.specs import BACKENDS

MODEL_PACKAGES = sorted({package for spec in BACKENDS.values() for package in spec.packages})
PACKAGES = ("hfv-builder", "av", "numpy", *MODEL_PACKAGES)
"""The packages that decide scores."""
OTHERS = ("pandas", "pyarrow", "distributed", "scikit-learn", "safetensors")


def packages() -> dict[str, str]:
    """Return the version of each package that decides scores; builds for other devices (`+cpu`) count as the same.

    A package that is not installed has the version `none`.
    """
    return {name: _version(name).split("+")[0] for name in PACKAGES}


def versions() -> dict[str, str | None]:
    """Return what a run report lists: hfv-builder and its git revision, Python, and the packages that it uses."""
    return {
        "python": platform.python_version(),
        **{name: _version(name) for name in (*PACKAGES, *OTHERS)},
        "git": _own_revision(),
    }


@cache
def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "none"


@cache
def _own_revision() -> str | None:
    return revision(Path(__file__))


def revision(file: Path) -> str | None:
    """Return the commit of this file, with `-dirty` if something changed since; None if git does not track the file.

    An installed package may lie in a folder of somebody else's repository.
    """
    git = ["git", "-C", str(file.parent)]
    known = [*git, "ls-files", "--error-unmatch", file.name]
    commit = [*git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        found = [subprocess.run(each, capture_output=True, text=True, check=False) for each in (known, commit)]
    except OSError:  # there is no git here
        return None
    return None if any(each.returncode for each in found) else found[1].stdout.strip()
