"""What runs: versions that decide results, and the commit of our own code."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path

PACKAGES = (
    "hfv-builder",
    "av",
    "numpy",
    "opencv-python-headless",
    "open_clip_torch",
    "torch",
    "torchvision",
    "transformers",
)
"""What decides scores."""
OTHERS = ("pandas", "pyarrow", "distributed")


def packages() -> dict[str, str]:
    """The version of each package that decides scores; builds for other devices (`+cpu`) count as the same."""
    return {name: metadata.version(name).split("+")[0] for name in PACKAGES}


def versions() -> dict[str, str | None]:
    """All that a run report tells: hfv-builder and its git revision, Python, and the packages it stands on."""
    return {
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in (*PACKAGES, *OTHERS)},
        "git": revision(Path(__file__)),
    }


def revision(file: Path) -> str | None:
    """The commit that this file is of, with `-dirty` if something was changed since; None if git does not know it.

    An installed package may well lie in a folder of somebody else's repository.
    """
    git = ["git", "-C", str(file.parent)]
    known = [*git, "ls-files", "--error-unmatch", file.name]
    commit = [*git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        found = [subprocess.run(each, capture_output=True, text=True, check=False) for each in (known, commit)]
    except OSError:  # there is no git here
        return None
    return None if any(each.returncode for each in found) else found[1].stdout.strip()
