"""report.html: the data sheet for people, one self-contained file."""

from collections.abc import Mapping
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from hfv_builder.clips.formats import name_formats
from hfv_builder.records import METRICS, Label
from hfv_builder.release import composition
from hfv_builder.release.card import MEDIA, split_words
from hfv_builder.release.dataset import Dataset
from hfv_builder.release.figures import COLOURS, jpeg, log_axis, style, svg
from hfv_builder.release.sheets import RGB, Sheet
from hfv_builder.wording import counted, percent

FILE = "report.html"
LABELS = [str(label) for label in Label]
SCORES = [metric.value for metric in METRICS]
SHOWN_FORMATS = 3
"""Formats of a generator that are named; the rest is counted."""
ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader("hfv_builder.release"), autoescape=True, undefined=jinja2.StrictUndefined
)


def report(dataset: Dataset, sheets: Mapping[Sheet, RGB]) -> str:
    """Return the page's text.

    Args:
        sheets: an image of each clip that stands for its class.
    """
    clips = dataset.clips
    with style():
        return ENVIRONMENT.get_template(FILE).render(
            dataset=dataset,
            settings=dataset.settings,
            totals=composition.totals(clips),
            colours=COLOURS,
            labels=LABELS,
            generators=_generators(dataset, sheets),
            splits=composition.split_labels_table(clips),
            composition=svg(_composition(clips)),
            scores=svg(_scores(clips)) if clips[SCORES].notna().any(axis=None) else "",
            facts=svg(_facts(clips)),
            agreement=dataset.agreement,
            percent=percent,
            counted=counted,
            agreements=svg(_agreements(clips)) if clips["reviewers"].gt(0).any() else "",
            split_words=split_words(dataset),
            media=MEDIA,
        )


def _generators(dataset: Dataset, sheets: Mapping[Sheet, RGB]) -> list[dict[str, Any]]:
    """Return a row per source, generated ones first: its facts, and images by label."""
    rows = []
    table = {row["generator"]: row for row in dataset.sources_table}
    for generator, own in dataset.clips.groupby("generator", sort=True):
        images: dict[str, list[dict[str, str]]] = {label: [] for label in LABELS}
        for sheet, image in sheets.items():
            if sheet.generator == generator:
                images[sheet.label].append({"clip": sheet.clip_id, "image": jpeg(image, quality=80)})
        rows.append(
            table[str(generator)] | {"images": images, "formats": _formats(own), "counts": composition.by_label(own)}
        )
    return sorted(rows, key=lambda row: (row["kind"] == "real", row["generator"]))


def _formats(clips: pd.DataFrame) -> str:
    names = name_formats(clips.reset_index(drop=True)).value_counts()
    shown = [str(name) for name in sorted(names.index, key=lambda name: (-names[name], name))[:SHOWN_FORMATS]]
    more = f" and {len(names) - SHOWN_FORMATS} more" if len(names) > SHOWN_FORMATS else ""
    return "; ".join(shown) + more


def _composition(clips: pd.DataFrame) -> Figure:
    """Draw the clips of each source, by label."""
    generators = _ordered(clips)
    figure = Figure(figsize=(9.6, 0.8 + 0.34 * len(generators)), layout="constrained")
    axes = figure.subplots()
    left = np.zeros(len(generators))
    for label in Label:
        counts = [int(clips["generator"].eq(name).mul(clips["label"].eq(label)).sum()) for name in generators]
        axes.barh(range(len(generators)), counts, left=left, color=COLOURS[str(label)], height=0.68, label=str(label))
        for place, (count, start) in enumerate(zip(counts, left, strict=True)):
            if count > 0.03 * len(clips):
                axes.text(start + count / 2, place, str(count), ha="center", va="center", color="white", fontsize=8)
        left += counts
    axes.set_yticks(range(len(generators)), generators)
    axes.invert_yaxis()
    axes.set_xlabel("clips")
    axes.tick_params(axis="y", length=0)
    return figure


