"""Show everything that the manifests say about one clip: facts, scores, ranks, label, split, decisions and evidence."""

import os
import unicodedata
from typing import Any
from urllib.parse import quote_from_bytes

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hfv_builder.labelling.decisions import Kind, clip_kinds
from hfv_builder.labelling.final_labels import settle, standing, undone
from hfv_builder.labelling.reviews import read_reviews
from hfv_builder.labelling.scored import origin_of_labels
from hfv_builder.records import METRICS, Label, Status, UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.path_text import FILE, file_name, printable
from hfv_builder.storage.schema import CLIPS, FINAL, LABELS, REVIEWS, SCORES, SPLITS, Table
from hfv_builder.wording import counted, percent
from pipelines.generators import catalogued
from pipelines.outcome import SHOWN, Outcome, paragraphs, table
from pipelines.split.reviewed import DEFAULT_OVERLAP

BARS = "▁▂▃▄▅▆▇█"
WIDTH = 60
"""Largest number of characters of a drawn trace."""
FACTS = "width height fps num_frames duration_s codec pix_fmt rotation bit_rate bytes sha256 decoder decoder_version"


def show(manifests: Manifests, name: str) -> Outcome:
    """Return what the manifests say about a clip.

    Args:
        manifests: the manifests.
        name: its id, the beginning of its id, or the name or the whole path of its file.

    Raises:
        UsageError: no clip, or several clips, have this name; or a manifest cannot be read.
    """
    clip = _find(manifests, name)
    clip_id, generator = clip["clip_id"], clip["generator"]
    label = _row(manifests, LABELS, clip_id, generator)
    scores = _scores(manifests, clip_id, generator)
    split = _row(manifests, SPLITS, clip_id, generator)
    final = _row(manifests, FINAL, clip_id)
    decisions = _of(manifests.read(REVIEWS), clip_id).to_pylist() if clip_id else []
    summary = {"clip": clip, "label": label, "scores": scores, "split": split, "final": final, "decisions": decisions}
    text = paragraphs(
        _about(clip),
        table(_places(label, scores), _title(label)),
        _drawn(scores),
        _sides(split, final, is_settled=final is None or final["adjudicated"] or _is_settled(manifests, clip, label)),
        table([_said(row) for row in decisions], "decisions:"),
    )
    return Outcome(summary=summary, text=text)


def _find(manifests: Manifests, name: str) -> dict[str, Any]:
    """Return the catalogue row of the clip with this name."""
    found = []
    encoded = quote_from_bytes(os.fsencode(name))
    name = name.encode(errors="backslashreplace").decode()
    for generator in catalogued(manifests):
        rows = manifests.read(CLIPS, ["clip_id", "path"], generator=generator)
        begins = pc.starts_with(rows["clip_id"], name.lower())
        files = pc.replace_substring_regex(rows["path"], r"(?s).*[/\\]", "")
        # Names that are valid text are compared in one Unicode form: file systems store several of them.
        named = pc.equal(
            pc.utf8_normalize(files, form="NFC"),
            pc.if_else(pc.starts_with(rows["path"], FILE), encoded, unicodedata.normalize("NFC", name)),
        )
        chosen = pc.or_kleene(begins, pc.or_kleene(named, pc.equal(rows["path"], name)))
        found += [
            (generator, row["clip_id"], row["path"]) for row in rows.filter(pc.fill_null(chosen, False)).to_pylist()
        ]
    exact = [row for row in found if name in (row[1], row[2])]
    found = exact or found
    ids = {row[1] or row[2] for row in found}
    if not found:
        raise UsageError(
            f"no clip of {manifests.root} has the id or file name {name!r}; give an id, its beginning, or a file name"
        )
    if len(ids) > 1:
        some = ", ".join(f"{row[1] or 'no id'} ({row[0]}, {file_name(row[2])})" for row in found[:SHOWN])
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise UsageError(
            f"{len(found)} clips are called {name!r}: {some}{more}; give more of the id, or the whole path"
        )
    rows = [row for generator, _, path in found for row in _rows_at(manifests, generator, path)]
    if not rows:
        raise UsageError(f"{name} was moved or deleted while another hfv catalogued it: run the same command again")
    # Of several files with this content the one that counts comes first.
    first: dict[str, Any] = min(rows, key=lambda row: (row["status"] != Status.OK, row["generator"], row["path"]))
    return first | {"copies": [row["path"] for row in rows if row is not first]}


def _rows_at(manifests: Manifests, generator: str, path: str) -> list[dict[str, Any]]:
    """Return the row of this path; none if another command has just removed it."""
    rows = manifests.read(CLIPS, generator=generator)
    found: list[dict[str, Any]] = rows.filter(pc.equal(rows["path"], path)).to_pylist()
    return found[:1]


def _of(rows: pa.Table, clip_id: str) -> pa.Table:
    return rows.filter(pc.equal(rows["clip_id"], clip_id))


def _row(manifests: Manifests, of: Table, clip_id: str | None, generator: str | None = None) -> dict[str, Any] | None:
    """Return the row of the clip in a manifest; None if it has none."""
    keys = {} if generator is None else {"generator": generator}
    rows: list[dict[str, Any]] = _of(manifests.read(of, **keys), clip_id).to_pylist() if clip_id else []
    return rows[0] if rows else None


