"""results.html: the tables and figures in one self-contained file."""

from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
import pandas as pd

from hfv_builder.evaluation import drawings, tables
from hfv_builder.evaluation.results import Results
from hfv_builder.release.figures import style

FILE = "results.html"
SET_FIGURES = ("binary_auc", "accuracy", "auc")
"""Figures that get a table by set."""
ENVIRONMENT = jinja2.Environment(
    loader=jinja2.ChoiceLoader(
        [jinja2.PackageLoader("hfv_builder.evaluation"), jinja2.PackageLoader("hfv_builder.release")]
    ),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
)


def page(
    results: Results, differences: pd.DataFrame, *, release: str, looks_at: Mapping[str, str], remarks: Sequence[str]
) -> str:
    """Return the page's text.

    Args:
        results: the figures.
        differences: the output of `differences_table`.
        release: the name of the release.
        looks_at: the input of each detector, by its name in the table.
        remarks: notes for readers, above the tables.
    """
    own = drawings.looks(results.contenders)
    with style():
        confusions = {
            one.name: drawings.confusions(results, one.name) for one in results.contenders if not one.is_floor
        }
        return ENVIRONMENT.get_template(FILE).render(
            release=release,
            contenders=[
                {
                    "name": one.name,
                    "colour": own[one.name][0],
                    "dashes": drawings.DASHES[own[one.name][1]],
                    "is_floor": one.is_floor,
                    "looks_at": looks_at[one.name],
                }
                for one in results.contenders
            ],
            clips=_clips(results),
            sets=results.sets,
            variants=[variant for variant in results.variants if variant],
            remarks=[*remarks, *tables.notes(results)],
            summary=tables.summary_rows(results),
            intervals=drawings.intervals(results),
            by_set={tables.NAMES[figure]: tables.set_rows(results, figure) for figure in SET_FIGURES},
            roc=drawings.roc_curves(results),
            confusions={name: drawing for name, drawing in confusions.items() if drawing},
            robustness=drawings.robustness(results),
            by_variant={
                tables.NAMES[figure]: tables.variant_rows(results, figure)
                for figure in ("binary_auc", "accuracy")
                if len(results.variants) > 1
            },
            matrix=tables.matrix_rows(results),
            calibration=drawings.calibration(results),
            ece=_ece(results),
            differences=[_difference(row) for row in differences.to_dict("records")],
        )


def _clips(results: Results) -> int:
    """Return how many clips the sets have; real clips that sets share count once."""
    own = results.contenders[0].predictions
    return int(own.loc[own["variant"].eq(""), "clip_id"].nunique())


def _ece(results: Results) -> list[dict[str, str]]:
    rows = []
    for contender in results.contenders:
        own = {one: results.scores.get((contender.name, one, "")) for one in results.sets}
        cells = {
            one: tables.NONE if scores is None else tables.percent(scores.reliability.ece)
            for one, scores in own.items()
        }
        rows.append({"run": contender.name} | cells)
    return rows


def _difference(row: Mapping[Any, Any]) -> dict[str, str]:
    signed = (
        tables.NONE
        if pd.isna(row["low"])
        else f"{100 * row['value']:+.1f} ({100 * row['low']:+.1f} to {100 * row['high']:+.1f})"
    )
    return {
        "first": str(row["first"]),
        "second": str(row["second"]),
        "difference": signed,
        "p": _p(row["p"]),
        "McNemar": _p(row["mcnemar_p"]),
    }


def _p(value: float) -> str:
    return tables.NONE if pd.isna(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"
