"""Groups of near duplicates among all clips, from the manifests."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hfv_builder.audit.near import Pairs, Vectors, near_duplicates, near_groups
from hfv_builder.frames.hashing import VERSION
from hfv_builder.records import UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.replacement import despite_replacements
from hfv_builder.storage.schema import EMBEDDINGS, SIGNALS


def groups_of_clips(
    manifests: Manifests, clips: Sequence[str], embeddings: Mapping[str, Vectors]
) -> tuple[dict[str, str], pd.DataFrame]:
    """Return the group of near duplicates of each clip, and the pairs that make the groups.

    Args:
        manifests: with `signals`.
        clips: ids, in any order.
        embeddings: from `mean_embeddings` of these clips.

    Returns:
        The smallest clip id of the group, by clip id; clips without frame hashes have none. A table of the pairs with
        first and second (clip ids) and bits, the most alike first.
    """
    rows = manifests.read(SIGNALS, ["clip_id", "version", "hashes"])
    wanted = pc.and_(
        pc.equal(rows["version"], VERSION), pc.is_in(rows["clip_id"], value_set=pa.array(clips, pa.string()))
    )
    rows = rows.filter(wanted).sort_by("clip_id")
    known = rows.filter(pc.greater(pc.fill_null(pc.list_value_length(rows["hashes"]), 0), 0))
    # A content that counted in another generator before has its signals there too.
    known = known.take(np.unique(known["clip_id"].to_numpy(), return_index=True)[1])
    ids = known["clip_id"].to_pylist()
    lists = known["hashes"].combine_chunks()
    ends = np.cumsum(pc.list_value_length(lists).to_numpy(zero_copy_only=False))
    hashes = np.split(lists.flatten().to_numpy(zero_copy_only=False), ends[:-1]) if ids else []
    row = {clip_id: place for place, clip_id in enumerate(clips)}
    most = max(sorted(embeddings), key=lambda model: int(np.isfinite(embeddings[model][:, 0]).sum()), default=None)
    vectors = None if most is None else embeddings[most][[row[clip_id] for clip_id in ids]]
    pairs = near_duplicates(hashes, vectors)
    groups = near_groups(pairs, len(ids))
    first_of: dict[int, str] = {}
    for clip_id, group in zip(ids, groups.tolist(), strict=True):  # sorted, so that the first is the smallest
        first_of.setdefault(group, clip_id)
    named = {clip_id: first_of[group] for clip_id, group in zip(ids, groups.tolist(), strict=True)}
    return named, _table(pairs, ids)


def near_groups_for_split(manifests: Manifests, clips: Sequence[str]) -> dict[str, str]:
    """Return the group of near duplicates of each clip, for a split.

    Raises:
        UsageError: clips have no signals.
    """
    have = manifests.read(SIGNALS, ["clip_id", "version"])
    have = have.filter(pc.equal(have["version"], VERSION))
    missing = len({*clips} - {*have["clip_id"].to_pylist()})
    if missing:
        raise UsageError(f"--group near needs the frame hashes of all clips, and {missing} have none: run `hfv audit`")
    return groups_of_clips(manifests, clips, mean_embeddings(manifests, clips))[0]


def mean_embeddings(manifests: Manifests, clips: Sequence[str]) -> dict[str, Vectors]:
    """Return the L2-normalised mean embedding of each clip by each model that has some, by the name of the model.

    Returns:
        (n, D) float32 each, a row per clip in the given order, NaN where there is none.
    """
    return despite_replacements(partial(_mean_embeddings, manifests, clips), f"{manifests.root / EMBEDDINGS.name}")


def _mean_embeddings(manifests: Manifests, clips: Sequence[str]) -> dict[str, Vectors]:
    row = {clip_id: place for place, clip_id in enumerate(clips)}
    found: dict[str, dict[int, Vectors]] = {}
    for keys in manifests.partitions(EMBEDDINGS):
        for part in manifests.parts(EMBEDDINGS, **keys):
            rows = manifests.read_part(EMBEDDINGS, part, ["clip_id", "vectors"])
            vectors = rows["vectors"].combine_chunks()
            counts = pc.list_value_length(vectors).to_numpy(zero_copy_only=False)
            flat = vectors.flatten()
            values = flat.flatten().to_numpy(zero_copy_only=False).astype(np.float32).reshape(len(flat), -1)
            starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
            own = found.setdefault(keys["model"], {})
            for clip_id, start, end in zip(rows["clip_id"].to_pylist(), starts[:-1], starts[1:], strict=True):
                if clip_id in row and end > start:
                    own[row[clip_id]] = values[start:end].mean(axis=0)
    return {model: _rows(own, len(clips)) for model, own in sorted(found.items()) if own}


def _rows(vectors: Mapping[int, Vectors], count: int) -> Vectors:
    table = np.full((count, len(next(iter(vectors.values())))), np.nan, np.float32)
    for place, vector in vectors.items():
        table[place] = vector / max(float(np.linalg.norm(vector)), 1e-12)
    return table


def _table(pairs: Pairs, ids: Sequence[str]) -> pd.DataFrame:
    names = np.array(ids, dtype=object)
    table = pd.DataFrame({"first": names[pairs.first], "second": names[pairs.second], "bits": pairs.bits})
    return table.sort_values(["bits", "first", "second"], ignore_index=True)
