"""metadata.parquet: a row per clip of a folder, with types that `datasets` understands."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hfv_builder.records import METRICS, Label
from hfv_builder.storage.json_text import load_json

NAMES = [str(label) for label in Label]
"""Class names in the order of the paper's label ids."""
NO_LABELS = "has labels that are not 0 (spatial), 1 (appearance), 2 (motion) or 3 (real)"
FINGERPRINTS = tuple(f"fingerprint_{metric}" for metric in METRICS)
SCHEMA = pa.schema(
    {
        "file_name": pa.string(),
        "clip_id": pa.string(),
        "label": pa.int64(),
        "generator": pa.string(),
        "is_real": pa.bool_(),
        "prompt": pa.string(),
        **{metric.value: pa.float64() for metric in METRICS},
        **{f"rank_{metric}": pa.int32() for metric in METRICS},
        "margin": pa.int32(),
        "class_rank": pa.int32(),
        "class_size": pa.int32(),
        "r_hat": pa.float64(),
        "confidence_weight": pa.float64(),
        "label_source": pa.string(),
        "reviewers": pa.int32(),
        "agreement": pa.float64(),
        "t_start": pa.float64(),
        "t_end": pa.float64(),
        "box": pa.struct({name: pa.int32() for name in "xywh"}),
        "width": pa.int32(),
        "height": pa.int32(),
        "fps": pa.float64(),
        "num_frames": pa.int32(),
        "duration_s": pa.float64(),
        "media": pa.string(),
        "profile": pa.string(),
        "fingerprint": pa.string(),
        **dict.fromkeys(FINGERPRINTS, pa.string()),
    }
)
"""The columns of every metadata.parquet."""
DESCRIPTIONS = {
    "file_name": "the clip's file, relative to the folder of this table",
    "clip_id": "first 16 hex digits of the SHA-256 of the catalogued file",
    "label": "0 spatial, 1 appearance, 2 motion, 3 real",
    "generator": "where the clip comes from",
    "is_real": "whether it is camera footage",
    "prompt": "the text it was generated from",
    "spatial": "spatial score, higher = more anomalous",
    "appearance": "appearance score, higher = more anomalous",
    "motion": "motion score, higher = more anomalous",
    "rank_spatial": "rank of the spatial score inside the generator, 1 = most anomalous",
    "rank_appearance": "rank of the appearance score inside the generator, 1 = most anomalous",
    "rank_motion": "rank of the motion score inside the generator, 1 = most anomalous",
    "margin": "second smallest rank minus smallest: how clear the automatic label is",
    "class_rank": "rank by the label's score among the generator's clips of this label; null for real clips",
    "class_size": "how many those are",
    "r_hat": "class_rank / class_size; 0 for real clips",
    "confidence_weight": "log(e + r_hat)",
    "label_source": "auto: the smallest rank; review: decided by reviewers",
    "reviewers": "reviewers whose vote counts; 0 if nobody reviewed the clip",
    "agreement": "share of the votes that is the label",
    "t_start": "seconds, when the anomaly begins: the adjudicator's mark, else the median of the reviewers' marks",
    "t_end": "seconds, when it ends, likewise",
    "box": "display pixels, where it is, likewise; null if nobody marked it",
    "width": "pixels, of the released file as it is shown",
    "height": "pixels, of the released file as it is shown",
    "fps": "frames per second",
    "num_frames": "number of frames, by the packets of the video",
    "duration_s": "seconds",
    "media": "what was done to the file: original, remuxed, encoded, uniform or variant; none if there is no file",
    "profile": "the profile that made the scores",
    "fingerprint": "hash of everything that decides the automatic label",
    "fingerprint_spatial": "hash of everything that decides the spatial score",
    "fingerprint_appearance": "hash of everything that decides the appearance score",
    "fingerprint_motion": "hash of everything that decides the motion score",
}
"""What each column means, for people and for croissant.json."""
HUGGING_FACE = {"string": "string", "int64": "int64", "int32": "int32", "double": "float64", "bool": "bool"}


