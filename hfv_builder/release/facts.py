"""Update the rows of a release with the facts of its files after these are made."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from hfv_builder.frames.facts import Probe
from hfv_builder.records import UsageError
from hfv_builder.release.composition import FACTS
from hfv_builder.release.dataset import Dataset
from hfv_builder.release.left_out import left_out_rows
from hfv_builder.release.media import Media, Placed
from hfv_builder.release.regions import Crop, cut_span, moved_box
from hfv_builder.release.uniform import uniform_crop


def with_media(dataset: Dataset, placed: Mapping[str, Placed], left_out: Mapping[str, str]) -> Dataset:
    """Return the data set with the facts of its files in place of the catalogued ones, without clips that are left out.

    Args:
        placed: by path.
        left_out: by clip id, why.

    Raises:
        UsageError: no clip remains.
    """
    rows = dataset.rows[~dataset.rows["clip_id"].isin([*left_out])]
    if not len(rows):
        raise UsageError(
            f"no clip can be made uniform, such as {min(left_out)}: {left_out[min(left_out)]}; ask for less in "
            "[uniform] of release.toml"
        )
    rows = rows.set_index("path", drop=False)
    probes = {path: each.probe for path, each in placed.items() if each.probe is not None and path in rows.index}
    if probes:
        rows = _marked(rows, probes, {path: placed[path].shape for path in probes}, dataset)
        rows.loc[[*probes], "media"] = [placed[path].media.value for path in probes]
        for name in FACTS:
            rows = _with_values(rows, name, {path: getattr(probe, name) for path, probe in probes.items()})
    there = {*rows["generator"]}
    sources = {name: source for name, source in dataset.sources.items() if name in there}
    rows = rows.reset_index(drop=True)
    return replace(dataset, rows=rows, sources=sources, left_out=left_out_rows(dataset.clips, left_out))


def _marked(
    rows: pd.DataFrame, probes: Mapping[str, Probe], shapes: Mapping[str, float], dataset: Dataset
) -> pd.DataFrame:
    """Return the rows with the marks of reviewers moved to their place in the new files."""
    uniform = dataset.settings.uniform if dataset.media == Media.UNIFORM else None
    columns: dict[str, list[Any]] = {name: [] for name in ("t_start", "t_end", "box")}
    for path, *facts in rows.loc[[*probes], ["width", "height", *columns]].itertuples():
        width, height, start, end, box = facts
        crop = Crop(left=0, top=0, width=width, height=height)
        if uniform:
            crop = uniform_crop((width, height), uniform, shapes[path])
        size = (probes[path].width, probes[path].height)
        columns["box"].append(moved_box(box if isinstance(box, dict) else None, crop, size))
        seconds = uniform.frames / uniform.fps if uniform else math.inf
        for name, value in zip(("t_start", "t_end"), cut_span(start, end, seconds), strict=True):
            columns[name].append(value)
    for name, values in columns.items():
        rows = _with_values(rows, name, dict(zip(probes, values, strict=True)))
    return rows


def _with_values(rows: pd.DataFrame, name: str, values: Mapping[str, Any]) -> pd.DataFrame:
    """Return the rows with one column set to these values, by index; its type stays."""
    column = rows[name].astype(object).copy()
    column.loc[[*values]] = pd.Series(values, dtype=object)
    return rows.assign(**{name: column.astype(rows[name].dtype)})
