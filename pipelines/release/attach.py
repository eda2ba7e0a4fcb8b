"""Put clips that someone has into a release that came without media."""

import contextlib
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from hfv_builder.records import DONE, SOME_FAILED, ClipError, UsageError
from hfv_builder.release.catalogued import ATTACHED, FILE, Wanted, read_catalogued
from hfv_builder.release.checksums import FILE as CHECKSUMS
from hfv_builder.release.checksums import checksums_text, read_checksums
from hfv_builder.release.media import place_original
from hfv_builder.storage.checksum import file_sha256
from hfv_builder.storage.lock import lock
from hfv_builder.storage.places import HIDDEN, local_copy, place, put, typed_place
from pipelines.catalog.folder import list_clips
from pipelines.outcome import SHOWN, Outcome, paragraphs, table
from pipelines.release.stage import IMPORTS
from pipelines.release.staging import DISKS, writing
from pipelines.workers.cluster import LOCAL, Cluster
from pipelines.workers.dispatch import run_shards

UNFINISHED = (".*.part", f"{HIDDEN}*.tmp")
"""Names of files that are not yet whole."""
SHARD = 64
"""Files that one task looks at."""


@dataclass(frozen=True, kw_only=True)
class Attached:
    """The result for some files."""

    sums: dict[str, str] = field(default_factory=dict)
    """SHA-256 of the files that were put in place, by path relative to the release."""
    errors: list[str] = field(default_factory=list)
    """What is wrong with others, a sentence each."""


def attach(folder: Path, clips: Sequence[str], *, cluster: Cluster = LOCAL) -> Outcome:
    """Put clips in the places where the release's metadata lists them; they are known by their SHA-256.

    Args:
        folder: a release made with `--media none`.
        clips: folders or URLs with the clips, under any names.

    Raises:
        UsageError: the release needs no clips, is damaged or cannot be written, or a folder is not there.
    """
    started = time.time()
    wanted = _wanted(folder)
    for where in (folder.parent, folder):
        if not os.access(where, os.W_OK | os.X_OK):
            raise UsageError(f"cannot write to {where}; copy the release to a folder in which you can write")
    locked = folder.parent, f"attach-{folder.name}"
    with lock(*locked, needed=False):
        done = _attached(folder)
        sizes = {each.bytes for each in wanted if each.path not in done}
        listed = {path: file for each in clips for path, file in list_clips(typed_place(each)).files.items()}
        files = [path for path, file in listed.items() if file.bytes in sizes]
        errors: list[str] = []
        work = partial(attach_shard, folder=folder)
        shards = (files[at : at + SHARD] for at in range(0, len(files), SHARD))
        try:
            with (
                cluster.connect(imports=IMPORTS) as client,
                tqdm(total=len(files), desc=f"attach {folder.name}", unit="file", disable=None) as bar,
            ):
                for shard in run_shards(client, work, shards, lock=locked, wait_s=cluster.wait_s):
                    if shard.result is None:
                        errors += [f"{path}: {shard.error}" for path in shard.items]
                    else:
                        done |= shard.result.sums
                        errors += shard.result.errors
                    bar.update(len(shard.items))
        finally:
            put(folder / ATTACHED, checksums_text(done))
        _drop_unfinished({folder, *((folder / each.path).parent for each in wanted)})
    missing = sorted(each.path for each in wanted if each.path not in done)
    rows = [{"still without a clip": path} for path in missing]
    later = "`datasets` loads it once all are there" if missing else ""
    verdict = f"{len(wanted) - len(missing)} of {len(wanted)} clips of {folder} are in place"
    text = paragraphs(table(rows, limit=SHOWN), "\n".join(sorted(errors)[:SHOWN]), verdict, later)
    summary = {"release": str(folder), "attached": len(wanted) - len(missing), "missing": missing, "errors": errors}
    return Outcome(summary=summary, text=text, exit_code=SOME_FAILED if missing or errors else DONE, started=started)


def attach_shard(paths: Sequence[str], *, folder: Path) -> Attached:
    """Put those of some files in place that the release asks for.

    Args:
        paths: absolute, or URLs.

    Raises:
        UsageError: the release cannot be written, or the clips' store does not answer.
    """
    done = Attached()
    targets = _targets(folder, (folder / FILE).stat().st_mtime_ns)
    for path in paths:
        try:
            with local_copy(place(path)) as file:
                digest = file_sha256(file)
                for target in targets.get(digest, ()):
                    done.sums[target] = place_original(file, folder / target, expected=digest).sha256
        except ClipError as error:
            done.errors.append(f"{path}: {error}")
        except OSError as error:
            if error.errno in DISKS:
                with writing(folder.parent):
                    raise
            done.errors.append(f"{path}: {(error.strerror or str(error)).lower()}")
    return done


def _drop_unfinished(folders: Iterable[Path]) -> None:
    """Delete the files that killed processes have not finished."""
    for folder in folders:
        for pattern in UNFINISHED:
            for leftover in folder.glob(pattern):
                with contextlib.suppress(OSError):
                    leftover.unlink()


def _wanted(folder: Path) -> list[Wanted]:
    """Return the files that the release asks for.

    Raises:
        UsageError: it asks for none, its list is damaged, or a link leads out of it.
    """
    try:
        sums, _ = read_checksums((folder / CHECKSUMS).read_text(encoding="utf-8", errors="replace"))
    except OSError:
        raise UsageError(f"{folder} is no release: it has no {CHECKSUMS}") from None
    if FILE not in sums:
        raise UsageError(f"{folder} needs no clips: only a release made with --media none has a {FILE}")
    try:
        if file_sha256(folder / FILE) != sums[FILE]:
            raise ValueError("its bytes are not those of its checksum")
        wanted = [*read_catalogued((folder / FILE).read_text(encoding="utf-8"))]
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder / FILE} is damaged ({error}): get the release again") from None
    own = Path(os.path.realpath(folder))
    for path in sorted({str(PurePosixPath(each.path).parent) for each in wanted}):
        if not Path(os.path.realpath(folder / path)).is_relative_to(own):
            raise UsageError(f"{folder / path} is a link that leads out of the release: get the release again")
    return wanted


def _attached(folder: Path) -> dict[str, str]:
    """Return the checksums of clips that an earlier run attached, without those that are gone or were damaged since."""
    try:
        since_ns = (folder / ATTACHED).stat().st_mtime_ns
        sums, _ = read_checksums((folder / ATTACHED).read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{folder / ATTACHED} cannot be read ({error.strerror}): delete it") from None
    return {path: digest for path, digest in sums.items() if _is_whole(folder / path, digest, since_ns)}


def _is_whole(file: Path, digest: str, since_ns: int) -> bool:
    """Return whether a file still has its checksum; only one that was changed since is read."""
    try:
        return file.is_file() and (file.stat().st_ctime_ns <= since_ns or file_sha256(file) == digest)
    except OSError:
        return False


@cache
def _targets(folder: Path, _changed_ns: int) -> dict[str, list[str]]:
    """Return the paths that the release asks for, by SHA-256; read once per worker."""
    targets: dict[str, list[str]] = {}
    for each in _wanted(folder):
        targets.setdefault(each.sha256, []).append(each.path)
    return targets
