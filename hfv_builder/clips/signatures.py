"""Detect the kind of a file from its first bytes."""

import struct
from typing import BinaryIO

EMPTY = "empty"
LEFTOVER = "leftover of another program"
HEAD = 4096
"""Number of bytes to read."""
SEQUENCES = (b"avis", b"msf1", b"hevc", b"hevx")
"""Brands of ISO files with image sequences; other brands of HEIF and AVIF are still images."""
STILL_BRANDS = (b"avif", b"heic", b"heix", b"mif1", b"heim", b"heis", b"jxl ", b"jp2 ")
SOUND_BRANDS = (b"M4A ", b"M4B ", b"M4P ", b"F4A ")
BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"moof", b"sidx")
"""Types of the first box of ISO and QuickTime files."""
MOVING = (
    b"\x1aE\xdf\xa3",  # Matroska, WebM
    b"GIF87a",
    b"GIF89a",
    b"FLV\x01",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # ASF
    b"\x00\x00\x01\xba",  # MPEG program stream
    b"\x00\x00\x01\xb3",  # MPEG video
    b"\x00\x00\x01\xb0",  # MPEG-4 video
    b"\x00\x00\x01\xb5",
    b"\x00\x00\x01\x67",  # H.264
    b"\x00\x00\x00\x01",  # H.264, HEVC, VVC
    b"\x00\x00\x01\x40",  # HEVC
    b"\x00\x00\x01\x0f",  # VC-1
    b"\x12\x00\x0a",  # AV1
    b"DKIF",  # IVF
    b"YUV4MPEG2",
    b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02",  # MXF
    b"\x00\x00\x00\x00\x01\xbc",  # GXF
    b"nut/multimedia container",
    b"\x1f\x07\x00",  # DV
    b".RMF",
    b"FWS",
    b"CWS",
    b"\xb7\xd8\x00\x20\x37\x49\xda\x11",  # WTV
    b"NuppelVideo",
    b"MythTVVideo",
    b"BIK",
    b"SMK2",
    b"SMK4",
    b"BBCD",  # Dirac
)
"""First bytes of video files and animations."""
OGG_VIDEO = (b"\x80theora", b"OVP80", b"BBCD\x00", b"\x01video", b"fishead")
RIFF = {b"AVI ": "", b"WAVE": "audio", b"WEBP": "still image", b"RMID": "audio"}
OTHERS = (
    (b"\x89PNG\r\n", "still image"),
    (b"\xff\xd8\xff", "still image"),
    (b"BM", "still image"),
    (b"II*\x00", "still image"),
    (b"MM\x00*", "still image"),
    (b"v/1\x01", "still image"),
    (b"8BPS", "still image"),
    (b"\xff\x0a", "still image"),
    (b"ID3", "audio"),
    (b"fLaC", "audio"),
    (b"\xff\xfb", "audio"),
    (b"\xff\xf1", "audio"),
    (b"OggS", "audio"),
    (b"#!AMR", "audio"),
    (b"MThd", "audio"),
    (b"%PDF", "document"),
    (b"\xd0\xcf\x11\xe0", "document"),
    (b"PK\x03\x04", "archive"),
    (b"\x1f\x8b", "archive"),
    (b"BZh", "archive"),
    (b"\xfd7zXZ", "archive"),
    (b"\x28\xb5\x2f\xfd", "archive"),
    (b"7z\xbc\xaf", "archive"),
    (b"Rar!", "archive"),
    (b"SQLite format 3", "table or data"),
    (b"PAR1", "table or data"),
    (b"\x93NUMPY", "table or data"),
    (b"\x89HDF", "table or data"),
    (b"\x80\x04\x95", "table or data"),
    (b"GGUF", "weights"),
    (b"\x7fELF", "program"),
    (b"MZ", "program"),
    (b"\x00\x05\x16\x07", LEFTOVER),
    (b"#EXTM3U", "playlist"),
    (b"ffconcat", "playlist"),
    (b"WEBVTT", "subtitles"),
    (b"[Script Info]", "subtitles"),
)
"""First bytes of other files, and their kind."""
CHUNKS = 4096
"""Largest number of PNG chunks that are read before the first image."""


def shows_motion(head: bytes, file: BinaryIO) -> bool:
    """Return whether a file is a video or an animation.

    Args:
        head: its first `HEAD` bytes, or all if it is shorter.
        file: the file, to read more of it.
    """
    if head[4:8] in BOXES:
        return _is_moving_iso(head)
    if head[:4] == b"RIFF":
        # Bit 1 of the flags of an extended WebP marks an animation.
        return head[8:12] == b"AVI " or (head[8:16] == b"WEBPVP8X" and len(head) > 20 and bool(head[20] & 2))
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return _is_animated_png(file)
    if head[:4] == b"OggS":
        return any(mark in head for mark in OGG_VIDEO)
    # A transport stream has packets of 188 bytes, of 192 with a time before the packet, or of 204.
    packets = (head[start : start + 2 * step + 1 : step] for start, step in ((0, 188), (4, 192), (0, 204)))
    return head.startswith(MOVING) or b"GGG" in packets


def other_kind(head: bytes) -> str:
    """Return the kind of a file that is not a video or an animation, such as `audio`; empty if unknown."""
    if not head:
        return EMPTY
    if head[4:8] == b"ftyp":
        return "audio" if head[8:12] in SOUND_BRANDS else "still image"
    if head[:4] == b"RIFF":
        return RIFF.get(head[8:12], "")
    kind = next((kind for start, kind in OTHERS if head.startswith(start)), "")
    return kind or ("text" if _is_text(head) else "")


def _is_moving_iso(head: bytes) -> bool:
    if head[4:8] != b"ftyp":
        return True
    size = min(struct.unpack(">I", head[:4])[0], len(head))
    brands = {head[offset : offset + 4] for offset in range(8, size - 3, 4) if offset != 12}
    if not brands.isdisjoint(SEQUENCES):
        return True
    return head[8:12] not in STILL_BRANDS + SOUND_BRANDS


def _is_animated_png(file: BinaryIO) -> bool:
    """Return whether a PNG has an animation chunk before its first image; text chunks of any length may precede it."""
    offset = 8
    for _ in range(CHUNKS):
        file.seek(offset)
        start = file.read(8)
        if len(start) < 8 or start[4:] == b"IDAT":
            return False
        if start[4:] == b"acTL":
            return True
        offset += 12 + int(struct.unpack(">I", start[:4])[0])
    return False


def _is_text(head: bytes) -> bool:
    """Return whether it is text in UTF-8, UTF-16 or a single-byte encoding: it has no control characters."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    controls = set(range(32)) - {7, 8, 9, 10, 11, 12, 13, 27}
    return controls.isdisjoint(head)
