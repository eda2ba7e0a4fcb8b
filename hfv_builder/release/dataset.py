"""A data set to release: its clips, their places, and its description."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from hfv_builder.clips.sources import Source
from hfv_builder.labelling.agreement import Agreement, agreement
from hfv_builder.records import Label, Split
from hfv_builder.release.composition import Row, sources_table
from hfv_builder.release.layout import EVALUATION, TRAIN, VALIDATION, file_name, folder_of
from hfv_builder.release.name import ReleaseName
from hfv_builder.release.selection import LITE
from hfv_builder.release.settings import Settings

DEFAULT = "default"
"""The name of the configuration with train and validation."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """What `datasets` loads under one name: folders by split."""

    name: str
    folders: Mapping[str, tuple[str, ...]]
    """By the split's name in `datasets`: train, validation or test."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """The content of a release, except the files of its clips."""

    name: ReleaseName
    settings: Settings
    sources: Mapping[str, Source]
    rows: pd.DataFrame
    """A row per clip and variant, with the columns of `metadata.SCHEMA` and of `with_places`."""
    profile: str
    """The profile that made the scores."""
    protocol: str
    group: str
    """The groups that stay on one side: content, prompt or near."""
    media: str
    """original, uniform or none."""
    sharded: bool = False
    """Whether clips are in WebDataset shards."""
    left_out: pd.DataFrame | None = None
    """Clips that could not be made uniform, with the columns of `left_out.COLUMNS`; None without any."""
    votes: pd.DataFrame
    """The answers of reviewers, as `reviewed.vote_counts` returns them, also on clips that are left out."""

    @property
    def is_lite(self) -> bool:
        """Whether the labels are those of `lite`, which are not for publication."""
        return self.profile == LITE

    @property
    def is_strong_only(self) -> bool:
        """Whether anomalies that reviewers did not call strong were moved from validation to train."""
        return bool(self.rows["policy"].str.contains("-strong", regex=False).any())

    @cached_property
    def clips(self) -> pd.DataFrame:
        """The clips themselves, without variants."""
        return self.rows[self.rows["variant"].eq("")]

    @cached_property
    def agreement(self) -> Agreement | None:
        """The agreement of reviewers on the released clips; None if no clip has two answers."""
        counts = self.votes[self.votes.index.isin(self.clips["clip_id"])].to_numpy(np.int64)
        return agreement(counts) if (counts.sum(axis=1) > 1).any() else None

    @cached_property
    def sources_table(self) -> list[Row]:
        """The rows of `composition.sources_table`."""
        return sources_table(self.clips, self.sources)

    @property
    def variants(self) -> list[str]:
        """The variants that evaluation sets have."""
        return sorted({*self.rows["variant"]} - {""})

    @cached_property
    def by_folder(self) -> dict[str, pd.DataFrame]:
        """The rows of each folder that has a metadata.parquet, by its path relative to the release, sorted."""
        return {
            str(folder): rows for folder, rows in sorted(self.rows.groupby("folder"), key=lambda item: str(item[0]))
        }

    @cached_property
    def configs(self) -> list[Config]:
        """The configurations: train and validation, and one for each evaluation set and variant."""
        return list(configs_of(self.rows))


def with_places(clips: pd.DataFrame, variant: str = "") -> pd.DataFrame:
    """Return the clips with the columns variant, folder, file_name (relative to the folder) and path (to the release).

    Args:
        clips: columns clip_id, generator and split.
    """
    columns = [clips["split"], clips["generator"], clips["clip_id"]]
    folders = [folder_of(split, generator, variant) for split, generator in zip(*columns[:2], strict=True)]
    names = [file_name(*place) for place in zip(*columns, strict=True)]
    paths = [f"{folder}/{name}" for folder, name in zip(folders, names, strict=True)]
    return clips.assign(variant=variant, folder=folders, file_name=names, path=paths)


def configs_of(rows: pd.DataFrame) -> Iterator[Config]:
    """Yield the configurations that these rows make.

    Args:
        rows: columns folder, split and label.
    """
    training = [(TRAIN, "train"), (VALIDATION, "validation")]
    there = {*rows["folder"]}
    if folders := {split: (folder,) for folder, split in training if folder in there}:
        yield Config(name=DEFAULT, folders=folders)
    test = rows[rows["split"].eq(Split.TEST)]
    variants = test["folder"].map(lambda folder: folder.partition("@")[2])  # there may be no test clip
    for _, own in sorted(test.groupby(variants), key=lambda item: str(item[0])):
        is_real = own["label"].eq(Label.REAL).groupby(own["folder"]).all()
        footage = sorted(is_real.index[is_real])  # a folder with fake clips too is a set with its own footage
        for folder in sorted(is_real.index[~is_real]):
            yield Config(name=folder.removeprefix(f"{EVALUATION}/"), folders={"test": (folder, *footage)})
