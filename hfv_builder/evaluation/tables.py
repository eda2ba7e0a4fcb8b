"""Results as tables: rows for people, Markdown and LaTeX."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from tabulate import tabulate

from hfv_builder.evaluation.results import MEAN, Results
from hfv_builder.wording import counted

Row = dict[str, Any]
NONE = "–"
FEW = 20
"""Clips of a label below which bootstrap intervals are too narrow: of 95 % intervals of an accuracy or AUC of 0.8 to
0.9, 93 % contain it with 20 clips of each of two labels, 87 to 89 % with 10, and 74 to 84 % with 5."""
NAMES = {
    "accuracy": "ACC",
    "auc": "AUC",
    "macro_f1": "F1",
    "binary_accuracy": "ACC real/fake",
    "binary_auc": "AUC real/fake",
}
"""Names of the figures in tables."""
PLAIN = "as they are"
"""Name of the clips without a variant in tables."""


def percent(value: float, low: float = np.nan, high: float = np.nan) -> str:
    """Return a figure in percent with its interval: `91.2 (88.0–94.1)`; a dash if it is not defined."""
    if np.isnan(value):
        return NONE
    interval = "" if np.isnan(low) else f" ({100 * low:.1f}–{100 * high:.1f})"
    return f"{100 * value:.1f}{interval}"


def summary_rows(results: Results) -> list[Row]:
    """Return a row per detector: its figures as means over all sets, on the original clips."""
    rows = []
    for contender in results.contenders:
        row: Row = {"run": contender.name, "kind": "floor" if contender.is_floor else contender.detector}
        row |= {NAMES[figure]: percent(*results.mean(contender.name, "", figure)) for figure in NAMES}
        rows.append(row)
    return rows


def set_rows(results: Results, figure: str) -> list[Row]:
    """Return a row per detector: a figure in every set and its mean, on the original clips."""
    rows = []
    for contender in results.contenders:
        row: Row = {"run": contender.name}
        for one in results.sets:
            scores = results.scores.get((contender.name, one, ""))
            row[one] = NONE if scores is None else percent(scores.values[figure], *scores.interval(figure))
        if len(results.sets) > 1:
            row[MEAN] = percent(*results.mean(contender.name, "", figure))
        rows.append(row)
    return rows


def variant_rows(results: Results, figure: str) -> list[Row]:
    """Return a row per detector: the mean of a figure over all sets under every variant."""
    return [
        {"run": contender.name}
        | {variant or PLAIN: percent(*results.mean(contender.name, variant, figure)) for variant in results.variants}
        for contender in results.contenders
    ]


def matrix_rows(results: Results) -> list[Row]:
    """Return the cross-generator matrix, a row per trained detector: its generators, and its binary AUC in each set."""
    rows = []
    for contender in results.contenders:
        if contender.is_floor or not contender.trained_on:
            continue
        row: Row = {"trained on": contender.trained_on, "run": contender.name}
        for one in results.sets:
            scores = results.scores.get((contender.name, one, ""))
            row[one] = NONE if scores is None else percent(scores.values["binary_auc"])
        rows.append(row)
    return sorted(rows, key=lambda row: (row["trained on"], row["run"]))


def notes(results: Results) -> list[str]:
    """Return remarks on missing figures and narrow intervals: sets that do not define a figure, lack a variant or have
    few clips, and detectors that lack predictions.
    """
    lines = []
    for figure, name in NAMES.items():
        own = [one.name for one in results.contenders if not np.isnan(results.mean(one.name, "", figure)[0])]
        if undefined := sorted({one for contender in own for one in results.undefined(figure, contender)}):
            where = ", ".join(undefined)
            lines.append(
                f"{name} is not defined in {where}, where a class has no predicted clip; its mean leaves them out"
            )
    for variant in results.variants:
        there = {one for _, one, own in results.scores if own == variant}
        if absent := [one for one in results.sets if one not in there]:
            verb = "has" if len(absent) == 1 else "have"
            lines.append(f"{', '.join(absent)} {verb} no {variant or 'originals'}; compare means of variants with care")
    own_sets = {one for (_, one, variant), scores in results.scores.items() if not variant and 0 < scores.fewest < FEW}
    if own_sets:
        where = ", ".join(sorted(own_sets))
        lines.append(f"intervals in {where} are too narrow: a label has fewer than {FEW} clips there")
    two = [contender.name for contender in results.contenders if _tells_two(results, contender.name)]
    if two:
        lines.append(f"{', '.join(two)}: only p(real) is known, so the figures of four classes are not defined")
    for contender in results.contenders:
        for variant in results.variants:
            own_scores = [results.scores.get((contender.name, one, variant)) for one in results.sets]
            if missing := {clip for scores in own_scores if scores for clip in scores.missing}:
                clips = counted(len(missing), "clip") + f" of {variant}" * bool(variant)
                lines.append(f"{contender.name} has no prediction for {clips}, which its figures do not count")
    return lines


def markdown(rows: Sequence[Row]) -> str:
    """Return a Markdown table; empty without rows."""
    return tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True) if rows else ""


def latex(rows: Sequence[Row], caption: str) -> str:
    """Return a LaTeX table for the package booktabs; empty without rows. Special characters of cells are escaped."""
    if not rows:
        return ""
    body = tabulate(rows, headers="keys", tablefmt="latex_booktabs", disable_numparse=True).replace(NONE, "--")
    return f"\\begin{{table}}\n\\centering\n\\caption{{{caption}}}\n{body}\n\\end{{table}}\n"


def _tells_two(results: Results, name: str) -> bool:
    own = [scores for (contender, _, _), scores in results.scores.items() if contender == name and scores.clips]
    return bool(own) and all(scores.confusion is None for scores in own)
