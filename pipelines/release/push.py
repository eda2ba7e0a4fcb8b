"""Publish a release on the Hugging Face hub: in commits of some files each, so that it can be interrupted anywhere."""

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from tqdm import tqdm

from hfv_builder.records import UsageError
from hfv_builder.release import card, checksums, croissant
from hfv_builder.release.name import ReleaseName
from hfv_builder.storage.checksum import file_sha256
from hfv_builder.storage.json_text import load_json
from hfv_builder.wording import counted
from pipelines.outcome import Outcome
from pipelines.workers.limits import cores

BATCH = 500
"""Files of a commit at most."""
BATCH_BYTES = 1 << 30
"""Bytes of a commit, after which it takes no more files."""
LAST = (card.FILE, croissant.FILE, checksums.FILE)
"""What comes with the last commit, so that nothing looks whole before it is."""
KIND = "dataset"
HUBS_OWN = {".gitattributes"}


@dataclass(frozen=True, kw_only=True)
class Remote:
    """What a repository holds."""

    files: Mapping[str, str]
    """SHA-256 of the files in its large-file storage and git's SHA-1 of the others, by path."""
    versions: frozenset[str]
    """Its tags."""


def push(folder: Path, repository: str, *, private: bool = False) -> Outcome:
    """Upload a release, and give the state of the repository a tag with its version.

    Files that are there already are not sent again, so the same command resumes an interrupted one.

    Args:
        repository: such as someone/my-set; it is made if there is none.
        private: of a repository that is made.

    Raises:
        UsageError: it is no whole release, this version or another data set is there, or the hub does not answer.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
    from huggingface_hub.utils.tqdm import disable_progress_bars

    started = time.time()
    sums, name = _read(folder)
    with _answering(repository):
        api = HfApi()
        api.create_repo(repository, repo_type=KIND, private=private or None, exist_ok=True)
        remote = _remote(api, repository)
    old = _check(remote, sums, name, repository)
    last = [path for path in LAST if path in sums or path == checksums.FILE]
    disable_progress_bars()  # ours counts the files of all commits
    todo = [path for path in sorted(sums) if path not in last and not _is_there(folder, path, sums[path], remote)]
    title = f"{name.name} {name.version}"
    with tqdm(total=len(todo), desc=f"push {folder.name}", unit="file", disable=None) as bar:
        for batch in _batches(folder, todo):
            _check_bytes(folder, batch, sums)
            with _answering(repository):
                adds = [CommitOperationAdd(path, folder / path) for path in batch]
                api.create_commit(repository, adds, repo_type=KIND, commit_message=f"Add files of {title}")
            bar.update(len(batch))
    _check_bytes(folder, [path for path in last if path != checksums.FILE], sums)
    operations: list[Any] = [CommitOperationAdd(path, folder / path) for path in last]
    with _answering(repository):
        operations += [CommitOperationDelete(path) for path in old]
        commit = api.create_commit(repository, operations, repo_type=KIND, commit_message=f"Release {title}")
        api.create_tag(repository, tag=name.version, revision=commit.oid, repo_type=KIND, tag_message=title)
    url = str(commit.repo_url)
    sent = len(todo) + len(last)
    there = len(sums) + 1 - sent
    text = f"{title} is at {url}, tag {name.version}: {counted(sent, 'file')} sent, {there} there already"
    summary = {"repository": repository, "url": url, "version": name.version, "sent": sent}
    return Outcome(summary=summary, text=text, started=started)


def _read(folder: Path) -> tuple[dict[str, str], ReleaseName]:
    """The checksums and the name of a release.

    Raises:
        UsageError: it is none, or a file is missing.
    """
    cure = f"run `hfv release verify {quote(str(folder))}`"
    if not (folder / checksums.FILE).is_file():
        raise UsageError(f"{folder} is no release: it has no {checksums.FILE}")
    sums, wrong = checksums.read_checksums((folder / checksums.FILE).read_text(encoding="utf-8", errors="replace"))
    missing = [path for path in sums if not (folder / path).is_file()]
    if wrong or missing:
        what = (
            f"{counted(len(missing), 'file is', 'files are')} missing, such as {missing[0]}"
            if missing
            else f"{checksums.FILE} is damaged"
        )
        raise UsageError(f"{folder} is not whole: {what}; {cure}")
    try:
        content = load_json((folder / croissant.FILE).read_bytes())
        return sums, ReleaseName(name=content["name"], version=content["version"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(f"{folder / croissant.FILE} does not name the release; {cure}") from None


@contextlib.contextmanager
def _answering(repository: str) -> Iterator[None]:
    """Turn what the hub says into a sentence.

    Raises:
        UsageError: it does not answer, or not to us.
    """
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    # Its bases are OSError and the error of the HTTP client that this version of the package uses.
    failures: tuple[type[Exception], ...] = (*HfHubHTTPError.__bases__, OfflineModeIsEnabled, RuntimeError)
    try:
        yield
    except HFValidationError as error:
        raise UsageError(f"{repository} cannot name a repository: {str(error).splitlines()[0]}") from None
    except failures as error:
        why = (str(error.__cause__ or error).strip() or type(error).__name__).splitlines()[0]
        raise UsageError(
            f"cannot push to {repository}: {why}; log in with `hf auth login` or set HF_TOKEN; what was sent stays "
            "there, and the same command goes on from there"
        ) from None


def _remote(api: Any, repository: str) -> Remote:
    from huggingface_hub import RepoFile

    entries = api.list_repo_tree(repository, recursive=True, repo_type=KIND)
    files = [entry for entry in entries if isinstance(entry, RepoFile)]
    tags = api.list_repo_refs(repository, repo_type=KIND).tags
    return Remote(
        files={file.path: file.lfs.sha256 if file.lfs else file.blob_id for file in files},
        versions=frozenset(tag.name for tag in tags),
    )


def _check(remote: Remote, sums: Mapping[str, str], name: ReleaseName, repository: str) -> list[str]:
    """Return files of an earlier version in the repository that this version removes.

    Raises:
        UsageError: the version is there, or files that no version names.
    """
    if name.version in remote.versions:
        raise UsageError(
            f"{repository} has version {name.version} already, and a published version is never changed: make a "
            "release with another --version"
        )
    old = sorted(remote.files.keys() - sums.keys() - HUBS_OWN - {*LAST})
    if old and not remote.versions:
        raise UsageError(
            f"{repository} holds {len(old)} other files, such as {old[0]}, and no version of a release: name an empty "
            "repository, or one that does not exist yet"
        )
    return old


def _is_there(folder: Path, path: str, sha256: str, remote: Remote) -> bool:
    known = remote.files.get(path)
    if known is None or len(known) == len(sha256):
        return known == sha256
    content = (folder / path).read_bytes()  # what the hub keeps in git itself is small
    return known == hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _batches(folder: Path, paths: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    total = 0
    for path in paths:
        batch.append(path)
        total += os.path.getsize(folder / path)
        if len(batch) == BATCH or total >= BATCH_BYTES:
            yield batch
            batch, total = [], 0
    if batch:
        yield batch


def _check_bytes(folder: Path, paths: Sequence[str], sums: Mapping[str, str]) -> None:
    """Check files before they leave.

    Raises:
        UsageError: one is damaged.
    """
    with ThreadPoolExecutor(cores()) as pool:
        hashes = pool.map(lambda path: file_sha256(folder / path), paths)
        for path, sha256 in zip(paths, hashes, strict=True):
            if sha256 != sums[path]:
                raise UsageError(
                    f"{folder / path} is not the file of its checksum, so it was not sent: run `hfv release verify`"
                )
