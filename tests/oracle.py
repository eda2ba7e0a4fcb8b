"""Ranks, labels, splits and final labels by plain loops that follow the definitions: the oracle of faster code."""

import hashlib
import math
import statistics
from typing import Any

METRICS = ("spatial", "appearance", "motion")
Row = dict[str, Any]


def label_rows(rows: list[Row]) -> list[Row]:
    """Return the rows (clip_id, generator and three scores, None if missing) with ranks, label, margin and tie."""
    results = []
    for row in rows:
        group = [r for r in rows if r["generator"] == row["generator"] and all(r[m] is not None for m in METRICS)]
        result = dict(row, group_size=len(group), auto_label=None, margin=None, tied=None)
        if row not in group:
            results.append(result | {f"rank_{m}": None for m in METRICS})
            continue
        ranks = [1 + sum(other[m] > row[m] for other in group) for m in METRICS]
        result |= {f"rank_{m}": rank for m, rank in zip(METRICS, ranks, strict=True)}
        best = min(ranks)
        competing = [i for i in range(3) if ranks[i] == best]
        z = {i: _robust_z(row[METRICS[i]], [other[METRICS[i]] for other in group]) for i in competing}
        result["auto_label"] = max(competing, key=lambda i: (z[i], -i))
        result["tied"] = len(competing) > 1
        result["margin"] = sorted(ranks)[1] - best
        results.append(result)
    return results


def _robust_z(score: float, group: list[float]) -> float:
    median = statistics.median(group)
    mad = statistics.median(abs(other - median) for other in group)
    if score == median:
        return 0.0
    return (score - median) / mad if mad else math.copysign(math.inf, score - median)


def split_rows(rows: list[Row]) -> list[Row]:
    """Return the rows (clip_id, generator, label, three scores) with class rank and size, r̂, weight and split."""
    results = []
    for row in rows:
        result = dict(row, class_rank=None, class_size=None, r_hat=None, confidence_weight=None, split=None)
        results.append(result)
        if row["label"] is None:
            continue
        members = [r for r in rows if r["generator"] == row["generator"] and r["label"] == row["label"]]
        if row["label"] != 3:
            members = [r for r in members if r[METRICS[r["label"]]] is not None]
        if row not in members:
            continue  # a clip without the score of its label has no rank in the class
        if row["label"] == 3:
            members.sort(key=lambda r: (_hash(r["clip_id"]), r["clip_id"]))
        else:
            members.sort(key=lambda r: (-r[METRICS[r["label"]]], r["clip_id"]))
        rank = 1 + members.index(row)
        size = len(members)
        result["class_size"] = size
        result["class_rank"] = None if row["label"] == 3 else rank
        result["r_hat"] = 0.0 if row["label"] == 3 else rank / size
        result["confidence_weight"] = math.log(math.e + result["r_hat"])
        result["split"] = "val" if rank <= (2 * size + 5) // 10 else "train"
    return results


def _hash(clip_id: str) -> int:
    return int(hashlib.sha256(b"0:" + clip_id.encode()).hexdigest()[:16], 16) >> 11


def final_row(decisions: list[Any], clip: str, kind: int, auto: int | None, overlap: int) -> Row:
    """Return the final label of a clip from its decisions in order of time; kind is 0 generated, 1 real or 2 failed."""
    undone = [decision_id for decision in decisions for decision_id in decision.undoes]
    latest: dict[tuple[str, str], Any] = {}
    for entry in sorted(decisions, key=lambda entry: (entry.created_at, entry.decision_id)):
        if entry.clip_id == clip and entry.decision and entry.final and entry.decision_id not in undone:
            latest.pop((entry.role, entry.reviewer), None)
            latest[entry.role, entry.reviewer] = entry
    answers = []
    for (role, _), entry in latest.items():
        answer = entry.decision if entry.decision in ("reject", "unsure") else entry.label
        if answer == 3 and kind == 0:
            answer = "reject"
        fits = answer in ("reject", "unsure") or answer in {0: [0, 1, 2], 1: [3], 2: []}[kind]
        answers.append((role, answer if fits else "invalid"))
    votes = [answer for role, answer in answers if role == "reviewer" and answer != "invalid"]
    rulings = [answer for role, answer in answers if role == "adjudicator" and answer not in ("invalid", "unsure")]
    final: Any = None
    if rulings:
        final = rulings[-1]
    elif len(votes) >= overlap:
        final = next((vote for vote in votes if votes.count(vote) * 2 > len(votes) and vote != "unsure"), None)
    automatic = None if kind == 2 else auto
    return {
        "label": automatic if final is None else None if final == "reject" else final,
        "label_source": "auto" if final is None else "review",
        "votes": len(votes),
        "disputed": not rulings and (len(set(votes)) > 1 or "unsure" in votes),
        "adjudicated": bool(rulings),
        "rejected": final == "reject",
        "invalid": sum(answer == "invalid" for _, answer in answers),
    }