def metadata_table(rows: pd.DataFrame) -> pa.Table:
    """Return the rows, sorted by file_name, in the columns of `SCHEMA`, with the features that `datasets` reads.

    Args:
        rows: the columns of `SCHEMA` and any others; `label` may be null nowhere.
    """
    rows = rows.sort_values("file_name", ignore_index=True)
    table = pa.Table.from_pandas(rows[SCHEMA.names], SCHEMA, preserve_index=False)
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features()}})})


def read_metadata(path: Path) -> pa.Table:
    """Read a metadata.parquet, also one of other columns.

    Raises:
        ValueError: it cannot be read, or a text in it is no UTF-8; the first line says why.
    """
    try:
        with path.open("rb") as source, pq.ParquetFile(source) as file:
            table = file.read()
        table.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(next(iter(str(error).splitlines()), type(error).__name__)) from None
    return table


def converted(table: pa.Table) -> pa.Table:
    """Return the columns of `SCHEMA` in its types, whatever types they were written in.

    Missing columns are null, and columns that the schema does not have are left out.

    Raises:
        ValueError: a column exists twice, or a value cannot be converted.
    """
    return pa.table([_converted(table, field) for field in SCHEMA], SCHEMA)


def _converted(table: pa.Table, field: pa.Field) -> pa.ChunkedArray:
    places = table.schema.get_all_field_indices(field.name)
    if not places:
        return pa.chunked_array([pa.nulls(len(table), field.type)])
    if len(places) > 1:
        raise ValueError(f"has {len(places)} columns {field.name}")
    column = table.column(places[0])
    try:
        if pa.types.is_boolean(column.type) and not pa.types.is_boolean(field.type):
            raise pa.ArrowTypeError  # Arrow would convert true to 1, which is the label appearance
        values = column.cast(field.type)
        return _named(values, _label_names(table)) if field.name == "label" else values
    except pa.ArrowException:
        why = f"has values in {field.name} ({column.type}) that cannot be converted to {field.type}"
        raise ValueError(NO_LABELS if field.name == "label" else why) from None


def _label_names(table: pa.Table) -> list[str]:
    """Return the names that the table gives its labels for `datasets`, by id; ours if it gives none."""
    try:
        stated = stored_features(table)["label"]["names"]
    except (KeyError, TypeError):
        return NAMES
    return [*map(str, stated)] if isinstance(stated, list) and stated else NAMES


def _named(labels: pa.ChunkedArray, names: list[str]) -> pa.ChunkedArray:
    """Return labels as our ids, by their names: `datasets` may have numbered them in another order.

    Raises:
        ValueError: a name is none of ours.
    """
    if unknown := sorted({*names} - {*NAMES}):
        raise ValueError(f"names a label {unknown[0]}: rename them to {', '.join(NAMES)}")
    return labels if names == NAMES else pc.take(pa.array(map(NAMES.index, names), labels.type), labels)


def stored_features(table: pa.Table) -> Any:
    """Return the columns as the table describes them to `datasets`; None if it does not."""
    try:
        return load_json((table.schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError):
        return None


def features() -> dict[str, object]:
    """Return the columns as features of `datasets`: `label` is a ClassLabel."""
    columns: dict[str, object] = {field.name: _feature(field.type) for field in SCHEMA}
    return columns | {"label": {"names": NAMES, "_type": "ClassLabel"}}


def _feature(kind: pa.DataType) -> dict[str, object]:
    if pa.types.is_struct(kind):
        return {field.name: _feature(field.type) for field in kind}
    return {"dtype": HUGGING_FACE[str(kind)], "_type": "Value"}


def parquet(table: pa.Table) -> bytes:
    """Return the bytes of the table's file; equal tables give equal bytes."""
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table.schema, compression="zstd") as writer:
        if len(table):  # `datasets` cannot read a row group without rows
            writer.write_table(table, row_group_size=10_000)
    return bytes(sink.getvalue())
