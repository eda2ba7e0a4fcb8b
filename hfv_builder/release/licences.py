"""licences.csv: the licence and terms of the clips of each source."""

import csv
import io
from collections.abc import Mapping

from hfv_builder.clips.sources import Source

FILE = "licences.csv"
COLUMNS = ("source", "name", "licence", "terms", "url", "clips")


def licences_csv(clips: Mapping[str, int], sources: Mapping[str, Source]) -> str:
    """Return the file's text: a header and a row per source.

    Args:
        clips: how many clips of each generator are released.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name in sorted(clips):
        source = sources[name]
        writer.writerow([name, source.name, source.licence, source.terms or "", source.url or "", clips[name]])
    return text.getvalue()
