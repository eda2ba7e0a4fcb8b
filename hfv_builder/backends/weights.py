"""The weights of the learnt models: what they are, where they lie, and whether they are whole.

One directory holds them all and can be moved as it is: a folder a model, in it the files as they are published and,
once `hfv weights` has verified them, a `verified.json`. Standard library only, so that finding out that a file is
missing takes no time.
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

RECORD = "verified.json"
"""Name of the file, beside the weights, that says which revision they are and what they hashed to."""
CURES = "run `hfv weights pull`, or choose PROFILE=lite, which needs none"
State = Literal["ok", "missing", "truncated", "damaged", "unverified"]
FINE: tuple[State, ...] = ("ok", "unverified")
"""States to work with; `unverified` is a file whose hash is not known or was not looked at."""


PINS: Mapping[str, Pin] = {name: spec.weights for name, spec in BACKENDS.items() if spec.weights is not None}
"""The published weights of every learnt backend."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """One file of a model, as it lies in the store."""

    model: str
    file: str
    revision: str
    """`?` where it is not pinned and nothing has been recorded yet."""
    licence: str
    path: Path
    state: State


def default_root() -> Path:
    """Return the directory of the weights: `HFV_WEIGHTS`, or `~/.cache/hfv-builder/weights`.

    Where there is no home folder the name keeps its `~`: profiles without weights need none.
    """
    named = os.environ.get("HFV_WEIGHTS") or "~/.cache/hfv-builder/weights"
    return Path(os.path.expanduser(named))


@dataclass(frozen=True, kw_only=True)
class WeightsDir:
    """A directory of weights, and what is expected to be in it."""

    root: Path = field(default_factory=default_root)
    pins: Mapping[str, Pin] = field(default_factory=lambda: PINS)
    """Override to use your own checkpoints; their hashes enter the fingerprint."""

    def folder(self, model: str) -> Path:
        """Where this model's files lie."""
        return self.root / model

    def revision(self, model: str) -> str:
        """Return what identifies the weights of this model, such as `apple/DepthPro-hf@<commit> <hash> apple-amlr`.

        The hash is one of the hashes of its files, pinned or else recorded.
        """
        pin = self.pins[model]
        digests = [file.sha256 for file in self._files(model) if file.sha256]
        hashed = hashlib.sha256("".join(digests).encode()).hexdigest()[:12] if digests else "?"
        return f"{pin.source}@{self._commit(model)} {hashed} {pin.licence}"

    def require(self, models: Iterable[str]) -> None:
        """Check that every file of these models is there and of the right length; nothing is hashed.

        Raises:
            UsageError: some are not; one sentence names them, the place and the ways out.
        """
        bad = [found for model in models for found in self.look(model) if found.state not in FINE]
        if bad:
            raise UsageError(complaint(bad, self.root))

    def open(self, model: str) -> Path:
        """The folder of the model, all its files there and verified: hashed, if a hash is known.

        Raises:
            UsageError: a file is missing, truncated or damaged.
        """
        bad = [found for found in self.look(model, hashed=True) if found.state not in FINE]
        if bad:
            raise UsageError(complaint(bad, self.root))
        return self.folder(model)

    def look(self, model: str, *, hashed: bool = False) -> Iterator[Found]:
        """The state of every file of the model; contents are read only if they are to be hashed."""
        folder, files = self.folder(model), self._files(model)
        states = {file.name: _state(folder / file.name, file, hashed=hashed) for file in files}
        if not all(file.sha256 for file in files) and all(state in FINE for state in states.values()):
            # Without the record nobody could say later which files gave a score.
            states[RECORD] = "missing"
        for name, state in states.items():
            yield Found(
                model=model,
                file=name,
                revision=self._commit(model),
                licence=self.pins[model].licence,
                path=folder / name,
                state=state,
            )

    def record(self, model: str, revision: str) -> None:
        """Write down what the files of the model hash to and which revision they are; later loads are held to it."""
        files = {}
        for file in self.pins[model].files:
            path = self.folder(model) / file.name
            files[file.name] = {"sha256": file_sha256(path), "size": path.stat().st_size}
        aside = self.folder(model) / f".{RECORD}.{os.getpid()}"
        aside.write_text(json.dumps({"revision": revision, "files": files}, indent=1) + "\n")
        aside.replace(self.folder(model) / RECORD)

    def recorded_revision(self, model: str) -> str | None:
        """The revision that was recorded when the weights were pulled."""
        revision = self._recorded(model).get("revision")
        return revision if isinstance(revision, str) else None

    def _commit(self, model: str) -> str:
        return self.pins[model].revision or self.recorded_revision(model) or "?"

    def _files(self, model: str) -> tuple[File, ...]:
        """The pinned files; what the pins leave open is filled in from the record."""
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
            found = json.loads((self.folder(model) / RECORD).read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def complaint(bad: Iterable[Found], root: Path) -> str:
    """One sentence that names the files, where they were looked for, and the ways out."""
    by_state: dict[State, list[str]] = {}
    for found in bad:
        by_state.setdefault(found.state, []).append(f"{found.model}/{found.file}")
    what = "; ".join(f"{state}: {', '.join(files)}" for state, files in by_state.items())
    return f"weights are not as they should be in {root} ({what}): {CURES}"


def file_sha256(path: Path) -> str:
    """The SHA-256 of the file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
    """Whether a safetensors file is shorter than its own header says: no hash is needed to see that."""
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
            header = json.loads(file.read(length))
            ends: list[int] = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        except (ValueError, KeyError, TypeError, AttributeError):
            return True
    return 8 + length + max(ends, default=0) > size
