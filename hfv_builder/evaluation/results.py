"""The figures of several detectors on all evaluation sets of a release."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from hfv_builder.evaluation.bootstrap import DRAWS, Bootstrap, interval
from hfv_builder.evaluation.comparison import Difference, mcnemar, paired_difference
from hfv_builder.evaluation.metrics import Floats
from hfv_builder.evaluation.scores import FIGURES, PROBABILITIES, REAL_ABOVE, SetScores, score_set
from hfv_builder.records import Label

KEYS = ["clip_id", "set", "variant"]
CONTROL = "control"
MEAN = "mean"
"""The set that stands for the mean over all sets."""
COMPARED = "binary_auc"
"""The figure whose differences between detectors are reported."""


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A detector in the table."""

    name: str
    """Unique in the table."""
    detector: str
    target: str
    trained_on: str
    """The generators that it was trained on, for people; empty if unknown."""
    is_floor: bool
    predictions: pd.DataFrame
    """Columns `KEYS` and `PROBABILITIES`."""


@dataclass(frozen=True, kw_only=True)
class Results:
    """The data of tables and pages."""

    contenders: tuple[Contender, ...]
    sets: tuple[str, ...]
    variants: tuple[str, ...]
    """The original clips, "", come first, then those that are only encoded."""
    scores: Mapping[tuple[str, str, str], SetScores]
    """By contender, set and variant."""
    bootstrap: Bootstrap
    """The source of the draws."""

    def mean(self, name: str, variant: str, figure: str) -> tuple[float, float, float]:
        """Return the mean of a figure over the sets that define it, and its interval; NaN if none does."""
        value, draws = self._mean(name, variant, figure)
        return value, *interval(draws)

    def undefined(self, figure: str, name: str, variant: str = "") -> list[str]:
        """Return the sets in which the figure is not defined for this contender."""
        there = [one for one in self.sets if (name, one, variant) in self.scores]
        return [one for one in there if np.isnan(self.scores[name, one, variant].values[figure])]

    def difference(self, first: str, second: str, figure: str) -> Difference:
        """Return the difference of two contenders in the mean of a figure over all sets, on the original clips."""
        (one, one_draws), (other, other_draws) = (self._mean(name, "", figure) for name in (first, second))
        return paired_difference(one, other, one_draws, other_draws)

    def _mean(self, name: str, variant: str, figure: str) -> tuple[float, Floats]:
        undefined = self.undefined(figure, name, variant)
        own = [
            self.scores[name, one, variant]
            for one in self.sets
            if (name, one, variant) in self.scores and one not in undefined
        ]
        if not own:
            return np.nan, np.array([np.nan])
        draws = np.mean([scores.draws[figure] for scores in own], axis=0)
        return float(np.mean([scores.values[figure] for scores in own])), draws


def evaluate(contenders: Sequence[Contender], truth: pd.DataFrame, *, draws: int = DRAWS, seed: int = 0) -> Results:
    """Return all figures.

    Args:
        contenders: with distinct names.
        truth: a row per clip, set and variant: `KEYS` and label.
        draws: of the bootstrap.
        seed: of the draws.
    """
    return _evaluated(contenders, truth, Bootstrap(draws=draws, seed=seed))


def _evaluated(contenders: Sequence[Contender], truth: pd.DataFrame, bootstrap: Bootstrap) -> Results:
    scores: dict[tuple[str, str, str], SetScores] = {}
    groups = {(str(one), str(variant)): rows for (one, variant), rows in truth.groupby(["set", "variant"], sort=True)}
    for contender in contenders:
        joined = truth[[*KEYS, "label"]].merge(contender.predictions[[*KEYS, *PROBABILITIES]], how="left", on=KEYS)
        for (one, variant), rows in joined.groupby(["set", "variant"], sort=True):
            scores[contender.name, str(one), str(variant)] = score_set(rows, bootstrap)
    return Results(
        contenders=tuple(contenders),
        sets=tuple(sorted({one for one, _ in groups})),
        variants=tuple(
            sorted({variant for _, variant in groups}, key=lambda name: (name != "", name != CONTROL, name))
        ),
        scores=scores,
        bootstrap=bootstrap,
    )


