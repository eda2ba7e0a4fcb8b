"""Figures of results, as SVG elements."""

from collections.abc import Callable, Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hfv_builder.evaluation.metrics import roc
from hfv_builder.evaluation.results import Contender, Results
from hfv_builder.evaluation.scores import SetScores
from hfv_builder.evaluation.tables import NAMES, PLAIN
from hfv_builder.records import Label
from hfv_builder.release.figures import svg

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#8250df", "#7a6a00")
"""Colours of trained detectors, suitable for colour-blind people (Okabe and Ito); they repeat with another line
style."""
FLOOR = "#8c959f"
Line = str | tuple[int, tuple[float, float]]
LINES: tuple[Line, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)))
"""Line styles of floors, and of detectors whose colour is already in use."""
DASHES = {LINES[0]: "none", LINES[1]: "7 3", LINES[2]: "2 2.5"}
"""The lines as `stroke-dasharray`, for keys."""
WIDTH = 9.6
GRID = "#e6e9ed"
SIDE_BY_SIDE = 4
"""Largest number of panels in a row."""


def looks(contenders: Iterable[Contender]) -> dict[str, tuple[str, Line]]:
    """Return the colour and the line of each detector; floors are grey and differ by their line."""
    own: dict[str, tuple[str, Line]] = {}
    trained = floors = 0
    for contender in contenders:
        if contender.is_floor:
            own[contender.name] = FLOOR, LINES[floors % len(LINES)]
            floors += 1
        else:
            own[contender.name] = COLOURS[trained % len(COLOURS)], LINES[trained // len(COLOURS) % len(LINES)]
            trained += 1
    return own


def intervals(results: Results) -> str:
    """Draw the mean of some figures over all sets: a dot with its 95 % interval per detector, a panel per figure."""
    figures = [
        figure
        for figure in ("binary_auc", "auc", "accuracy")
        if any(not np.isnan(results.mean(one.name, "", figure)[0]) for one in results.contenders)
    ]
    if not figures:
        return ""
    own = looks(results.contenders)
    drawing = Figure(figsize=(WIDTH, 0.8 + 0.3 * len(results.contenders)), layout="constrained")
    panels = drawing.subplots(1, len(figures), sharey=True, squeeze=False)[0]
    for axes, figure in zip(panels, figures, strict=True):
        for place, contender in enumerate(results.contenders):
            value, low, high = results.mean(contender.name, "", figure)
            colour, _ = own[contender.name]
            axes.plot([low, high], [place, place], color=colour, linewidth=2, alpha=0.5, solid_capstyle="butt")
            axes.plot([value], [place], "o", color=colour, markersize=6)
        chance = 0.5 if figure in ("binary_auc", "auc") else None
        if chance is not None:
            axes.axvline(chance, color=FLOOR, linewidth=0.8, linestyle=":")
        axes.set_title(NAMES[figure], fontsize=9, loc="left")
        axes.set_xlim(-0.02, 1.02)
        _grid(axes, "x")
    panels[0].set_yticks(range(len(results.contenders)), [contender.name for contender in results.contenders])
    panels[0].invert_yaxis()
    for axes in panels:
        axes.tick_params(axis="y", length=0)
    return svg(drawing)


def roc_curves(results: Results) -> str:
    """Draw the ROC curves of p(real), a panel per set with a line per detector; real is the positive class."""

    def draw(axes: Axes, one: str) -> None:
        axes.plot([0, 1], [0, 1], color=GRID, linewidth=1)
        for contender, scores in _of_set(results, one):
            if scores.is_real.any() and not scores.is_real.all():
                colour, line = own[contender.name]
                axes.plot(*roc(scores.is_real, scores.p_real), color=colour, linestyle=line, linewidth=1.5)

    own = looks(results.contenders)
    return _panels(results, draw, "fakes called real", "real clips called real")


def calibration(results: Results) -> str:
    """Draw the share of real clips against p(real), a panel per set with a line per detector."""

    def draw(axes: Axes, one: str) -> None:
        axes.plot([0, 1], [0, 1], color=GRID, linewidth=1)
        for contender, scores in _of_set(results, one):
            colour, line = own[contender.name]
            bins = scores.reliability
            sizes = 4 + 30 * np.sqrt(bins.clips / max(1.0, bins.clips.sum()))
            axes.plot(bins.stated, bins.observed, color=colour, linestyle=line, linewidth=0.8, alpha=0.6)
            axes.scatter(bins.stated, bins.observed, s=sizes, color=colour, linewidths=0)

    own = looks(results.contenders)
    return _panels(results, draw, "p(real)", "share of real clips")


def confusions(results: Results, name: str) -> str:
    """Draw the confusion of one detector, a panel per set: shares of each true label; empty for a binary detector."""
    labels = [str(label) for label in Label]

    def draw(axes: Axes, one: str) -> None:
        matrix = results.scores[name, one, ""].confusion
        if matrix is None:
            return
        shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for row, column in np.ndindex(*matrix.shape):
            ink = "white" if shares[row, column] > 0.55 else "#24292f"
            axes.text(column, row, f"{matrix[row, column]:.0f}", ha="center", va="center", color=ink, fontsize=8)
        axes.set_xticks(range(len(labels)), labels, fontsize=8, rotation=30, ha="right")
        axes.set_yticks(range(len(labels)), labels, fontsize=8)
        axes.tick_params(length=0)

    sets = [one for one in results.sets if (name, one, "") in results.scores]
    if not any(results.scores[name, one, ""].confusion is not None for one in sets):
        return ""
    return _panels(results, draw, "predicted", "truth", square=False)


def robustness(results: Results) -> str:
    """Draw the mean binary AUC over all sets under every variant, a line per detector; empty without variants."""
    if len(results.variants) < 2:
        return ""
    own = looks(results.contenders)
    drawing = Figure(figsize=(WIDTH, 3.0), layout="constrained")
    axes = drawing.subplots()
    for contender in results.contenders:
        values = [results.mean(contender.name, variant, "binary_auc") for variant in results.variants]
        colour, line = own[contender.name]
        middle, low, high = np.array(values).T
        axes.plot(middle, color=colour, linestyle=line, linewidth=1.5, marker="o", markersize=4)
        axes.fill_between(range(len(values)), low, high, color=colour, alpha=0.08, linewidth=0)
    axes.set_xticks(range(len(results.variants)), [variant or PLAIN for variant in results.variants])
    axes.set_ylabel(NAMES["binary_auc"])
    axes.set_ylim(-0.02, 1.02)
    _grid(axes, "y")
    return svg(drawing)


def _of_set(results: Results, one: str) -> list[tuple[Contender, SetScores]]:
    """Return the detectors that have a prediction in a set, with their figures."""
    own = [(contender, results.scores.get((contender.name, one, ""))) for contender in results.contenders]
    return [(contender, scores) for contender, scores in own if scores is not None and scores.clips]


def _panels(results: Results, draw: Callable[[Axes, str], None], x: str, y: str, *, square: bool = True) -> str:
    """Draw a panel per set, at most `SIDE_BY_SIDE` in a row."""
    columns = min(SIDE_BY_SIDE, len(results.sets))
    rows = -(-len(results.sets) // columns)
    side = min(WIDTH / columns, 3.4)
    drawing = Figure(figsize=(columns * side, rows * side + 0.3), layout="constrained")
    panels = drawing.subplots(rows, columns, squeeze=False)
    for place, axes in enumerate(panels.ravel()):
        if place >= len(results.sets):
            axes.set_axis_off()
            continue
        axes.set_title(results.sets[place], fontsize=9, loc="left")
        draw(axes, results.sets[place])
        axes.set_box_aspect(1)
        if square:
            axes.set_xlim(-0.02, 1.02)
            axes.set_ylim(-0.02, 1.02)
            axes.set_xticks([0, 0.5, 1])
            axes.set_yticks([0, 0.5, 1])
    drawing.supxlabel(x, fontsize=9)
    drawing.supylabel(y, fontsize=9)
    return svg(drawing)


def _grid(axes: Axes, axis: str) -> None:
    axes.grid(axis=axis, color=GRID, linewidth=0.6)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
