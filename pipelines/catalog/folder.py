"""A folder of clips: which of its files may be clips."""

import os

from hfv_builder.records import UsageError
from hfv_builder.storage.places import FileStatus, Place, reach, walk

TEXT = {
    *[
        ".csv",
        ".tsv",
        ".json",
        ".jsonl",
        ".txt",
        ".md",
        ".rst",
        ".toml",
        ".yaml",
        ".yml",
        ".ini",
        ".cfg",
        ".html",
        ".htm",
        ".xml",
        ".log",
        ".nfo",
        ".asc",
        ".url",
        ".py",
        ".sh",
    ]
}
SUBTITLES = {*[".srt", ".vtt", ".ass", ".ssa", ".sub", ".idx", ".smi", ".sbv"]}
PLAYLISTS = {*[".m3u", ".m3u8", ".mpd", ".pls", ".asx", ".xspf", ".sdp", ".cue", ".ffconcat", ".ffcat"]}
STILLS = {*[".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".svg", ".ico", ".psd", ".exr"]}
DATA = {
    *[
        ".parquet",
        ".arrow",
        ".npy",
        ".npz",
        ".pkl",
        ".h5",
        ".hdf5",
        ".pt",
        ".pth",
        ".ckpt",
        ".bin",
        ".safetensors",
        ".onnx",
        ".db",
        ".sqlite",
        ".pdf",
    ],
    *[
        ".zip",
        ".tar",
        ".gz",
        ".tgz",
        ".bz2",
        ".xz",
        ".zst",
        ".7z",
        ".rar",
        ".md5",
        ".sha1",
        ".sha256",
        ".sha512",
        ".part",
        ".tmp",
        ".torrent",
    ],
}
SIDECARS = TEXT | SUBTITLES | PLAYLISTS | STILLS | DATA
"""Suffixes of files that lie beside clips and are none: passed over, and counted."""
NAMES = {"readme", "license", "licence", "notice", "changelog", "makefile", "md5sums", "sha1sums", "sha256sums"}
"""Likewise files of these names without a suffix, in lower case."""

Found = dict[str, FileStatus]
"""Files by absolute path or URL."""


def list_clips(folder: Place) -> tuple[Found, list[str]]:
    """The files in the folder and below that may be clips, by absolute path or URL, sorted; and those passed over.

    Hidden files are neither. Links are followed, each folder once.

    Raises:
        UsageError: there is no such folder, it cannot be read, or it holds no clip.
    """
    if not reach(folder).is_dir():
        what = "is a file, no folder; name the folder that holds it" if folder.exists() else "is not there; make it"
        raise UsageError(f"the clips folder {folder} {what}, or name another with --clips DIR (CLIPS=DIR)")
    found: Found = {}
    passed_over: list[str] = []
    try:
        for path, file in walk(folder):
            if file is None or _is_sidecar(os.path.basename(path).lower()):
                passed_over.append(path)
            else:
                found[path] = file
    except OSError as error:
        raise UsageError(f"{error.filename or folder} cannot be read: {error.strerror or error}") from None
    if not found:
        raise UsageError(f"there is no clip in {folder}; put the generator's video files there, or name another folder")
    return dict(sorted(found.items())), sorted(passed_over)


def _is_sidecar(name: str) -> bool:
    suffix = os.path.splitext(name)[1]
    return suffix in SIDECARS if suffix else name in NAMES
