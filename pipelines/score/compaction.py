"""Compaction: what workers added becomes a few parts, sorted by clip, in memory that does not grow with the clips."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.places import Place
from hfv_builder.storage.schema import EMBEDDINGS, SCORES, Table
from hfv_builder.storage.supersession import MADE_WITH, newest_embeddings, newest_scores
from pipelines.score.run import ScoringRun

AT_ONCE = 8
"""Parts of a store that are read at a time: each takes a while to come."""
SCORED_ROWS = 20_000
"""Clips whose scores are in one part, about: for each, eight bytes a frame, several times while it is made."""
EMBEDDED_ROWS = 500
"""Clips whose embeddings are in one part, about: for each, a kilobyte a frame."""


def compact(run: ScoringRun, clips: int, *, at_end: bool = False) -> None:
    """Compact the scores of the profile and the embeddings of all, after ending replacements that were cut short.

    Args:
        clips: how many the generator has.
        at_end: do so even if no part was added, where the latest run before had another configuration: it may have
            left failures that this one supersedes.
    """
    for metric, fingerprint in run.resolved.fingerprints.items():
        keys = run.partition(metric)
        run.manifests.recover(SCORES, **keys)
        parts = run.manifests.parts(SCORES, **keys)
        made_with = {run.manifests.metadata(SCORES, part).get(MADE_WITH) for part in parts}
        settle(
            run.manifests,
            SCORES,
            partial(newest_scores, fingerprint=fingerprint),
            clips=clips,
            part_rows=SCORED_ROWS,
            anew=at_end and not made_with <= {fingerprint.encode()},
            **keys,
        )
    for keys in run.manifests.partitions(EMBEDDINGS, generator=run.generator):
        run.manifests.recover(EMBEDDINGS, **keys)
        settle(run.manifests, EMBEDDINGS, newest_embeddings, clips=clips, part_rows=EMBEDDED_ROWS, anew=False, **keys)


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
