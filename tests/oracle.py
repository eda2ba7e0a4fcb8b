"""Ranks, labels and splits once more, the slow and obvious way: plain loops, straight from the definitions."""

import hashlib
import math
import statistics
from typing import Any

METRICS = ("spatial", "appearance", "motion")
Row = dict[str, Any]


def label_rows(rows: list[Row]) -> list[Row]:
    """Rows of clip_id, generator and three scores (None = none), with ranks, label, margin and tie."""
    found = []
    for row in rows:
        group = [r for r in rows if r["generator"] == row["generator"] and all(r[m] is not None for m in METRICS)]
        result = dict(row, group_size=len(group), auto_label=None, margin=None, tied=None)
        if row not in group:
            found.append(result | {f"rank_{m}": None for m in METRICS})
            continue
        ranks = [1 + sum(other[m] > row[m] for other in group) for m in METRICS]
        result |= {f"rank_{m}": rank for m, rank in zip(METRICS, ranks, strict=True)}
        best = min(ranks)
        competing = [i for i in range(3) if ranks[i] == best]
        z = {i: _robust_z(row[METRICS[i]], [other[METRICS[i]] for other in group]) for i in competing}
        result["auto_label"] = max(competing, key=lambda i: (z[i], -i))
        result["tied"] = len(competing) > 1
        result["margin"] = sorted(ranks)[1] - best
        found.append(result)
    return found


def _robust_z(score: float, group: list[float]) -> float:
    median = statistics.median(group)
    mad = statistics.median(abs(other - median) for other in group)
    if score == median:
        return 0.0
    return (score - median) / mad if mad else math.copysign(math.inf, score - median)


def split_rows(rows: list[Row]) -> list[Row]:
    """Rows of clip_id, generator, label and three scores (None = none), with class rank, size, r̂, weight and split."""
    found = []
    for row in rows:
        result = dict(row, class_rank=None, class_size=None, r_hat=None, confidence_weight=None, split=None)
        found.append(result)
        if row["label"] is None:
            continue
        members = [r for r in rows if r["generator"] == row["generator"] and r["label"] == row["label"]]
        if row["label"] != 3:
            members = [r for r in members if r[METRICS[r["label"]]] is not None]
        if row not in members:
            continue  # without the score of its label it has no place in the class
        if row["label"] == 3:
            members.sort(key=lambda r: (_hash(r["clip_id"]), r["clip_id"]))
        else:
            members.sort(key=lambda r: (-r[METRICS[r["label"]]], r["clip_id"]))
        place = 1 + members.index(row)
        n = len(members)
        result["class_size"] = n
        result["class_rank"] = None if row["label"] == 3 else place
        result["r_hat"] = 0.0 if row["label"] == 3 else place / n
        result["confidence_weight"] = math.log(math.e + result["r_hat"])
        result["split"] = "val" if place <= (2 * n + 5) // 10 else "train"
    return found


def _hash(clip_id: str) -> int:
    return int(hashlib.sha256(b"0:" + clip_id.encode()).hexdigest()[:16], 16) >> 11


def final_row(decisions: list[Any], clip: str, kind: int, auto: int | None, overlap: int) -> Row:
    """The final label of one clip, its decisions read one after another; kinds are 0 generated, 1 real, 2 failed."""
    gone = [undone for decision in decisions for undone in decision.undoes]
    said: dict[tuple[str, str], Any] = {}
    for each in sorted(decisions, key=lambda each: (each.created_at, each.decision_id)):
        if each.clip_id == clip and each.decision and each.final and each.decision_id not in gone:
            said.pop((each.role, each.reviewer), None)
            said[each.role, each.reviewer] = each
    given = []
    for (role, _), each in said.items():
        answer = each.decision if each.decision in ("reject", "unsure") else each.label
        if answer == 3 and kind == 0:
            answer = "reject"
        fits = answer in ("reject", "unsure") or answer in {0: [0, 1, 2], 1: [3], 2: []}[kind]
        given.append((role, answer if fits else "invalid"))
    votes = [answer for role, answer in given if role == "reviewer" and answer != "invalid"]
    judged = [answer for role, answer in given if role == "adjudicator" and answer not in ("invalid", "unsure")]
    final: Any = None
    if judged:
        final = judged[-1]
    elif len(votes) >= overlap:
        final = next((each for each in votes if votes.count(each) * 2 > len(votes) and each != "unsure"), None)
    automatic = None if kind == 2 else auto
    return {
        "label": automatic if final is None else None if final == "reject" else final,
        "label_source": "auto" if final is None else "review",
        "votes": len(votes),
        "disputed": not judged and (len(set(votes)) > 1 or "unsure" in votes),
        "adjudicated": bool(judged),
        "rejected": final == "reject",
        "invalid": sum(answer == "invalid" for _, answer in given),
    }
