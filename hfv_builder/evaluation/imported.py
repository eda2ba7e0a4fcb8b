"""Predictions of any program as those of a detector, matched with the clips of a release; mismatches are listed."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from hfv_builder.evaluation.results import KEYS
from hfv_builder.evaluation.scores import PROBABILITIES
from hfv_builder.records import Label, UsageError

REAL, FAKE = f"p_{Label.REAL}", "p_fake"
NONE = "no prediction"
SEVERAL = -1
"""Stands for a name that several clips have."""
SLACK = 1e-3
"""Largest difference of the sum of a clip's probabilities to 1."""


@dataclass(frozen=True, kw_only=True)
class Matched:
    """Predictions by clip, and the rows and clips that do not match."""

    predictions: pd.DataFrame
    """A row per clip, set and variant of the release: `KEYS` and `PROBABILITIES`, null where there is no prediction."""
    problems: tuple[tuple[str, str], ...]
    """The name of a row or clip, and its problem."""
    has_four: bool
    """Whether the four classes are distinguished."""


def match(table: pd.DataFrame, sets: pd.DataFrame) -> Matched:
    """Return the predictions for the clips of a release.

    A clip with two rows that differ has no prediction, since neither row can be preferred; two equal rows count once. A
    file name that several clips have stands for none of them.

    Args:
        table: `file` (a path in the release, or a file's name) or `clip_id`, perhaps `variant`, and the columns
            `PROBABILITIES`, or p_real, or p_fake and p_real.
        sets: the clips of the release: `KEYS` and path.

    Raises:
        UsageError: columns are missing.
    """
    table = table.reset_index(drop=True)
    probabilities, has_four = _probabilities(table)
    clips = sets.drop_duplicates(["clip_id", "variant"])
    known = _known(table, sets, clips)
    names = table["file" if "file" in table else "clip_id"].astype(str)
    wrong = _wrong(probabilities, has_four=has_four)
    problems = [(name, "not in the evaluation sets") for name in names[known.isna()]]
    problems += [(name, "the name of several clips: give the path") for name in names[known.eq(SEVERAL)]]
    problems += [(name, reason) for name, reason in zip(names, wrong, strict=True) if reason]
    rows = probabilities.assign(place=known)[known.ge(0)]
    twice = {*rows.loc[rows["place"].duplicated(), "place"]}
    rows = rows.drop_duplicates()
    differing = {*rows.loc[rows["place"].duplicated(), "place"]}
    paths = clips["path"].to_dict()
    problems += [(paths[place], "two rows that differ") for place in differing]
    problems += [(paths[place], "more than one row, all equal") for place in twice - differing]
    rows = rows[~rows["place"].isin(differing) & ~wrong[rows.index].astype(bool)].set_index("place")
    problems += [(path, NONE) for place, path in paths.items() if place not in rows.index]
    placed = clips[["clip_id", "variant"]].join(rows)
    joined = sets[KEYS].merge(placed, how="left", on=["clip_id", "variant"])
    return Matched(
        predictions=joined[[*KEYS, *PROBABILITIES]], problems=tuple(sorted(set(problems))), has_four=has_four
    )


def _probabilities(table: pd.DataFrame) -> tuple[pd.DataFrame, bool]:
    """Return the columns `PROBABILITIES`, and whether all four are given; p_fake is checked against p_real."""
    has_four = set(PROBABILITIES) <= {*table.columns}
    if not has_four and (REAL not in table or any(name in table for name in PROBABILITIES if name != REAL)):
        raise UsageError(
            f"the predictions have the columns {', '.join(map(str, table.columns))}: give {', '.join(PROBABILITIES)}, "
            f"or {FAKE} and {REAL}"
        )
    numbers = table.reindex(columns=[*PROBABILITIES, FAKE]).apply(pd.to_numeric, errors="coerce").astype(np.float64)
    if not has_four and FAKE in table:
        numbers.loc[(numbers[FAKE] + numbers[REAL] - 1).abs() > SLACK, REAL] = np.inf
    return numbers[list(PROBABILITIES)], has_four


def _wrong(probabilities: pd.DataFrame, *, has_four: bool) -> pd.Series:
    """Return the problem of each row; empty for a valid row."""
    own = probabilities if has_four else probabilities[[REAL]]
    reasons = pd.Series("", index=own.index)
    if has_four:
        reasons[(own.sum(axis=1, skipna=False) - 1).abs() > SLACK] = "its probabilities do not sum to 1"
    outside = ((own < 0) | (own > 1)).any(axis=1)
    reasons[outside] = (
        "a probability is outside of 0 to 1" if has_four else "p_real is no probability, or not 1 − p_fake"
    )
    reasons[own.isna().any(axis=1)] = "a probability is missing or not a number"
    return reasons


def _known(table: pd.DataFrame, sets: pd.DataFrame, clips: pd.DataFrame) -> pd.Series:
    """Return the index in `clips` of each row; NaN for a row that matches no clip, and `SEVERAL`."""
    variants = table["variant"].fillna("").astype(str) if "variant" in table else pd.Series("", index=table.index)
    places = {(clip, variant): place for place, clip, variant in clips[["clip_id", "variant"]].itertuples()}
    if "clip_id" in table:
        own = zip(table["clip_id"].astype(str), variants, strict=True)
        return pd.Series([places.get(key) for key in own], index=table.index, dtype="float64")
    if "file" not in table:
        raise UsageError("the predictions have neither a column file nor clip_id: add one, with a row per clip")
    paths: dict[str, tuple[str, str]] = {}
    names: dict[tuple[str, str], int] = {}
    for clip, path, variant in sets[["clip_id", "path", "variant"]].drop_duplicates().itertuples(index=False):
        place, paths[path] = places[clip, variant], (clip, variant)
        name = path.rpartition("/")[2]
        for key in {(name, variant), (name.rpartition(".")[0], variant)}:
            names[key] = place if names.get(key, place) == place else SEVERAL
    known = {*sets["variant"]}
    found: list[int | None] = []
    for file, variant in zip(table["file"].astype(str), variants, strict=True):
        *folders, name = file.replace("\\", "/").split("/")
        tails = ("/".join([*folders[start:], name]) for start in range(len(folders)))  # it may be an absolute path
        in_folders = (folder.rpartition("@")[2] for folder in folders if "@" in folder)
        clip, stated = next(
            (paths[tail] for tail in tails if tail in paths),
            ("", next((one for one in in_folders if one in known), "")),
        )
        if stated and variant not in ("", stated):
            found.append(None)  # the path and the column contradict each other
        elif clip:
            found.append(places.get((clip, variant or stated)))
        else:
            found.append(names.get((name, variant or stated)))
    return pd.Series(found, index=table.index, dtype="float64")
