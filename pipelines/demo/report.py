"""The report of the demo: one self-contained HTML file."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hfv_builder.frames.video import decode
from hfv_builder.labelling.scored import origin_of_labels
from hfv_builder.records import METRICS
from hfv_builder.release.figures import COLOURS, jpeg, log_axis, style, svg
from hfv_builder.samples import contact_sheet
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.places import put
from hfv_builder.storage.schema import LABELS, SCORES
from hfv_builder.wording import percent


def write_report(
    path: Path,
    manifests: Manifests,
    compared: pd.DataFrame,
    confusion: list[dict[str, Any]],
    recovered: float,
    loaded: Mapping[str, int],
    *,
    seconds: float,
    seed: int,
) -> None:
    """Write the report.

    Args:
        path: the HTML file.
        manifests: the manifests of the demo.
        compared: the output of `stage.compare`.
        confusion: the output of `stage.confusion_matrix`.
        recovered: share of the injected anomalies that got the right label, in [0, 1].
        loaded: the output of `release.load_with_datasets`.
        seconds: duration of the demo.
        seed: the seed of the clips.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pipelines.demo"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    labels = manifests.read(LABELS).to_pandas()
    with style():
        page = environment.get_template("report.html").render(
            colours=COLOURS,
            manifests=manifests.root,
            clips=len(labels),
            seed=seed,
            seconds=round(seconds),
            recovered=percent(recovered, 0),
            confusion=confusion,
            loaded=loaded,
            metrics=[metric.value for metric in METRICS],
            distributions=svg(_distributions(labels, compared)),
            ranks=svg(_ranks(compared)),
            examples=list(_examples(manifests, compared)),
        )
    put(path, page)


def _distributions(labels: pd.DataFrame, compared: pd.DataFrame) -> Figure:
    """Return a strip plot of every score of every generator: one dot per clip, one row per injected anomaly."""
    fakes = sorted(compared["generator"].unique())
    figure = Figure(figsize=(9.6, 1.9 * len(fakes)), layout="constrained")
    grid = figure.subplots(len(fakes), 3, squeeze=False)
    injected = compared.set_index("clip_id")["injected"]
    real = labels[labels["margin"].isna() & labels["spatial"].notna()]
    jitter = np.random.default_rng(0)
    for row, generator in zip(grid, fakes, strict=True):
        of_generator = labels[labels["generator"] == generator]
        for axes, metric in zip(row, METRICS, strict=True):
            groups = {name: of_generator[of_generator["clip_id"].map(injected) == name] for name in METRICS}
            for height, (name, rows) in enumerate([("real", real), *groups.items()]):
                scatter = height + jitter.uniform(-0.22, 0.22, len(rows))
                axes.scatter(rows[metric.value], scatter, s=12, color=COLOURS[name], alpha=0.75, linewidths=0)
            axes.set_yticks(range(4), ["real", *METRICS] if metric is METRICS[0] else [""] * 4)
            log_axis(axes)
            axes.set_title(f"{generator}: {metric} score", fontsize=9, loc="left")
    return figure


def _ranks(compared: pd.DataFrame) -> Figure:
    """Return scatter plots of the motion rank against the other ranks.

    The colour is the injected anomaly; a cross is a clip with another label.
    """
    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, other in ((left, "spatial"), (right, "appearance")):
        for name in METRICS:
            rows = compared[compared["injected"] == name]
            hit = rows["label"] == rows["injected"]
            for part, marker in ((rows[hit], "o"), (rows[~hit], "X")):
                x, y = (part[f"rank_{metric}"].astype(float) for metric in (other, "motion"))
                axes.scatter(x, y, s=26, marker=marker, color=COLOURS[name], alpha=0.85, linewidths=0)
        axes.set_xlabel(f"{other} rank (1 = most anomalous)")
        axes.set_ylabel("motion rank")
        axes.invert_xaxis()
        axes.invert_yaxis()
    return figure


def _examples(manifests: Manifests, compared: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield the template's values for the most anomalous clip of each label: ranks, frames and traces."""
    for metric in METRICS:
        of_label = compared[compared["label"] == metric.value]
        if of_label.empty:
            continue
        best = of_label.sort_values([f"rank_{metric}", "margin", "clip_id"], ascending=[True, False, True]).iloc[0]
        frames = np.concatenate([chunk.rgb for chunk in decode(Path(best["path"]))])
        caption = f"{best['generator']}/{best['file']}"
        yield {
            "label": metric.value,
            "file": caption,
            "injected": best["injected"],
            "kind": best["kind"].replace("_", " "),
            "action": best["action"],
            "ranks": [int(best[f"rank_{name}"]) for name in METRICS],
            "group_size": int(best["group_size"]),
            "sheet": jpeg(contact_sheet([frames], [caption], columns=8)),
            "traces": svg(_traces(manifests, best["generator"], best["clip_id"])),
        }


def _traces(manifests: Manifests, generator: str, clip_id: str) -> Figure:
    figure = Figure(figsize=(9.6, 1.5), layout="constrained")
    origin = origin_of_labels(manifests, generator)
    profile = {} if origin is None else {"profile": origin.profile}
    for axes, metric in zip(figure.subplots(1, 3), METRICS, strict=True):
        columns = ["clip_id", "frames", "trace"]
        rows = manifests.read(SCORES, columns, **profile, generator=generator, metric=metric.value).to_pandas()
        row = rows[rows["clip_id"] == clip_id].iloc[0]
        _draw_trace(axes, row["frames"], row["trace"], metric.value)
    return figure


def _draw_trace(axes: Axes, frames: Any, trace: Any, metric: str) -> None:
    values = np.asarray(trace, np.float64)
    axes.fill_between(frames, values, color=COLOURS[metric], alpha=0.25, linewidth=0)
    axes.plot(frames, values, color=COLOURS[metric], linewidth=1.2)
    axes.set_title(f"{metric}, frame by frame", fontsize=9, loc="left")
    axes.set_yticks([])
    axes.set_ylim(bottom=0)
