"""Tell clips from other kinds of files. `docs/clips.md` states the rule.

Files with a name that clips never have are not opened, so that a text file per clip costs no time. For all others the
first bytes decide. A file with a suffix that only clips have is a clip even if its content is not: its row then has the
reason why it cannot be read.
"""

import os
from typing import BinaryIO

from hfv_builder.clips.signatures import EMPTY as EMPTY
from hfv_builder.clips.signatures import HEAD, LEFTOVER, other_kind, shows_motion

POINTER = "Git LFS pointer (run `git lfs pull`)"
ANNEX = "git-annex pointer (run `git annex get`)"
UNKNOWN = "of no known kind"

OF_CLIPS = (
    ".mp4 .m4v .mov .qt .mj2 .3gp .3g2 .mkv .mk3d .webm .avi .divx .ts .m2ts .mts .m2t .mpg .mpeg .mpe .m1v .m2v .mpv "
    ".vob .flv .f4v .wmv .asf .ogv .gif .apng .mxf .gxf .nut .dv .rm .rmvb .wtv .nuv .ivf .amv .swf .y4m .h261 .h263 "
    ".h264 .264 .avc .hevc .h265 .265 .vvc .h266 .266 .av1 .obu .mjpeg .mjpg .vc1 .drc .bik .smk .roq .fli .flc"
)
CLIPS = frozenset(OF_CLIPS.split())
"""Suffixes of clips."""
SOURCE_CODE = frozenset({".ts", ".mts"})
"""Suffixes of both MPEG transport streams and TypeScript: a text file with such a name is not a damaged clip."""
LOOKED_INTO = frozenset({".webp", ".png", ".avif", ".avifs", ".heif", ".heifs", ".heics"})
"""Suffixes of both still images and animations."""
OTHERS = {
    "text": ".txt .md .rst .toml .yaml .yml .ini .cfg .conf .html .htm .xml .log .nfo .asc .url .lnk .py .sh .bat .tex "
    ".description .ipynb .patch .diff",
    "table or data": ".csv .tsv .json .jsonl .ndjson .parquet .arrow .feather .npy .npz .pkl .pickle .h5 .hdf5 .mat "
    ".db .sqlite .sqlite3 .bin .lock",
    "subtitles": ".srt .vtt .ass .ssa .sub .idx .smi .sbv .sup .lrc",
    "playlist": ".m3u .m3u8 .mpd .pls .asx .xspf .sdp .cue .ffconcat .ffcat",
    "still image": ".jpg .jpeg .jpe .jfif .bmp .tif .tiff .heic .svg .ico .psd .exr .jxl .jp2 .tga .ppm .pgm .hdr .dng "
    ".cr2 .nef .raw .xcf",
    "audio": ".mp3 .wav .flac .m4a .aac .opus .oga .wma .aiff .aif .ac3 .mid .midi .amr .mka",
    "document": ".pdf .doc .docx .xls .xlsx .ppt .pptx .odt .ods .odp .rtf .epub",
    "archive": ".zip .tar .gz .tgz .bz2 .xz .zst .7z .rar .lz4 .iso .torrent",
    "weights": ".pt .pth .ckpt .safetensors .onnx .gguf .tflite .engine",
    "checksums": ".md5 .sha1 .sha256 .sha512 .sfv .crc .sig",
    "unfinished download": ".part .partial .crdownload .download .opdownload .filepart .aria2 .ytdl .tmp .incomplete",
    LEFTOVER: ".swp .swo .bak .orig .ds_store",
}
"""Suffixes that clips never have, by kind."""
BY_SUFFIX = {suffix: kind for kind, suffixes in OTHERS.items() for suffix in suffixes.split()}
NAMES = {
    "text": "readme license licence copying notice changelog authors citation makefile dockerfile",
    "checksums": "md5sums sha1sums sha256sums sha512sums checksums",
    LEFTOVER: "thumbs.db ehthumbs.db desktop.ini",
}
BY_NAME = {name: kind for kind, names in NAMES.items() for name in names.split()}
"""Names that clips never have, in lower case, with their kinds."""


def kind_by_name(name: str) -> str:
    """Return the kind of a file by its name, such as `subtitles`; empty if it may be a clip."""
    name = name.lower()
    return BY_NAME.get(name) or BY_SUFFIX.get(os.path.splitext(name)[1], "")


def kind_by_content(name: str, file: BinaryIO) -> str:
    """Return the kind of a file by its content, such as `still image`; empty if it is a clip.

    Args:
        name: its name, for which `kind_by_name` returns no kind.
        file: the file, at its start; only a few kB are read.

    Raises:
        OSError: the file cannot be read.
    """
    head = file.read(HEAD)
    suffix = os.path.splitext(name)[1].lower()
    if head.startswith(b"version https://git-lfs"):
        return POINTER
    if head.startswith(b"/annex/objects/"):
        return ANNEX
    if shows_motion(head, file):
        return ""
    kind = other_kind(head)
    if suffix in CLIPS and not (suffix in SOURCE_CODE and kind == "text"):
        return ""
    return kind or ("still image" if suffix in LOOKED_INTO else UNKNOWN)
