"""`hfv weights pull | check`: bring the weights of a profile into one directory, and see that they are whole.

The directory can be moved as it is, to a cluster without a network for instance. A pull that is broken off is simply
run again: what has arrived is kept, and a file has its name only once it is complete and has the published hash.
"""

import shutil
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tabulate import tabulate
from tqdm import tqdm

from hfv_builder.backends import registry
from hfv_builder.backends.weights import FINE, RECORD, Found, WeightsDir, complaint, file_sha256
from hfv_builder.profiles.profile import Profile
from hfv_builder.records import UsageError

BLOCK = 1 << 18
TIMEOUT_S = 20.0
UNPINNED = "unpinned"
"""The revision recorded of files that somebody put there by hand, where no commit is pinned."""


def pull(profile: Profile, *, store: WeightsDir | None = None) -> list[Found]:
    """Download what is missing or damaged of the weights that the profile needs, verify all, and tell their state.

    Raises:
        UsageError: the network or the source refuses, or a file does not have the published hash.
    """
    store = store or WeightsDir()
    for model in registry.learnt(profile):
        bad = {found.file for found in store.look(model, hashed=True) if found.state not in FINE} - {RECORD}
        if not bad and store.recorded_revision(model):
            continue
        try:
            revision = _pull_model(store, model, bad)
        except Exception as error:  # the clients' errors have no common base, and all mean the same here
            raise _unreachable(model, store, error) from None
        _verify(store, model)
        store.record(model, revision)
    return check(profile, store=store)


def check(profile: Profile, *, store: WeightsDir | None = None) -> list[Found]:
    """The state of every file that the profile needs, all of them hashed.

    Of a complete model that has no record yet (files put there by hand) one is written: later loads are held to it.
    """
    store = store or WeightsDir()
    states = []
    for model in registry.learnt(profile):
        found = [each for each in store.look(model, hashed=True) if each.file != RECORD]
        if all(each.state in FINE for each in found) and store.recorded_revision(model) is None:
            store.record(model, store.pins[model].revision or UNPINNED)
            found = list(store.look(model, hashed=True))
        states += found
    return states


def table(states: list[Found]) -> str:
    """The states as a table to print: model, revision, licence, file, state."""
    rows = [[each.model, each.revision, each.licence, each.file, each.state] for each in states]
    return tabulate(rows, headers=["model", "revision", "licence", "file", "state"])


def demand(states: list[Found], store: WeightsDir | None = None) -> None:
    """Raise if a file is not as it should be.

    Raises:
        UsageError: one sentence that names those files and the ways out.
    """
    bad = [found for found in states if found.state not in FINE]
    if bad:
        raise UsageError(complaint(bad, (store or WeightsDir()).root))


def _pull_model(store: WeightsDir, model: str, bad: set[str]) -> str:
    """Download these files of the model; the revision that all of its files are of."""
    pin, folder = store.pins[model], store.folder(model)
    folder.mkdir(parents=True, exist_ok=True)
    for name in bad:
        (folder / name).unlink(missing_ok=True)  # damaged: the hub's client would take it for done
    if pin.source.startswith("Raft_"):
        for name in bad:
            download(_torchvision_url(pin.source), folder / name)
        return str(pin.revision)
    import huggingface_hub

    revision = pin.revision or store.recorded_revision(model)
    if revision in (None, UNPINNED):
        revision = str(huggingface_hub.HfApi().model_info(pin.source, timeout=TIMEOUT_S).sha)
        # Nobody knows of which revision the others are: the hub's client compares them and fetches those that differ.
        bad = {file.name for file in pin.files}
    for name in sorted(bad):
        huggingface_hub.hf_hub_download(pin.source, name, revision=revision, local_dir=folder)
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the client's notes; they end with the last file
    return str(revision)


def _torchvision_url(source: str) -> str:
    from torchvision.models import get_weight

    weights: Any = get_weight(source)
    return str(weights.url)


def download(url: str, path: Path) -> None:
    """Download a file, going on from where an earlier attempt broke off; it gets its name when it is complete.

    Raises:
        OSError: the network or the server refuses, or sends less than it promised.
    """
    part = path.with_name(path.name + ".part")
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT_S)  # noqa: S310 (the address is torchvision's own)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        # Nothing is left to send: what is there is complete, or wrong, which its hash will show.
        part.replace(path)
        return
    with answer:
        if answer.status != 206:
            have = 0  # the server does not know ranges and sends all of it again
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
    """Delete what does not have the published hash, so that the next pull fetches it anew, and say so."""
    for file in store.pins[model].files:
        path = store.folder(model) / file.name
        if file.sha256 and file_sha256(path) != file.sha256:
            path.unlink()
            raise UsageError(
                f"{model}/{file.name} as downloaded does not have the published SHA-256 {file.sha256}; "
                "it was deleted: pull again, and if it happens again, the source has changed or is being tampered with"
            )


def _unreachable(model: str, store: WeightsDir, error: Exception) -> UsageError:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return UsageError(
        f"the weights of {model} cannot be downloaded ({store.pins[model].source}: {reason}); run `hfv weights pull` "
        f"where there is a network and copy {store.root} here, or choose PROFILE=lite"
    )