def figures_table(results: Results) -> pd.DataFrame:
    """Return a row per detector, set, variant and figure: value, low, high, clips, missing; null where not defined.

    Rows of the set `mean` are means over the sets. `ece` is the expected calibration error of p_real, without interval.
    """
    rows = []
    for contender in results.contenders:
        about: dict[str, Any] = {"run": contender.name, "detector": contender.detector, "target": contender.target}
        about |= {"trained_on": contender.trained_on, "floor": contender.is_floor}
        for variant in results.variants:
            clips = missing = 0
            for one in results.sets:
                if (scores := results.scores.get((contender.name, one, variant))) is None:
                    continue
                clips, missing = clips + scores.clips, missing + len(scores.missing)
                size = {"clips": scores.clips, "missing": len(scores.missing)}
                place = about | {"set": one, "variant": variant} | size
                for figure in FIGURES:
                    low, high = scores.interval(figure)
                    rows.append(place | {"figure": figure, "value": scores.values[figure], "low": low, "high": high})
                rows.append(place | {"figure": "ece", "value": scores.reliability.ece, "low": np.nan, "high": np.nan})
            place = about | {"set": MEAN, "variant": variant, "clips": clips, "missing": missing}
            for figure in FIGURES:
                value, low, high = results.mean(contender.name, variant, figure)
                rows.append(place | {"figure": figure, "value": value, "low": low, "high": high})
    columns = [*about, "set", "variant", "figure", "value", "low", "high", "clips", "missing"] if rows else []
    return pd.DataFrame(rows, columns=columns)


def differences_table(results: Results, truth: pd.DataFrame) -> pd.DataFrame:
    """Return a row per pair of detectors: how `COMPARED` differs in the mean, its interval and p, and McNemar's p.

    Both compare two detectors on the original clips that both have predicted. McNemar's test compares the decisions
    real or fake, once for every clip.

    Args:
        results: the output of `evaluate`.
        truth: as given to it.
    """
    clips = truth[truth["variant"].eq("")].drop_duplicates("clip_id").set_index("clip_id")["label"].eq(Label.REAL)
    right = {}
    for contender in results.contenders:
        own = contender.predictions[contender.predictions["variant"].eq("")].drop_duplicates("clip_id")
        p_real = own.set_index("clip_id")["p_real"].dropna()
        p_real = p_real[p_real.index.isin(clips.index)].astype(np.float64)
        right[contender.name] = p_real.gt(REAL_ABOVE).eq(clips.reindex(p_real.index))
    rows = []
    for one, other in combinations(results.contenders, 2):
        first, second = one.name, other.name
        both = right[first].index.intersection(right[second].index)
        differ = len(both) < max(len(right[first]), len(right[second]))
        common = _on_clips(results, truth, one, other, both) if differ else results
        difference = common.difference(first, second, COMPARED)
        p = mcnemar(right[first].loc[both].to_numpy(bool), right[second].loc[both].to_numpy(bool))
        rows.append({"first": first, "second": second, "figure": COMPARED, **vars(difference), "mcnemar_p": p})
    return pd.DataFrame(rows, columns=["first", "second", "figure", "value", "low", "high", "p", "mcnemar_p"])


def _on_clips(results: Results, truth: pd.DataFrame, one: Contender, other: Contender, clips: pd.Index) -> Results:
    """Return the results of two contenders as if both had predicted these original clips alone."""
    own = [
        replace(contender, predictions=contender.predictions[contender.predictions["clip_id"].isin(clips)])
        for contender in (one, other)
    ]
    return _evaluated(own, truth[truth["variant"].eq("")], results.bootstrap)
