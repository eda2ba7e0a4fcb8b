"""The columns of every manifest: one explicit Arrow schema per table, never inferred from data."""

from dataclasses import dataclass

import pyarrow as pa

STRING, INT32, INT64, FLOAT64, BOOL = pa.string(), pa.int32(), pa.int64(), pa.float64(), pa.bool_()


@dataclass(frozen=True, kw_only=True)
class Table:
    """A manifest."""

    name: str
    partition: tuple[str, ...]
    """The partition columns, outermost first."""
    schema: pa.Schema
    later: tuple[str, ...] = ()
    """Columns that parts of earlier versions lack; they are read as null."""
    renamed: tuple[tuple[str, str, str], ...] = ()
    """Values of earlier versions: the column, the value in the files, and the value that readers get instead."""
    cure: str = "delete it and run its stage again"
    """The remedy for a damaged part, as it ends the error message."""


CLIPS = Table(
    name="clips",
    partition=("generator",),
    schema=pa.schema(
        {
            "clip_id": STRING,
            "generator": STRING,
            "is_real": BOOL,
            "path": STRING,
            "sha256": STRING,
            "bytes": INT64,
            "width": INT32,
            "height": INT32,
            "fps": FLOAT64,
            "num_frames": INT32,
            "duration_s": FLOAT64,
            "codec": STRING,
            "pix_fmt": STRING,
            "rotation": INT32,
            "bit_rate": INT64,
            "prompt": STRING,
            "prompt_group": STRING,
            "decoder": STRING,
            "decoder_version": STRING,
            "status": STRING,
            "error": STRING,
        }
    ),
    renamed=(("status", "rejected", "duplicate"),),
)

SCORES = Table(
    name="scores",
    partition=("profile", "metric", "generator"),
    later=("environment",),
    schema=pa.schema(
        {
            "clip_id": STRING,
            "generator": STRING,
            "metric": STRING,
            "score": FLOAT64,
            "components": pa.map_(STRING, FLOAT64),
            "frames": pa.list_(INT32),
            "trace": pa.list_(pa.float32()),
            "profile": STRING,
            "fingerprint": STRING,
            "environment": STRING,
            "status": STRING,
            "error": STRING,
        }
    ),
)

EMBEDDINGS = Table(
    name="embeddings",
    partition=("model", "generator"),
    schema=pa.schema(
        {
            "clip_id": STRING,
            "generator": STRING,
            "model": STRING,
            "frames": pa.list_(INT32),
            # In the files the inner lists have a fixed size, which depends on the model; this schema reads all models.
            "vectors": pa.list_(pa.list_(pa.float16())),
        }
    ),
)

LABELS = Table(
    name="labels",
    partition=("generator",),
    schema=pa.schema(
        {
            "clip_id": STRING,
            "generator": STRING,
            "spatial": FLOAT64,
            "appearance": FLOAT64,
            "motion": FLOAT64,
            "rank_spatial": INT32,
            "rank_appearance": INT32,
            "rank_motion": INT32,
            "auto_label": INT32,
            "margin": INT32,
            "tied": BOOL,
            "group_size": INT32,
            "fingerprint": STRING,
        }
    ),
)

REVIEWS = Table(
    name="reviews",
    partition=(),
    schema=pa.schema(
        {
            "decision_id": STRING,
            "clip_id": STRING,
            "generator": STRING,
            "reviewer": STRING,
            "role": STRING,
            "queue": STRING,
            "decision": STRING,
            "label": INT32,
            "strength": STRING,
            "reason": STRING,
            "note": STRING,
            "blind": BOOL,
            "final": BOOL,
            "t_start": FLOAT64,
            "t_end": FLOAT64,
            "box": pa.struct({"x": INT32, "y": INT32, "w": INT32, "h": INT32}),
            "seconds": FLOAT64,
            "created_at": pa.timestamp("us", tz="UTC"),
            "undoes": pa.list_(STRING),
        }
    ),
    later=("strength", "t_start", "t_end", "box"),
    # No stage can make decisions again.
    cure="restore it from a copy, or move it away and write the decisions of the database with `hfv reviews export`",
)

FINAL = Table(
    name="final",
    partition=(),
    schema=pa.schema(
        {
            "clip_id": STRING,
            "generator": STRING,
            "label": INT32,
            "label_name": STRING,
            "votes": INT32,
            "disputed": BOOL,
            "adjudicated": BOOL,
            "rejected": BOOL,
            "reason": STRING,
        }
    ),
)

SPLITS = Table(
    name="splits",
    partition=("generator",),
    later=("protocol", "fingerprint"),
    schema=pa.schema(
        {
            "clip_id": STRING,
            "generator": STRING,
            "label": INT32,
            "label_source": STRING,
            "class_rank": INT32,
            "class_size": INT32,
            "r_hat": FLOAT64,
            "confidence_weight": FLOAT64,
            "split": STRING,
            "protocol": STRING,
            "policy": STRING,
            "fingerprint": STRING,
        }
    ),
)

SIGNALS = Table(
    name="signals",
    partition=("generator",),
    schema=pa.schema(
        {
            "clip_id": STRING,
            "generator": STRING,
            "version": STRING,
            "frames": pa.list_(INT32),
            "hashes": pa.list_(pa.uint64()),
            "decoded": INT32,
            "missing": INT32,
            "brightness": FLOAT64,
            "change": FLOAT64,
            "frozen": FLOAT64,
            "black": FLOAT64,
            "cuts": INT32,
            "border": FLOAT64,
            "fixed": pa.binary(),
            "person": FLOAT64,
            "person_share": FLOAT64,
            "person_detector": STRING,
            "status": STRING,
            "error": STRING,
        }
    ),
    later=("fixed", "person", "person_share", "person_detector"),
    cure="delete it and run `hfv audit` again",
)

SELECTION = Table(
    name="selection",
    partition=("generator",),
    schema=pa.schema({"clip_id": STRING, "generator": STRING, "selected": BOOL, "reason": STRING}),
    cure="delete it and run `hfv select` again",
)

AUDIT = Table(
    name="audit",
    partition=(),
    schema=pa.schema(
        {
            "finding": STRING,
            "area": STRING,
            "subject": STRING,
            "value": FLOAT64,
            "low": FLOAT64,
            "high": FLOAT64,
            "severity": STRING,
            "advice": STRING,
        }
    ),
    cure="delete it and run `hfv audit` again",
)

TABLES = (CLIPS, SCORES, EMBEDDINGS, LABELS, REVIEWS, FINAL, SPLITS, SIGNALS, SELECTION, AUDIT)
