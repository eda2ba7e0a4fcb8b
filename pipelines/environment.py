"""Environments: the versions and the device that can change a score.

Rows of `scores` hold the id of an environment; a JSON file beside the run reports holds its content.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import PurePath

from hfv_builder.storage.json_text import load_json
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.places import Place, put, read, writable
from pipelines.versions import packages

Environment = Mapping[str, str]
"""Versions of packages and libraries, and the device, by name."""
DECODERS = {"pyav": "av", "decord": "decord"}
"""The package of each decoder."""
MAJORS = ("av", "decord", "libavcodec")
"""Packages and libraries that decode; another major version may give other frames."""


@cache
def environment(decoder: str, device: str, *, computing: bool = True) -> Environment:
    """Return the environment in which this process computes scores.

    Args:
        decoder: `pyav` or `decord`.
        device: `cpu` or `cuda`, with or without an index.
        computing: whether this process computes scores; if not, the GPU is not queried.
    """
    versions = packages()
    if decoder == "pyav":
        import av

        libraries = {name: ".".join(map(str, version)) for name, version in av.library_versions.items()}
    else:
        libraries = {DECODERS[decoder]: metadata.version(DECODERS[decoder])}
        versions.pop(DECODERS["pyav"])
    entries = versions | libraries | {"decoder": decoder, "device": device.split(":")[0]}
    if computing and device.startswith("cuda"):
        import torch

        entries |= {"gpu": torch.cuda.get_device_name(device), "cuda": str(torch.version.cuda)}
        cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
        entries |= {"cudnn": str(cudnn)}
    return dict(sorted(entries.items()))


def environment_id(described: Environment) -> str:
    """Return the id of an environment, 16 hex digits of the hash of its content."""
    return hashlib.sha256(json.dumps(dict(described), sort_keys=True).encode()).hexdigest()[:16]


def keep(manifests: Manifests, described: Environment) -> str:
    """Write the file of an environment unless it exists, and return its id.

    Raises:
        UsageError: the file cannot be written.
    """
    key = environment_id(described)
    path = _path(manifests, key)
    if not path.exists():
        writable(path.parent)
        put(path, json.dumps(dict(described), indent=2, sort_keys=True) + "\n")
    return key


def described(manifests: Manifests, key: str | None) -> Environment:
    """Return the environment with this id; empty if its file is missing or damaged."""
    if key is None:
        return {}
    try:
        content = load_json(read(_path(manifests, key)))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def differences(environments: Iterable[Environment]) -> dict[str, list[str]]:
    """Return the versions of each entry that differs between environments, by name; empty environments are ignored."""
    known = [entries for entries in environments if entries]
    names = sorted({name for entries in known for name in entries})
    versions = {name: sorted({entries.get(name, "none") for entries in known}) for name in names}
    return {name: values for name, values in versions.items() if len(values) > 1}


def not_comparable(differing: Mapping[str, list[str]]) -> list[str]:
    """Return the differing entries that make scores incomparable: decoder, device, GPU, and major decoder versions."""
    majors = {name: {version.split(".")[0] for version in differing.get(name, [])} for name in MAJORS}
    incomparable = [name for name in ("decoder", "device", "gpu") if name in differing]
    return incomparable + [name for name, versions in majors.items() if len(versions) > 1]


def _path(manifests: Manifests, key: str) -> Place:
    # Only the name, because the id of a damaged row could contain other folders.
    return manifests.root / "runs" / "environments" / f"{PurePath(key).name}.json"
