"""The rows of `scores` and `embeddings` that a worker writes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from hfv_builder.records import Metric, NotScored, Status, reason
from hfv_builder.storage.schema import SCORES

if TYPE_CHECKING:
    from hfv_builder.scoring.score import Score
    from hfv_builder.scoring.scorer import Vectors
    from pipelines.score.run import ScoringRun

Row = dict[str, Any]


def score_row(
    clip_id: str,
    metric: Metric,
    run: "ScoringRun",
    score: "Score | None",
    raised: Exception | None,
    odd: Mapping[str, float] = MappingProxyType({}),
    *,
    environment: str,
) -> Row:
    """Return the row of one clip and metric; every clip has one, scored or not.

    Args:
        score: None if the clip could not be scored.
        raised: the reason for that.
        odd: what is suspicious about the clip, reported among the components.
        environment: the id of what computed it; the row of a clip that no model has processed has none.
    """
    row = dict.fromkeys(SCORES.schema.names) | {
        "clip_id": clip_id,
        "generator": run.generator,
        "metric": metric.value,
        "profile": run.resolved.profile.name,
        "fingerprint": run.resolved.fingerprints[metric],
        "environment": None if isinstance(raised, NotScored) else environment,
        "status": Status.FAILED.value,
        "error": None if raised is None else reason(raised),
    }
    if score is not None:
        row |= {"score": score.value, "components": sorted({**score.components, **odd}.items()), "error": score.error}
        row |= {"frames": score.frames, "trace": score.trace}
        row["status"] = (Status.OK if score.error is None else Status.FAILED).value
    return row


def embeddings_table(rows: "list[tuple[str, Vectors]]", keys: dict[str, str]) -> pa.Table:
    """Return a table with a row for each clip; vectors are fixed-size lists of the model's dimension.

    Args:
        rows: pairs of clip_id and the vectors of its frames.
        keys: the values of the partition columns.
    """
    flat = np.concatenate([vectors.vectors for _, vectors in rows])
    vector = pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), flat.shape[1])
    ends = np.cumsum([0, *(len(vectors.frames) for _, vectors in rows)]).astype(np.int32)
    columns = {
        "clip_id": pa.array([clip_id for clip_id, _ in rows], pa.string()),
        **{name: pa.array([value] * len(rows), pa.string()) for name, value in keys.items()},
        "frames": pa.array([vectors.frames for _, vectors in rows], pa.list_(pa.int32())),
        "vectors": pa.ListArray.from_arrays(ends, vector),
    }
    return pa.table(columns)
