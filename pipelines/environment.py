"""Environments: the versions and the device that can change a score. Rows carry an id, a file beside the run reports
has what it stands for.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import PurePath

from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.places import Place, put, read, writable
from pipelines.versions import packages

Environment = Mapping[str, str]
"""Names of packages, libraries and of the device, and their versions."""
DECODERS = {"pyav": "av", "decord": "decord"}
"""The package of each decoder."""
MAJORS = ("av", "decord", "libavcodec")
"""What decodes; another major version of it may give other frames."""


@cache
def environment(decoder: str, device: str, *, computing: bool = True) -> Environment:
    """What this process computes scores with.

    Args:
        computing: whether it does; if not, no name of a GPU is looked up.
    """
    versions = packages()
    if decoder == "pyav":
        import av

        libraries = {name: ".".join(map(str, version)) for name, version in av.library_versions.items()}
    else:
        libraries = {DECODERS[decoder]: metadata.version(DECODERS[decoder])}
        versions.pop(DECODERS["pyav"])
    found = versions | libraries | {"decoder": decoder, "device": device.split(":")[0]}
    if computing and device.startswith("cuda"):
        import torch

        found |= {"gpu": torch.cuda.get_device_name(device), "cuda": str(torch.version.cuda)}
        cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
        found |= {"cudnn": str(cudnn)}
    return dict(sorted(found.items()))


def environment_id(described: Environment) -> str:
    """The id of an environment: 16 hex digits."""
    return hashlib.sha256(json.dumps(dict(described), sort_keys=True).encode()).hexdigest()[:16]


def keep(manifests: Manifests, described: Environment) -> str:
    """The id of an environment; what it stands for is written first, if it is not there yet.

    Raises:
        UsageError: it cannot be written.
    """
    key = environment_id(described)
    path = _path(manifests, key)
    if not path.exists():
        writable(path.parent)
        put(path, json.dumps(dict(described), indent=2, sort_keys=True) + "\n")
    return key


def described(manifests: Manifests, key: str | None) -> Environment:
    """What the id stands for; empty if nobody knows."""
    if key is None:
        return {}
    try:
        found = json.loads(read(_path(manifests, key)))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def differences(some: Iterable[Environment]) -> dict[str, list[str]]:
    """The names whose versions differ between environments, with these versions; those of unknown ones do not count."""
    known = [each for each in some if each]
    names = sorted({name for each in known for name in each})
    versions = {name: sorted({each.get(name, "none") for each in known}) for name in names}
    return {name: values for name, values in versions.items() if len(values) > 1}


def not_comparable(differing: Mapping[str, list[str]]) -> list[str]:
    """Of what differs, what forbids to rank scores together: the device, and major versions of what decodes."""
    majors = {name: {version.split(".")[0] for version in differing.get(name, [])} for name in MAJORS}
    forbids = [name for name in ("decoder", "device", "gpu") if name in differing]
    return forbids + [name for name, found in majors.items() if len(found) > 1]


def _path(manifests: Manifests, key: str) -> Place:
    # A key of a damaged row must not lead elsewhere.
    return manifests.root / "runs" / "environments" / f"{PurePath(key).name}.json"