def _scores(manifests: Manifests, clip_id: str, generator: str) -> dict[str, Any]:
    """Return score, components, trace, error and evidence image by metric, of the label's profile."""
    origin = origin_of_labels(manifests, generator) if clip_id else None
    if origin is None:
        return {}
    scores = {}
    for metric in METRICS:
        keys = {"profile": origin.profile, "metric": metric.value, "generator": generator}
        columns = ["clip_id", "score", "components", "frames", "trace", "fingerprint", "status", "error"]
        rows = _of(manifests.read(SCORES, columns, **keys), clip_id).to_pylist()
        wanted = origin.fingerprints.get(metric)
        row = next((row for row in rows if row["fingerprint"] == wanted), rows[0] if rows else None)
        if row is not None:
            image = manifests.evidence(clip_id, metric, profile=origin.profile, generator=generator)
            has_image = image.exists()
            row |= {"profile": origin.profile, "evidence": str(image) if has_image else None}
            row["components"] = dict(row["components"] or ())
            scores[metric.value] = row
    return scores


def _about(clip: dict[str, Any]) -> str:
    """Return the facts of the clip as lines."""
    kind = "real" if clip["is_real"] else "fake"
    lines = [f"{clip['clip_id'] or 'no id'}  {clip['generator']} ({kind}), {clip['status']}", str(clip["path"])]
    lines += [f"prompt: {clip['prompt']}"] * bool(clip["prompt"])
    lines += [f"remark: {clip['error']}"] * bool(clip["error"])
    lines += [f"same content: {path}" for path in clip["copies"]]
    facts = ((name, clip[name]) for name in FACTS.split())
    texts = ((name, f"{value:g}" if isinstance(value, float) else value) for name, value in facts if value)
    known = ", ".join(f"{name} {text}" for name, text in texts)
    return "\n".join(printable(line) for line in [*lines, *[known] * bool(known)])


def _title(label: dict[str, Any] | None) -> str:
    if label is None or label["auto_label"] is None:
        return "not labelled:"
    tie = ", a tie" if label["tied"] else ""
    margin = "" if label["margin"] is None else f", margin {label['margin']}{tie}"
    return f"label {Label(label['auto_label'])}{margin}:"


def _places(label: dict[str, Any] | None, scores: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a row per metric: score, rank, and the place of the rank in percent."""
    rows = []
    for name, row in scores.items():
        rank, size = (label[f"rank_{name}"], label["group_size"]) if label else (None, None)
        top = f"top {percent(rank / size)}" if rank and size else None
        of = f"{rank} of {size}" if rank else None
        rows.append({"metric": name, "score": row["score"], "rank": of, "place": top, "profile": row["profile"]})
        rows[-1] |= {"remark": row["error"]} if any(other["error"] for other in scores.values()) else {}
    return rows


def _drawn(scores: dict[str, Any]) -> str:
    """Return the traces as bars, with the worst frame and the evidence image of each metric."""
    lines = []
    for name, row in scores.items():
        trace = np.array([np.nan if value is None else value for value in row["trace"] or ()], np.float64)
        if np.isfinite(trace).any():
            worst = int(np.nanargmax(trace))
            lines.append(f"{name:>10} {_bars(trace)} worst at frame {row['frames'][worst]} ({trace[worst]:.4g})")
        lines += [f"{'':>10} evidence: {row['evidence']}"] * bool(row["evidence"])
    return "\n".join(lines)


def _bars(trace: "np.ndarray[Any, np.dtype[np.float64]]") -> str:
    """Return a trace as at most `WIDTH` bars, each the largest of its values; a space where there is none."""
    parts = [part[np.isfinite(part)] for part in np.array_split(trace, min(WIDTH, len(trace)))]
    top = np.nanmax(trace) or 1.0
    return "".join(BARS[int(part.max() / top * (len(BARS) - 1))] if len(part) else " " for part in parts)


def _is_settled(manifests: Manifests, clip: dict[str, Any], label: dict[str, Any] | None) -> bool:
    """Return whether the decisions on a clip settle its final label; else this is the automatic one."""
    decisions, overlap = read_reviews(manifests)
    own = [decision for decision in decisions if decision.clip_id == clip["clip_id"]]
    is_labelled = label is None or label["auto_label"] is not None  # reviewers may come before `hfv label`
    facts = (clip["status"] != Status.FAILED, bool(clip["is_real"]), is_labelled)
    ok, real, labelled = (np.array([fact]) for fact in facts)
    (kind,) = clip_kinds(ok=ok, real=real, labelled=labelled)
    given = standing(own, undone(own))
    return settle(given, Kind(kind), overlap=DEFAULT_OVERLAP if overlap is None else overlap).code is not None


def _sides(split: dict[str, Any] | None, final: dict[str, Any] | None, *, is_settled: bool) -> str:
    lines = []
    if split is not None and split["split"] is not None:
        source = {"auto": "automatic", "review": "reviewed"}.get(split["label_source"], split["label_source"])
        lines.append(f"split: {split['split']} of protocol {split['protocol'] or 'pooled'}, by its {source} label")
    if final is not None:
        said = f"rejected ({final['reason']})" if final["rejected"] else final["label_name"] or "none"
        said += "" if is_settled else " (automatic: its votes settle nothing yet)"
        states = [word for word in ("disputed", "adjudicated") if final[word]]
        lines.append(
            f"final label: {said}, {counted(final['votes'], 'vote')}{''.join(f', {state}' for state in states)}"
        )
    return "\n".join(lines)


def _said(row: dict[str, Any]) -> dict[str, Any]:
    label = None if row["label"] is None else str(Label(row["label"]))
    time = row["created_at"].isoformat(" ", "seconds") if row["created_at"] else None
    names = {name: row[name] for name in ("reviewer", "role")}
    what = {"decision": row["decision"] or "undo", "label": label, "reason": row["reason"], "note": row["note"]}
    return names | what | {"blind": row["blind"], "final": row["final"], "time": time}