def _scores(clips: pd.DataFrame) -> Figure:
    """Draw each score of each source: a box between the quartiles, whiskers to the 5th and 95th percentile."""
    scored = {*clips.loc[clips[SCORES].notna().any(axis=1), "generator"]}
    generators = [name for name in _ordered(clips) if name in scored]
    figure = Figure(figsize=(9.6, 0.9 + 0.32 * len(generators)), layout="constrained")
    real = {*clips.loc[clips["label"].eq(Label.REAL), "generator"]}
    for axes, metric in zip(figure.subplots(1, len(METRICS), sharey=True), METRICS, strict=True):
        for place, name in enumerate(generators):
            values = clips.loc[clips["generator"] == name, metric.value].dropna().to_numpy(np.float64)
            if not len(values):  # of footage, which can be scored on some metrics only
                continue
            colour = COLOURS["real"] if name in real else COLOURS[metric.value]
            low, start, middle, end, high = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
            axes.plot([low, high], [place, place], color=colour, linewidth=1)
            axes.plot([start, end], [place, place], color=colour, linewidth=8, alpha=0.45, solid_capstyle="butt")
            axes.plot([middle], [place], marker="|", color=colour, markersize=10, markeredgewidth=2)
        if (clips[metric.value].dropna() > 0).all():
            log_axis(axes)
        axes.set_title(f"{metric} score", fontsize=9, loc="left")
    _name_rows(figure, generators)
    return figure


def _facts(clips: pd.DataFrame) -> Figure:
    """Draw size, rate and length of the files of each source, which tell sources apart without their content."""
    generators = _ordered(clips)
    figure = Figure(figsize=(9.6, 0.9 + 0.32 * len(generators)), layout="constrained")
    facts = {
        "shorter side, pixels": clips[["width", "height"]].min(axis=1),
        "frames per second": clips["fps"],
        "seconds": clips["duration_s"],
    }
    scatter = np.random.default_rng(0)
    real = {*clips.loc[clips["label"].eq(Label.REAL), "generator"]}
    for axes, (title, values) in zip(figure.subplots(1, len(facts), sharey=True), facts.items(), strict=True):
        for place, name in enumerate(generators):
            own = values[clips["generator"] == name].dropna().to_numpy(np.float64)
            heights = place + scatter.uniform(-0.22, 0.22, len(own))
            colour = COLOURS["real"] if name in real else "#8250df"
            axes.scatter(own, heights, s=8, color=colour, alpha=0.5, linewidths=0, rasterized=len(own) > 2000)
        axes.set_title(title, fontsize=9, loc="left")
        axes.set_xlim(0, 1.06 * float(values.max()) if values.notna().any() else 1)
    _name_rows(figure, generators)
    return figure


def _name_rows(figure: Figure, generators: list[str]) -> None:
    """Give every panel a row per generator, the first on top, and faint vertical lines."""
    for axes in figure.axes:
        axes.set_yticks(range(len(generators)), generators)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color="#e6e9ed", linewidth=0.6)
        axes.set_axisbelow(True)
    figure.axes[0].invert_yaxis()


def _agreements(clips: pd.DataFrame) -> Figure:
    """Draw how many of the votes on reviewed clips are the released label, by label."""
    reviewed = clips[clips["reviewers"].gt(0) & clips["agreement"].notna()]
    figure = Figure(figsize=(9.6, 2.0), layout="constrained")
    axes = figure.subplots()
    for place, label in enumerate(Label):
        values = reviewed.loc[reviewed["label"].eq(label), "agreement"].to_numpy(np.float64)
        share = float(values.mean()) if len(values) else 0.0
        axes.barh(place, share, color=COLOURS[str(label)], height=0.62)
        axes.text(
            share + 0.01, place, f"{percent(share, 0)} of {counted(len(values), 'clip')}", va="center", fontsize=8
        )
    axes.set_yticks(range(len(Label)), LABELS)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.2)
    axes.set_xlabel("share of votes that is the released label, mean over clips")
    return figure


def _ordered(clips: pd.DataFrame) -> list[str]:
    """Return the sources, generated ones first."""
    real = clips.groupby("generator")["label"].min().eq(Label.REAL)
    return [str(name) for name in sorted(real.index, key=lambda name: (bool(real[name]), str(name)))]
