"""Compaction: merge the parts that workers added into a few, sorted by clip_id, in constant memory."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.places import Place
from hfv_builder.storage.schema import EMBEDDINGS, SCORES, SIGNALS, Table
from hfv_builder.storage.supersession import MADE_WITH, newest_embeddings, newest_scores, newest_signals
from pipelines.score.run import ScoringRun

AT_ONCE = 8
"""Parts of an object store that are read concurrently."""
SCORED_ROWS = 20_000
"""Approximate clips per part of scores: eight bytes a frame for each, several times that while it is written."""
EMBEDDED_ROWS = 500
"""Approximate clips per part of embeddings: a kilobyte a frame for each."""
ALL = "0" * 16, "f" * 16
"""The span of all clip ids."""


def compact(run: ScoringRun, clips: int, *, at_end: bool = False) -> None:
    """Compact scores of this profile, embeddings and signals of the generator; finish interrupted replacements first.

    Args:
        clips: the number of clips of the generator.
        at_end: compact even if no part was added when a part has another fingerprint: an earlier configuration may have
            left failures that this one supersedes.
    """
    for metric, fingerprint in run.resolved.fingerprints.items():
        keys = run.partition(metric)
        run.manifests.recover(SCORES, **keys)
        settle(
            run.manifests,
            SCORES,
            partial(newest_scores, fingerprint=fingerprint),
            clips=clips,
            part_rows=SCORED_ROWS,
            anew=partial(_has_others, run.manifests, fingerprint, keys) if at_end else None,
            **keys,
        )
    for keys in run.manifests.partitions(EMBEDDINGS, generator=run.generator):
        run.manifests.recover(EMBEDDINGS, **keys)
        settle(run.manifests, EMBEDDINGS, newest_embeddings, clips=clips, part_rows=EMBEDDED_ROWS, anew=None, **keys)
    compact_signals(run.manifests, run.generator, clips)


def _has_others(manifests: Manifests, fingerprint: str, keys: dict[str, str]) -> bool:
    """Return whether a part of a partition of scores has another fingerprint."""
    parts = manifests.parts(SCORES, **keys)
    return any(manifests.metadata(SCORES, part).get(MADE_WITH) != fingerprint.encode() for part in parts)


def compact_signals(manifests: Manifests, generator: str, clips: int) -> None:
    """Compact the signals of a generator; finish an interrupted replacement first."""
    manifests.recover(SIGNALS, generator=generator)
    settle(manifests, SIGNALS, newest_signals, clips=clips, part_rows=SCORED_ROWS, generator=generator)


def settle(
    manifests: Manifests,
    table: Table,
    choose: Callable[[list[pa.Table]], Sequence[pa.Table]],
    *,
    clips: int,
    part_rows: int,
    anew: Callable[[], bool] | None = None,
    **partition: str,
) -> None:
    """Compact a partition into parts sorted by clip_id. Does nothing if no part was added since the last compaction.

    A part is a range of clip ids. These are hashes, so ranges of equal width hold about equally many clips; workers
    take clips in this order, so what they added lies in few ranges.

    Args:
        choose: returns the rows to keep of a range of clips, as one table per part to write. It gets one table per
            part that has rows of the range, the latest part last. Tables carry the metadata of their parts.
        clips: the number of clips; it alone decides the ranges, however the work was divided.
        part_rows: approximate number of clips per part; one range is in memory at a time.
        anew: returns whether to compact even if no part was added.
    """
    if manifests.is_settled(table, **partition) and not (anew and anew()):
        return
    ranges = 1 << max(0, (clips - 1) // part_rows).bit_length()
    parts = manifests.parts(table, **partition)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        each = map if isinstance(manifests.root, Path) else pool.map
        span_of = partial(manifests.span, table, column="clip_id")
        spans = [ALL] * len(parts) if ranges == 1 else list(each(span_of, parts))

        def pieces() -> Iterator[pa.Table]:
            for number in range(ranges):
                first, last = (f"{(end << 64) // ranges - (end > number):016x}" for end in (number, number + 1))
                near = [
                    (part, None if first <= span[0] and span[1] <= last else (first, last))
                    for part, span in zip(parts, spans, strict=True)
                    if span and span[0] <= last and span[1] >= first
                ]
                for rows in choose(list(each(partial(_rows, manifests, table), near))) if near else ():
                    if rows:
                        yield rows.sort_by("clip_id")

        manifests.replace(table, pieces(), parts, **partition)


def _rows(manifests: Manifests, table: Table, within: tuple[Place, tuple[str, str] | None]) -> pa.Table:
    """Return the rows of a part, of all clips or of a range of them."""
    part, span = within
    rows = manifests.read_part(table, part)
    return rows.filter((pc.field("clip_id") >= span[0]) & (pc.field("clip_id") <= span[1])) if span else rows
