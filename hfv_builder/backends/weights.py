"""The directory of the weights of learnt models: its files, their revisions and their state.

The directory has one folder per model with its files as published and, after `hfv weights` has verified them, a
`verified.json`. It can be moved. This module imports only the standard library, so that missing files are reported
at once.
"""

import hashlib
import json
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hfv_builder.backends.specs import BACKENDS, File, Pin
from hfv_builder.records import UsageError
from hfv_builder.storage.checksum import file_sha256
from hfv_builder.storage.json_text import load_json
from hfv_builder.storage.part_file import part_file

RECORD = "verified.json"
"""Name of the file beside the weights that records their revision and hashes."""
LITE = ", or choose --profile lite, which needs none"
State = Literal["ok", "missing", "truncated", "damaged", "unverified"]
FINE: tuple[State, ...] = ("ok", "unverified")
"""States of a usable file. `unverified` is a file whose hash is unknown or was not computed."""


PINS: Mapping[str, Pin] = {name: spec.weights for name, spec in BACKENDS.items() if spec.weights is not None}
"""The published weights of every learnt backend."""


@dataclass(frozen=True, kw_only=True)
class FileState:
    """The state of one file of a model."""

    model: str
    file: str
    revision: str
    """`?` if it is neither pinned nor recorded."""
    licence: str
    path: Path
    state: State


def default_root() -> Path:
    """Return the default directory of the weights: `HFV_WEIGHTS`, or `~/.cache/hfv-builder/weights`.

    Without a home folder the `~` stays in the path; profiles without weights do not need it.
    """
    path = os.environ.get("HFV_WEIGHTS") or "~/.cache/hfv-builder/weights"
    return Path(os.path.expanduser(path))


@dataclass(frozen=True, kw_only=True)
class WeightsDir:
    """A directory of weights, and the files that it should contain."""

    root: Path = field(default_factory=default_root)
    pins: Mapping[str, Pin] = field(default_factory=lambda: PINS)
    """Override to use your own checkpoints; their hashes enter the fingerprint."""
    profile: str = "paper"
    """The profile that uses the files, as an argument of `hfv weights pull --profile`."""
    otherwise: str = LITE
    """End of an error about missing files: what works without them."""

    def folder(self, model: str) -> Path:
        """Return the folder of the model's files."""
        return self.root / model

    def revision(self, model: str) -> str:
        """Return the identity of the model's weights, such as `apple/DepthPro-hf@<commit> <hash> apple-amlr`.

        The hash is computed from the hashes of its files, pinned or recorded.
        """
        pin = self.pins[model]
        digests = [file.sha256 for file in self._files(model) if file.sha256]
        hashed = hashlib.sha256("".join(digests).encode()).hexdigest()[:12] if digests else "?"
        return f"{pin.source}@{self._commit(model)} {hashed} {pin.licence}"

    def require(self, models: Iterable[str]) -> None:
        """Check that every file of these models exists and has the right size, without hashing it.

        Raises:
            UsageError: files are missing, truncated or of another size.
        """
        bad = [file for model in models for file in self.look(model) if file.state not in FINE]
        if bad:
            raise UsageError(self.complaint(bad))

    def open(self, model: str) -> Path:
        """Return the folder of the model after verifying all its files, with their hashes where these are known.

        Raises:
            UsageError: a file is missing, truncated or damaged.
        """
        bad = [file for file in self.look(model, hashed=True) if file.state not in FINE]
        if bad:
            raise UsageError(self.complaint(bad))
        return self.folder(model)

    @property
    def command(self) -> str:
        """The command that downloads the files."""
        return "hfv weights pull" + ("" if self.profile == "paper" else f" --profile {self.profile}")

    def complaint(self, bad: Iterable[FileState]) -> str:
        """Return the error message for unusable files: their states, the directory and the ways to get them."""
        by_state: dict[State, list[str]] = {}
        for file in bad:
            by_state.setdefault(file.state, []).append(f"{file.model}/{file.file}")
        states = "; ".join(f"{state}: {', '.join(files)}" for state, files in by_state.items())
        return f"weights in {self.root} are missing or damaged ({states}): run `{self.command}`{self.otherwise}"

    def look(self, model: str, *, hashed: bool = False) -> Iterator[FileState]:
        """Yield the state of every file of the model. File contents are read only if `hashed`."""
        folder, files = self.folder(model), self._files(model)
        states = {file.name: _state(folder / file.name, file, hashed=hashed) for file in files}
        if not all(file.sha256 for file in files) and all(state in FINE for state in states.values()):
            # Without the record, the files behind a score could not be identified later.
            states[RECORD] = "missing"
        for name, state in states.items():
            yield FileState(
                model=model,
                file=name,
                revision=self._commit(model),
                licence=self.pins[model].licence,
                path=folder / name,
                state=state,
            )

    def record(self, model: str, revision: str) -> None:
        """Record the hashes, sizes and revision of the model's files; later loads must match them."""
        files = {}
        for file in self.pins[model].files:
            path = self.folder(model) / file.name
            files[file.name] = {"sha256": file_sha256(path), "size": path.stat().st_size}
        with part_file(self.folder(model) / RECORD) as part:
            part.write_text(json.dumps({"revision": revision, "files": files}, indent=1) + "\n", encoding="utf-8")

    def recorded_revision(self, model: str) -> str | None:
        """Return the revision that was recorded when the weights were downloaded; None if there is no record."""
        revision = self._recorded(model).get("revision")
        return revision if isinstance(revision, str) else None

    def _commit(self, model: str) -> str:
        return self.pins[model].revision or self.recorded_revision(model) or "?"

    def _files(self, model: str) -> tuple[File, ...]:
        """Return the pinned files; a hash or size that is not pinned is taken from the record."""
        known = self._recorded(model).get("files", {})
        return tuple(
            File(
                name=file.name,
                sha256=file.sha256 or known.get(file.name, {}).get("sha256"),
                size=file.size or known.get(file.name, {}).get("size"),
            )
            for file in self.pins[model].files
        )

    def _recorded(self, model: str) -> dict[str, Any]:
        try:
            record = load_json((self.folder(model) / RECORD).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return record if _is_record(record) else {}


def _is_record(content: Any) -> bool:
    files = content.get("files") if isinstance(content, dict) else None
    return isinstance(files, dict) and all(
        isinstance(file, dict) and isinstance(file.get("sha256"), str) and isinstance(file.get("size"), int)
        for file in files.values()
    )


def _state(path: Path, file: File, *, hashed: bool) -> State:
    if not path.is_file():
        return "missing"
    size = path.stat().st_size
    if size == 0 or (file.size is not None and size < file.size) or _cut_short(path, size):
        return "truncated"
    if file.size is not None and size != file.size:
        return "damaged"
    if not hashed or file.sha256 is None:
        return "unverified"
    return "ok" if file_sha256(path) == file.sha256 else "damaged"


def _cut_short(path: Path, size: int) -> bool:
    """Return whether a safetensors file is shorter than its header declares, which needs no hash."""
    if path.suffix != ".safetensors":
        return False
    with path.open("rb") as file:
        start = file.read(8)
        if len(start) < 8:
            return True
        length: int = struct.unpack("<Q", start)[0]
        if 8 + length > size:
            return True
        try:
            header = load_json(file.read(length))
            ends = [int(entry["data_offsets"][1]) for name, entry in header.items() if name != "__metadata__"]
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            return True
    return 8 + length + max(ends, default=0) > size
