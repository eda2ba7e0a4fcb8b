"""Settling: what workers added becomes a few parts, sorted by clip, in memory that does not grow with the clips."""

from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from hfv_builder.manifest import Manifests
from hfv_builder.schema import Table

PART_ROWS = 100_000
"""Clips that one part holds."""


def settle(manifests: Manifests, table: Table, choose: Callable[[list[pa.Table]], pa.Table], **partition: str) -> None:
    """Make the parts of a partition anew, sorted by clip id, if some were added since this was done last.

    Workers take the clips in the order of their ids, so that each range of ids lies in few parts.

    Args:
        choose: given all that the partition holds of some clips, a table for each part that has any, with the
            metadata of the part, gives the rows to keep.
    """
    if manifests.is_settled(table, **partition):
        return
    spans = []
    ids = []
    for part in manifests.parts(table, **partition):
        found = manifests.read_part(table, part, ["clip_id"])["clip_id"]
        if len(found):
            ids.append(pc.unique(found))
            spans.append((part, *pc.min_max(found).as_py().values()))
    starts = pc.unique(pa.chunked_array(ids, pa.string())).sort().to_numpy(zero_copy_only=False)[::PART_ROWS]

    def pieces() -> Iterator[pa.Table]:
        for first, end in zip(starts, [*starts[1:], None], strict=True):
            inside = pc.field("clip_id") >= first
            if end is not None:
                inside &= pc.field("clip_id") < end
            parts = [part for part, low, high in spans if high >= first and (end is None or low < end)]
            yield choose([manifests.read_part(table, part).filter(inside) for part in parts]).sort_by("clip_id")

    manifests.replace(table, pieces(), **partition)
