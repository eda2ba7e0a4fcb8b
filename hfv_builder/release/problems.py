"""Problems of a release that its tables and texts show."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from hfv_builder.labelling.splits import confidence_weight
from hfv_builder.records import METRICS, Label, Split
from hfv_builder.release import card, catalogued, croissant, licences
from hfv_builder.release.dataset import DEFAULT, configs_of
from hfv_builder.release.humansam import EVALUATION, TRAINING, humansam_files
from hfv_builder.release.layout import file_name
from hfv_builder.release.metadata import SCHEMA, features, stored_features
from hfv_builder.storage.json_text import load_json
from hfv_builder.wording import counted

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
WORDS = (
    *(f"rai:{name}" for name in ("dataLimitations", "dataBiases", "personalSensitiveInformation", "dataUseCases")),
    *("rai:dataSocialImpact", "rai:hasSyntheticData", "prov:wasDerivedFrom", "prov:wasGeneratedBy"),
    *("conformsTo", "name", "description", "license", "url", "creator", "datePublished"),
)
"""What croissant.json must say."""
NEEDED = ("file_name", "clip_id", "label", "generator", "is_real", "label_source", "media")
"""Columns without nulls."""


@dataclass(frozen=True, kw_only=True, order=True)
class Problem:
    """One problem."""

    file: str
    """Relative to the release."""
    problem: str


@dataclass(kw_only=True)
class Report:
    """The result of a verification."""

    problems: list[Problem] = field(default_factory=list)
    files: int = 0
    bytes: int = 0
    skipped: list[str] = field(default_factory=list)
    """Checks that were skipped, with the reason; one sentence each."""


def schema_problems(path: str, table: pa.Table) -> Iterator[Problem]:
    """Check that a metadata.parquet has the columns and the types that readers expect."""
    if table.schema.names != SCHEMA.names or table.schema.types != SCHEMA.types:
        names = {*table.schema.names} ^ {*SCHEMA.names}
        yield Problem(file=path, problem=f"columns or types differ: {', '.join(sorted(names)) or 'types'}")
    elif empty := [name for name in NEEDED if table[name].null_count]:
        yield Problem(file=path, problem=f"rows without {', '.join(empty)}")
    if stored_features(table) != features():
        yield Problem(file=path, problem="does not name the classes for `datasets`")


def row_problems(rows: pd.DataFrame, sums: Mapping[str, str]) -> Iterator[Problem]:
    """Yield the contradictions in the rows of all metadata.

    Args:
        rows: the columns of `metadata.SCHEMA`, and folder, path (relative to the release) and split.
        sums: SHA-256 of every file, by path.
    """
    label = rows["label"].to_numpy(np.int64, na_value=-1)
    is_real = label == Label.REAL
    fake = (label >= 0) & (label < Label.REAL)
    ranks = np.stack([_floats(rows[f"rank_{metric}"]) for metric in METRICS], axis=1)
    ranked = fake & ~np.isnan(ranks).any(axis=1)
    own = np.full(len(rows), np.nan)
    own[fake] = ranks[fake, label[fake]]
    smallest = np.sort(ranks, axis=1)[:, 0]
    is_auto = rows["label_source"].eq("auto").to_numpy(bool)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(is_real, 0.0, _floats(rows["class_rank"]) / _floats(rows["class_size"]))
    r_hat, weight = _floats(rows["r_hat"]), _floats(rows["confidence_weight"])
    columns = (rows[name] for name in ("split", "generator", "clip_id", "folder", "path", "media"))
    misplaced, other = [], []
    for split, generator, clip_id, folder, path, media in zip(*columns, strict=True):
        misplaced.append(path != f"{folder}/{file_name(split, generator, clip_id)}")
        other.append(media == "original" and not sums.get(path, clip_id).startswith(clip_id))
    checks = {
        "its label is none of the four": (label < 0) | (label > Label.REAL),
        "its label and `is_real` contradict each other": is_real != rows["is_real"].to_numpy(bool),
        "its label is not that of its smallest rank": ranked & is_auto & (own != smallest),
        "its r_hat is not class_rank / class_size": ~np.isclose(r_hat, share, rtol=1e-12),
        "its confidence_weight is not log(e + r_hat)": ~np.isclose(weight, confidence_weight(share), rtol=1e-12),
        "it is not where its split, generator and id belong": np.array(misplaced, np.bool_),
        "it is not the file that its id names": np.array(other, np.bool_),
        "it is listed twice": rows["path"].duplicated().to_numpy(bool),
        "its class rank contradicts its score": _out_of_order(rows, fake),
    }
    for problem, wrong in checks.items():
        for path in rows.loc[wrong, "path"]:
            yield Problem(file=str(path), problem=problem)


def frame_problems(rows: pd.DataFrame, frames: Mapping[str, int]) -> Iterator[Problem]:
    """Yield clips that have another number of frames than their metadata says.

    Args:
        frames: of each clip that can be opened, by path relative to the release.
    """
    for path, count in zip(rows["path"], rows["num_frames"], strict=True):
        there = frames.get(path, count)
        if there != count:
            yield Problem(file=path, problem=f"it has {there} frames, and its metadata says {count}")


def side_problems(rows: pd.DataFrame) -> Iterator[Problem]:
    """Yield clips whose content is on two sides, or twice on one side."""
    is_variant = _is_variant(rows)
    clips = rows[~is_variant]
    again = clips["clip_id"].duplicated(keep=False) & ~clips["path"].duplicated(keep=False)
    for clip_id, own in clips[again].groupby("clip_id"):
        sides = ", ".join(sorted({*own["folder"]}))
        yield Problem(file=str(own["path"].iloc[0]), problem=f"the content {clip_id} stands in {sides}")
    test = {*clips.loc[clips["split"].eq(Split.TEST), "clip_id"]}
    for path in rows.loc[is_variant & ~rows["clip_id"].isin(test), "path"]:
        yield Problem(file=str(path), problem="it is a variant of a clip that is not in the evaluation set")


def humansam_problems(rows: pd.DataFrame, texts: Mapping[str, str]) -> Iterator[Problem]:
    """Check that HumanSAM's files say what the metadata says.

    Args:
        texts: the files there are, by path relative to the release.
    """
    clips = rows[~_is_variant(rows) & rows["label"].between(0, Label.REAL)]
    sets = [config.name for config in configs_of(clips) if config.name != DEFAULT]
    wanted = dict(humansam_files(clips, sets))
    for path, text in wanted.items():
        if path not in texts:
            yield Problem(file=path, problem="is missing")
        elif texts[path] != text:
            differing = {*texts[path].splitlines()} ^ {*text.splitlines()}
            example = min(differing, default="the order of lines")
            lines = counted(len(differing), "line contradicts", "lines contradict")
            yield Problem(file=path, problem=f"{lines} the metadata, such as {example}")
    for path in texts.keys() - wanted.keys():
        if path.startswith((TRAINING, EVALUATION)):
            yield Problem(file=path, problem="belongs to no split")


def licence_problems(rows: pd.DataFrame, text: str) -> Iterator[Problem]:
    """Check that licences.csv has a licence and the number of clips of every source."""
    listed = {row["source"]: row for row in csv.DictReader(io.StringIO(text)) if row.get("source")}
    clips = rows.loc[~_is_variant(rows), "generator"].value_counts()
    for generator, count in clips.items():
        row: Mapping[str, Any] = listed.pop(generator, {})
        if not row.get("licence"):
            yield Problem(file=licences.FILE, problem=f"gives no licence of {generator}")
        elif row.get("clips") != str(count):
            problem = f"says {row.get('clips')} clips of {generator}, and there are {count}"
            yield Problem(file=licences.FILE, problem=problem)
    for generator in listed:
        yield Problem(file=licences.FILE, problem=f"names {generator}, of which there is no clip")


def catalogued_problems(rows: pd.DataFrame, text: str) -> Iterator[Problem]:
    """Check that catalogued.csv asks for the clips of the metadata.

    Raises:
        ValueError: it is no such file.
    """
    listed = {file.path: file.sha256 for file in catalogued.read_catalogued(text)}
    for path, clip_id in zip(rows["path"], rows["clip_id"], strict=True):
        if not listed.pop(path, "").startswith(clip_id):
            yield Problem(file=catalogued.FILE, problem=f"does not ask for the file {path} by the checksum of its id")
    for path in listed:
        yield Problem(file=catalogued.FILE, problem=f"asks for {path}, which is in no metadata")


def croissant_problems(metadata: Iterable[str], sums: Mapping[str, str], text: str) -> Iterator[Problem]:
    """Check that croissant.json has its required values, and names every metadata.parquet with its checksum."""
    try:
        content = load_json(text)
    except ValueError as error:
        yield Problem(file=croissant.FILE, problem=f"is not valid JSON: {error}")
        return
    if not isinstance(content, dict):
        yield Problem(file=croissant.FILE, problem="is not a JSON object")
        return
    for word in WORDS:
        if word not in content or content[word] in ("", [], None):
            yield Problem(file=croissant.FILE, problem=f"does not say {word}")
    distribution = content.get("distribution")
    files = {
        str(file.get("contentUrl")): file.get("sha256")
        for file in (distribution if isinstance(distribution, list) else [])
        if isinstance(file, dict)
    }
    for path in metadata:
        if files.get(path) != sums.get(path):
            yield Problem(file=croissant.FILE, problem=f"gives another checksum of {path}, or none")


def card_problems(rows: pd.DataFrame, configs: Any, *, sharded: bool = False) -> Iterator[Problem]:
    """Check that the card names every configuration and its folders.

    Args:
        configs: as the card's YAML gives them.
    """
    named = {
        str(config.get("config_name")): config.get("data_files")
        for config in (configs if isinstance(configs, list) else [])
        if isinstance(config, dict)
    }
    for config in configs_of(rows):
        wanted = card.data_files(config, sharded=sharded)
        if named.pop(config.name, None) != wanted:
            yield Problem(file=card.FILE, problem=f"does not say which folders the configuration {config.name} has")
    for name in named:
        yield Problem(file=card.FILE, problem=f"names the configuration {name}, of which there are no clips")


def _is_variant(rows: pd.DataFrame) -> pd.Series:
    return rows["folder"].str.contains("@")


def _out_of_order(rows: pd.DataFrame, fake: Flags) -> Flags:
    """Return the fake clips whose class rank contradicts the score of their label in their generator."""
    wrong = np.zeros(len(rows), np.bool_)
    columns = ["generator", "label", "class_rank", "class_size", *(metric.value for metric in METRICS)]
    clips = rows[columns].assign(at=np.arange(len(rows)))[fake & ~_is_variant(rows).to_numpy(bool)]
    for _, own in clips.groupby(["generator", "label"]):
        ordered = own.sort_values("class_rank")
        scores = _floats(ordered[METRICS[ordered["label"].iloc[0]].value])
        places = _floats(ordered["class_rank"])
        bad = np.isnan(scores) | np.isnan(places) | (places < 1) | (places > _floats(ordered["class_size"]))
        bad[1:] |= (np.diff(scores) > 0) | (np.diff(places) == 0)
        wrong[ordered["at"].to_numpy()[bad]] = True
    return wrong


def _floats(column: pd.Series) -> Floats:
    return column.to_numpy(np.float64, na_value=np.nan)
