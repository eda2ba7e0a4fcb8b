"""catalogued.csv: the files that a release without media needs, so that people can attach their own copies."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath

import pandas as pd

from hfv_builder.storage.path_text import file_name

FILE = "catalogued.csv"
ATTACHED = "ATTACHED.SHA256SUMS"
"""The file with the checksums of attached files, which is not part of the release itself."""
COLUMNS = ("path", "clip_id", "generator", "sha256", "bytes", "name", "video_id", "start_s", "end_s")
KINETICS = re.compile(r"(?P<id>[A-Za-z0-9_-]{11})_(?P<start>\d{6})_(?P<end>\d{6})")
"""Names of Kinetics' clips: a YouTube id, and where in that video the clip begins and ends, in seconds."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A file that a release needs."""

    path: str
    """Its path relative to the release."""
    sha256: str
    bytes: int


def catalogued_csv(rows: pd.DataFrame) -> str:
    """Return the file's text: a line per clip with `COLUMNS`, sorted by path.

    Args:
        rows: columns path, clip_id, generator, sha256, bytes and source (the catalogued path or URL).
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    columns = rows.sort_values("path")[["path", "clip_id", "generator", "sha256", "bytes", "source"]]
    for path, clip_id, generator, sha256, size, source in columns.itertuples(index=False):
        name = file_name(source)
        writer.writerow([path, clip_id, generator, sha256, size, name, *_moment(name)])
    return text.getvalue()


def read_catalogued(text: str) -> Iterator[Wanted]:
    """Yield the files that the text lists.

    Raises:
        ValueError: it is not such a text.
    """
    for row in csv.DictReader(io.StringIO(text)):
        try:
            path, sha256, size = row["path"], row["sha256"], int(row["bytes"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"a line has no {error}") from None
        if PurePath(path).is_absolute() or ".." in PurePath(path).parts:
            raise ValueError(f"{path} is not inside the release")
        yield Wanted(path=path, sha256=sha256, bytes=size)


def _moment(name: str) -> tuple[str, int | str, int | str]:
    """Return the video id and start in seconds of a clip named as in Kinetics; empty for other names."""
    match = KINETICS.fullmatch(PurePath(name).stem)
    return (match["id"], int(match["start"]), int(match["end"])) if match else ("", "", "")
