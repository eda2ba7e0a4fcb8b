"""Compaction: what workers added becomes a few parts, sorted by clip, in memory that does not grow with the clips."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.places import Place
from hfv_builder.storage.schema import Table

AT_ONCE = 8
"""Parts of a store that are read at a time: each takes a while to come."""


def settle(
    manifests: Manifests,
    table: Table,
    choose: Callable[[list[pa.Table]], Sequence[pa.Table]],
    *,
    clips: int,
    part_rows: int,
    anew: bool = False,
    **partition: str,
) -> None:
    """Compact a partition into parts sorted by clip_id. Does nothing if no part was added since the last compaction.

    A part is a range of clip ids. These are hashes, so that ranges of equal width hold about equally many, and workers
    take the clips in their order, so that what they added lies in few ranges.

    Args:
        choose: given all that the partition holds of some clips, a table for each part that has any, with the
            metadata of the part, those added last at the end, gives the rows to keep: a table for each part to
            write, with the metadata of that part.
        clips: how many clips there are; the same number gives the same ranges, however the work was divided.
        part_rows: clips that one part is to hold, about; a range of them is in memory at a time.
        anew: compact it even if no part was added.
    """
    if not anew and manifests.is_settled(table, **partition):
        return
    ranges = 1 << max(0, (clips - 1) // part_rows).bit_length()
    parts = manifests.parts(table, **partition)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        each = map if isinstance(manifests.root, Path) else pool.map
        spans = list(each(partial(manifests.span, table, column="clip_id"), parts))

        def pieces() -> Iterator[pa.Table]:
            for number in range(ranges):
                first, last = (f"{(end << 64) // ranges - (end > number):016x}" for end in (number, number + 1))
                inside = (pc.field("clip_id") >= first) & (pc.field("clip_id") <= last)
                near = [
                    part
                    for part, span in zip(parts, spans, strict=True)
                    if span and span[0] <= last and span[1] >= first
                ]
                for rows in choose(list(each(partial(_inside, manifests, table, inside), near))) if near else ():
                    if rows:
                        yield rows.sort_by("clip_id")

        manifests.replace(table, pieces(), **partition)


def _inside(manifests: Manifests, table: Table, inside: pc.Expression, part: Place) -> pa.Table:
    return manifests.read_part(table, part).filter(inside)
