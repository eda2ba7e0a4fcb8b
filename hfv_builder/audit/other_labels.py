"""Labels of others in a CSV file: HumanSAM's lists, our own tables, or any file with names and labels."""

import csv
import io
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from hfv_builder.clips.kinds import BY_SUFFIX, CLIPS, LOOKED_INTO
from hfv_builder.records import Label, UsageError
from hfv_builder.storage.path_text import file_name

HUMANSAM = {0: Label.APPEARANCE, 1: Label.SPATIAL, 2: Label.MOTION, 3: Label.REAL}
"""The ids of HumanSAM's released lists, which have no header."""
FILES = ("clip_id", "file_name", "file", "path", "filename", "video", "name", "clip")
LABELS = ("label", "auto_label", "label_name", "class")
NAMES = {str(label): label for label in Label}
SUFFIXES = CLIPS | LOOKED_INTO | BY_SUFFIX.keys()


def read_labels(text: str, where: str) -> dict[str, int]:
    """Return the label of each file by its stem or clip id; files of one stem with different labels are left out.

    Args:
        text: of a CSV file. Without a header its columns are file, label and any others, and numbers are HumanSAM's
            ids. With a header the columns of file and label have a name in `FILES` and `LABELS`, and numbers are the
            paper's ids.
        where: name of the file, for errors.

    Raises:
        UsageError: it is no CSV file, it has no columns for the files and the labels, or a label is unknown.
    """
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    try:
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise UsageError(f"{where}, line {reader.line_num}: {error}; give a CSV file with lines file,label") from None
    if not rows:
        raise UsageError(f"{where} is empty: give a CSV file with lines file,label")
    header = rows[0][1]
    names = [cell.strip().lower() for cell in header]
    file = next((names.index(name) for name in FILES if name in names), None)
    label = next((names.index(name) for name in LABELS if name in names), None)
    ids: Mapping[int, Label] = {int(known): known for known in Label}
    if file is None or label is None:
        if len(header) < 2 or _label(header[1], HUMANSAM) is None:
            raise UsageError(
                f"{where} has no column for the file ({', '.join(FILES)}) and the label ({', '.join(LABELS)}): name "
                "them in its first line, or give lines file,label without a header"
            )
        file, label, ids = 0, 1, HUMANSAM
    else:
        rows = rows[1:]
    found: dict[str, set[int]] = {}
    for number, row in rows:
        if len(row) <= max(file, label):
            raise UsageError(f"{where}, line {number}: it has {len(row)} columns; the first line has more")
        known = _label(row[label], ids)
        if known is None:
            raise UsageError(f"{where}, line {number}: {row[label]!r} is no label; use {', '.join(NAMES)} or their ids")
        found.setdefault(stem(row[file]), set()).add(int(known))
    return {name: min(labels) for name, labels in found.items() if len(labels) == 1}


def matched(labels: Mapping[str, int], clips: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Return the labels by clip id.

    Args:
        labels: from `read_labels`.
        clips: clip id and path of each clip. A path matches by its stem, or as the name of a release,
            `GENERATOR_CLIPID`. A stem that several clips have matches none of them.
    """
    found: dict[str, int] = {}
    by_stem: dict[str, list[str]] = {}
    for clip_id, path in clips:
        by_stem.setdefault(stem(path), []).append(clip_id)
        if clip_id in labels:
            found[clip_id] = labels[clip_id]
    released = {name.rpartition("_")[2]: label for name, label in labels.items()}
    for name, owners in by_stem.items():
        if name in labels and len({*owners}) == 1:
            found.setdefault(owners[0], labels[name])
        for clip_id in owners:
            if clip_id in released:
                found.setdefault(clip_id, released[clip_id])
    return found


def stem(path: str) -> str:
    """Return the name of a file without its folder and the suffix of its kind: `a_0.5` for `clips/a_0.5.mp4`.

    It is in Unicode normal form C, since file systems store different forms of characters such as é.
    """
    name = PurePosixPath(unicodedata.normalize("NFC", file_name(path.strip().replace("\\", "/"))))
    return name.stem if name.suffix.lower() in SUFFIXES else name.name


def _label(text: str, ids: Mapping[int, Label]) -> Label | None:
    text = text.strip().lower()
    is_id = text.isascii() and text.isdecimal() and len(text) < 10
    return ids.get(int(text)) if is_id else NAMES.get(text)
