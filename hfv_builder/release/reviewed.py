"""The reviews of the released clips: number and agreement of reviewers, and time and place of the anomalies."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas as pd

from hfv_builder.labelling.decisions import ADJUDICATOR, LEFT_OUT, Decision, Kind, answer_code
from hfv_builder.labelling.final_labels import settle, standing, undone
from hfv_builder.labelling.marks import agreed
from hfv_builder.records import Label

COLUMNS = ("clip_id", "supported", "reviewers", "agreement", "t_start", "t_end", "box")


def votes(
    decisions: Iterable[Decision], labels: Mapping[str, int]
) -> Iterator[tuple[str, list[int], list[Decision], int | None]]:
    """Read the decisions on each clip that has a label.

    Args:
        decisions: in any order; those on other clips do not matter.
        labels: the released label of each clip, by clip id.

    Yields:
        The clip id, the codes of the votes that count (label ids, `LEFT_OUT` or `NOT_SURE`) in their order, the
        decisions for the released label, adjudicators' among them, in their order, and the code of the verdict, None
        without one; sorted by clip id.
    """
    rows = list(decisions)
    taken_back = undone(rows)
    by_clip: dict[str, list[Decision]] = {}
    for decision in rows:
        if decision.clip_id in labels:
            by_clip.setdefault(decision.clip_id, []).append(decision)
    for clip_id, own in sorted(by_clip.items()):
        kind = Kind.REAL if labels[clip_id] == Label.REAL else Kind.GENERATED
        given = standing(own, taken_back)
        coded = [(answer_code(decision, kind), decision) for decision in given]
        cast = [code for code, decision in coded if code is not None and decision.role != ADJUDICATOR]
        agreeing = [decision for code, decision in coded if code == labels[clip_id]]
        yield clip_id, cast, agreeing, settle(given, kind).code


def vote_counts(decisions: Iterable[Decision], labels: Mapping[str, int]) -> pd.DataFrame:
    """Count the answers on each clip: a row per clip id and an int64 column per answer, unsure ones left out."""
    rows = {
        clip_id: np.bincount([code for code in cast if code >= 0], minlength=LEFT_OUT + 1)
        for clip_id, cast, *_ in votes(decisions, labels)
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=range(LEFT_OUT + 1), dtype=np.int64)


def review_columns(decisions: Iterable[Decision], labels: Mapping[str, int]) -> pd.DataFrame:
    """Summarise the decisions on each clip.

    Args:
        decisions: in any order.
        labels: the released label of each clip, by clip id.

    Returns:
        A row per clip with a decision that counts: clip_id, supported (whether their verdict is the label),
        reviewers (how many votes count), agreement (share of them in [0, 1] that is the released label, null without
        votes), and as those who gave this label marked them (`marks.agreed`) t_start and t_end (seconds) and box (a
        dict of x, y, w, h in display pixels); null if nobody did.
    """
    rows = []
    for clip_id, cast, agreeing, verdict in votes(decisions, labels):
        if not cast and not agreeing:
            continue
        span, box = agreed(agreeing)
        rows.append(
            {
                "clip_id": clip_id,
                "supported": verdict == labels[clip_id],
                "reviewers": len(cast),
                "agreement": cast.count(labels[clip_id]) / len(cast) if cast else None,
                "t_start": span and span[0],
                "t_end": span and span[1],
                "box": box and dict(zip("xywh", box, strict=True)),
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(
        dict.fromkeys(("agreement", "t_start", "t_end"), np.float64)
    )
