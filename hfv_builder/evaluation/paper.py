"""The tables of the paper, beside the figures of a reproduction."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

import numpy as np
import pandas as pd

from hfv_builder.evaluation.results import MEAN
from hfv_builder.evaluation.tables import NONE, Row

AVERAGE = "Avg."


@dataclass(frozen=True, kw_only=True)
class PaperRow:
    """A method in a table of the paper."""

    method: str
    run: str
    """The name of the run in a reproduction."""
    is_built: bool
    """Whether the method is implemented here; otherwise its predictions can be imported."""
    cells: tuple[str, ...]
    """As printed, by column."""


@dataclass(frozen=True, kw_only=True)
class PaperTable:
    """A table of the paper."""

    number: int
    title: str
    figures: tuple[str, ...]
    """The figures of a cell, which a slash separates."""
    columns: tuple[str, ...]
    places: tuple[tuple[str, str], ...]
    """Evaluation set and variant of each column, as named in a release of the paper's data."""
    rows: tuple[PaperRow, ...]


def paper_tables() -> tuple[PaperTable, ...]:
    """Return Tables 2 to 5."""
    content = tomllib.loads(resources.files("hfv_builder.evaluation").joinpath("paper.toml").read_text("utf-8"))
    tables = []
    for own in content["tables"]:
        columns = own.get("columns") or [*content["columns"], AVERAGE]
        places = [(own["set"], variant) for variant in own.get("variants", ())]
        tables.append(
            PaperTable(
                number=own["number"],
                title=own["title"],
                figures=tuple(own["figures"]),
                columns=tuple(columns),
                places=tuple(places or [(name, "") for name in (*content["sets"], MEAN)]),
                rows=tuple(
                    PaperRow(
                        method=row["method"],
                        run=row["run"],
                        is_built=row.get("built", True),
                        cells=tuple(row["cells"]),
                    )
                    for row in own["rows"]
                ),
            )
        )
    return tuple(tables)


def beside(table: PaperTable, figures: pd.DataFrame | None = None) -> list[Row]:
    """Return two rows per method, as printed and ours; only the first if it is neither implemented here nor imported.

    Args:
        table: of the paper.
        figures: the output of `results.figures_table`; None before a reproduction, then ours are dashes. Sets of the
            release that the paper does not have are columns of their own, which no average counts.
    """
    known: dict[tuple[str, ...], float] = {}
    more: list[str] = []
    if figures is not None:
        keys = zip(*(figures[name] for name in ("run", "set", "variant", "figure")), strict=True)
        known = dict(zip(keys, figures["value"].astype(np.float64), strict=True))
        if table.places[0][1] == table.places[-1][1]:  # columns are sets
            more = sorted({*figures["set"]} - {name for name, _ in table.places})
    rows = []
    for own in table.rows:
        printed: Row = {"method": own.method, "": "paper"} | dict(zip(table.columns, own.cells, strict=True))
        rows.append(printed | dict.fromkeys(more, NONE))
        places = [*zip(table.columns, table.places, strict=True), *((name, (name, "")) for name in more)]
        cells = {
            column: _cell([_value(known, own.run, table, place, figure) for figure in table.figures])
            for column, place in places
        }
        if own.is_built or {*cells.values()} != {NONE}:
            rows.append({"method": own.method, "": "ours"} | cells)
    return rows


def _value(
    known: Mapping[tuple[str, ...], float], run: str, table: PaperTable, place: tuple[str, str], figure: str
) -> float:
    """Return a figure; the mean is that over the table's own sets which have it, not over all sets of the release."""
    if place[0] != MEAN:
        return known.get((run, *place, figure), np.nan)
    values = [known.get((run, *own, figure), np.nan) for own in table.places if own[0] != MEAN]
    there = [value for value in values if not np.isnan(value)]
    return float(np.mean(there)) if there else np.nan


def _cell(values: list[float]) -> str:
    return NONE if np.isnan(values).any() else "/".join(f"{100 * value:.1f}" for value in values)
