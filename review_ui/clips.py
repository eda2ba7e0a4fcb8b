"""The clips of the manifests in memory, as compact columns for 100 000 clips and more."""

import hashlib
import unicodedata
from collections.abc import Collection
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hfv_builder.clips.ownership import HOLDER, counted_rows, lost_rows
from hfv_builder.clips.sources import load_sources
from hfv_builder.labelling.decisions import Kind, clip_kinds
from hfv_builder.labelling.splits import val_size
from hfv_builder.records import METRICS, ClipError, Label, Metric, Split, Status
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.places import URL, Place, place
from hfv_builder.storage.schema import CLIPS, LABELS, SPLITS
from hfv_builder.storage.snapshot import at_one_moment
from review_ui.filter import Filter

NONE = -1
"""Value for null in the integer arrays."""
STORES = ("file", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "hdfs", "oss", "oci", "obs", "memory")
"""Schemes of the URLs of clips that are read."""
CLIP_COLUMNS = (
    "clip_id generator is_real path bytes width height fps num_frames duration_s codec pix_fmt rotation bit_rate "
    "prompt status error"
)
LABEL_COLUMNS = (
    "clip_id generator spatial appearance motion rank_spatial rank_appearance rank_motion auto_label margin tied "
    "group_size"
)
SPLIT_COLUMNS = "clip_id generator label split class_rank class_size"

Ints = npt.NDArray[np.int64]


class Clips:
    """The rows of clips, labels and splits, joined by generator and clip_id. Methods identify a clip by its row."""

    def __init__(self, manifests: Manifests, only: Collection[str] | None = None) -> None:
        """Read the manifests.

        Args:
            manifests: the manifests.
            only: ids of the clips that filters select from; None selects from all.

        Raises:
            UsageError: a part cannot be read, or other commands change them again and again.
        """
        clips, self._labels, self._splits = _tables(manifests)
        # Copies of another clip and files that cannot be opened are not reviewed separately.
        clips = counted_rows(clips, lost_rows(clips.select(HOLDER)))
        clips = clips.sort_by([("generator", "ascending"), ("clip_id", "ascending")])
        ids = _listed(clips["clip_id"])
        first = dict(zip(reversed(ids), reversed(range(len(ids))), strict=True))
        if len(first) < len(ids):  # a broken file of two generators: one row, since decisions are about the content
            clips = clips.take(sorted(first.values()))
        clips = clips.combine_chunks()
        self.ids: list[str] = _listed(clips["clip_id"])
        self.row = {clip_id: row for row, clip_id in enumerate(self.ids)}
        self._clips = clips
        self._listed = np.array([only is None or clip_id in only for clip_id in self.ids], bool)
        self._sources = load_sources(manifests.root)
        self._label_at, self._split_at = _joined(clips, self._labels), _joined(clips, self._splits)

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def generators(self) -> list[str]:
        """The names of the generators, sorted."""
        return sorted(self._clips["generator"].unique().to_pylist())

    @cached_property
    def labels_in_use(self) -> list[str]:
        """The names of the automatic labels that at least one clip has."""
        return [str(label) for label in Label if np.any(self.auto_label == label)]

    @cached_property
    def splits_in_use(self) -> list[str]:
        """The names of the splits that at least one clip is in."""
        return [split.value for index, split in enumerate(Split) if np.any(self.split == index)]

    def source(self, row: int) -> str:
        """Return the display name of the clip's generator."""
        generator = self.generators[int(self.generator[row])]
        return self._sources[generator].name if generator in self._sources else generator

    @cached_property
    def generator(self) -> Ints:
        """Per clip, the index of its generator in `generators`."""
        return _places(self._clips["generator"], self.generators)

    @cached_property
    def auto_label(self) -> Ints:
        """Per clip, the label id; NONE without a label, or if it contradicts `is_real` because it is outdated."""
        labels = _taken(self._labels["auto_label"], self._label_at)
        return np.where(self.is_real == (labels == Label.REAL), labels, NONE)

    @cached_property
    def margin(self) -> Ints:
        """Per clip, the second smallest rank − the smallest; NONE if it is not ranked."""
        return _taken(self._labels["margin"], self._label_at)

    @cached_property
    def names(self) -> pa.ChunkedArray:
        """Per clip, the name of its file, without folders, in Unicode normal form C."""
        return pc.utf8_normalize(pc.replace_substring_regex(self._clips["path"], r".*[/\\]", ""), form="NFC")

    @cached_property
    def by_id(self) -> Ints:
        """Per clip, its place when all clips are sorted by id."""
        return _ordered(self._clips["clip_id"])

    @cached_property
    def by_name(self) -> Ints:
        """Per clip, its place when all clips are sorted by file name, in any case."""
        return _ordered(pc.utf8_lower(self.names))

    @cached_property
    def scores(self) -> dict[Metric, npt.NDArray[np.float64]]:
        """Per metric and clip, the score that the label was made from; NaN without one."""
        filled = {metric: self._labels[metric.value].fill_null(np.nan).to_numpy() for metric in METRICS}
        return {metric: np.append(column, np.nan)[self._label_at] for metric, column in filled.items()}

    @cached_property
    def split(self) -> Ints:
        """Per clip, the index of its split in `Split`; NONE without a split."""
        return np.append(_places(self._splits["split"], [split.value for split in Split]), NONE)[self._split_at]

    def is_candidate(self, row: int) -> bool:
        """Return whether the clip is a generated one in val, or in train among the top 20 % of its class.

        The latter are in train because reviewers did not find them strong, or because of their group.
        """
        if self.kinds[row] is not Kind.GENERATED or self.split_name(row) not in (Split.VAL, Split.TRAIN):
            return False
        at = int(self._split_at[row])
        rank, size = (self._splits[name][at].as_py() for name in ("class_rank", "class_size"))
        in_class = rank is not None and size is not None and rank <= val_size(np.array(size))
        return bool(in_class) or self.split_name(row) == Split.VAL

    @cached_property
    def is_real(self) -> npt.NDArray[np.bool_]:
        """Per clip, whether it comes from a real source."""
        return np.asarray(self._clips["is_real"].fill_null(False).to_numpy(), bool)

    @cached_property
    def kind(self) -> npt.NDArray[np.int8]:
        """Per clip, its `decisions.Kind`."""
        read = np.asarray(pc.equal(self._clips["status"], Status.OK.value).fill_null(False).to_numpy(), bool)
        begun = np.isin(self.generator, _places(self._labels["generator"].unique(), self.generators))
        return clip_kinds(ok=read, real=self.is_real, labelled=(self.auto_label != NONE) | ~begun)

    @cached_property
    def failed(self) -> npt.NDArray[np.bool_]:
        """Per clip, whether it could not be read or scored."""
        return np.asarray(self.kind == Kind.FAILED, bool)

    @cached_property
    def kinds(self) -> list[Kind]:
        """`kind` as a list, for fast access to one clip."""
        members = tuple(Kind)
        return [members[kind] for kind in self.kind.tolist()]

    def labels(self) -> pd.DataFrame:
        """Return a row per clip with columns clip_id, generator, kind and auto_label (Int32, null without a label)."""
        auto = pd.arrays.IntegerArray(self.auto_label.astype(np.int32), self.auto_label == NONE)
        columns = {"clip_id": self.ids, "generator": self._clips["generator"].to_pandas()}
        return pd.DataFrame(columns | {"kind": self.kind, "auto_label": auto})

    @cached_property
    def order(self) -> Ints:
        """All rows, validation candidates first, then by margin (clips without one last), then by id."""
        is_val = self.split == list(Split).index(Split.VAL)
        margin = np.where(self.margin == NONE, np.iinfo(np.int64).max, self.margin)
        by_id = pc.sort_indices(self._clips["clip_id"]).to_numpy()
        return np.asarray(by_id[np.lexsort((margin[by_id], ~is_val[by_id]))], np.int64)

    @cached_property
    def shuffled(self) -> Ints:
        """All rows in pseudo-random order, determined by the ids; any prefix is a random sample."""
        keys = [hashlib.sha256(f"calibration\n{clip_id}".encode()).digest() for clip_id in self.ids]
        return np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)

    def matches(self, wanted: Filter) -> npt.NDArray[np.bool_]:
        """Return the mask of the rows that the filter selects; an unknown name selects none."""
        mask, names = self._listed.copy(), self.generators
        if wanted.generator is not None:
            mask &= self.generator == (names.index(wanted.generator) if wanted.generator in names else NONE - 1)
        if wanted.among is not None:
            mask &= np.isin(self.generator, [names.index(name) for name in wanted.among if name in names])
        if wanted.label is not None:
            mask &= self.auto_label == wanted.label
        if wanted.split is not None:
            splits = [split.value for split in Split]
            mask &= self.split == (splits.index(wanted.split) if wanted.split in splits else NONE - 1)
        return np.asarray(mask, bool)

    def find(self, text: str, *, names: bool = True) -> npt.NDArray[np.bool_]:
        """Return the mask of the clips whose id begins with a text or, with `names`, whose file name contains it."""
        found = pc.starts_with(self._clips["clip_id"], text.lower())
        if names:
            name = unicodedata.normalize("NFC", text)  # browsers send what was typed, file systems store other forms
            found = pc.or_(found, pc.match_substring(self.names, name, ignore_case=True))
        return np.asarray(found.to_numpy(), bool)

    def path(self, row: int) -> Place:
        """Return the catalogued path of the clip's file.

        Raises:
            ClipError: it is a URL that is not one of an object store. A manifest from elsewhere could name any server.
            UsageError: the package for its object store is not installed.
        """
        text = self._clips["path"][row].as_py()
        scheme, is_url, _ = text.partition("://")
        if is_url and URL.match(text) and scheme not in STORES:
            raise ClipError(f"clips are not read by {scheme}; copy the files to this machine and catalogue them there")
        return place(text)

    def facts(self, row: int) -> dict[str, Any]:
        """Return the catalogue row of the clip, without the path."""
        names = [name for name in self._clips.column_names if name != "path"]
        return {name: self._clips[name][row].as_py() for name in names}

    def media_facts(self, row: int) -> dict[str, Any]:
        """Return the columns that determine whether a browser can play the original file."""
        names = ("width", "height", "codec", "pix_fmt", "rotation", "bit_rate", "bytes")
        return {name: self._clips[name][row].as_py() for name in names}

    def suggestion(self, row: int) -> dict[str, Any] | None:
        """Return the automatic label with its ranks and scores; None without a label."""
        label_row = int(self._label_at[row])
        if self.auto_label[row] == NONE:
            return None
        values = {name: self._labels[name][label_row].as_py() for name in self._labels.column_names}
        return {
            "label": str(Label(values["auto_label"])),
            "margin": values["margin"],
            "tied": bool(values["tied"]),
            "group_size": values["group_size"],
            "ranks": {metric.value: values[f"rank_{metric}"] for metric in METRICS},
            "scores": {metric.value: values[metric.value] for metric in METRICS},
        }

    def split_name(self, row: int) -> str | None:
        """Return `train`, `val` or `test`; None without a split."""
        index = int(self.split[row])
        return None if index == NONE else list(Split)[index].value


def _tables(manifests: Manifests) -> list[pa.Table]:
    """Return the rows of clips, labels and splits, as of one moment."""
    columns = ((CLIPS, CLIP_COLUMNS), (LABELS, LABEL_COLUMNS), (SPLITS, SPLIT_COLUMNS))

    def read() -> list[pa.Table]:
        return [manifests.read_settled(table, names.split()).combine_chunks() for table, names in columns]

    return at_one_moment(manifests, [table for table, _ in columns], read)


def _joined(clips: pa.Table, rows: pa.Table) -> Ints:
    """Return, for each clip, the index of the row with the same generator and clip_id; NONE without one."""
    clip_keys, row_keys = (pc.binary_join_element_wise(t["generator"], t["clip_id"], "\n") for t in (clips, rows))
    return _filled(pc.index_in(clip_keys, value_set=row_keys))


def _places(column: Any, names: list[str]) -> Ints:
    """Return the index of each value in `names`; NONE for other values."""
    return _filled(pc.index_in(column, value_set=pa.array(names, pa.string())))


def _ordered(column: Any) -> Ints:
    """Return the place of each value when all are sorted."""
    places = np.empty(len(column), np.int64)
    places[pc.sort_indices(column).to_numpy()] = np.arange(len(column))
    return places


def _listed(column: Any) -> list[str]:
    """Return a string column as a list, via numpy, which is ten times as fast as Arrow's `to_pylist`."""
    strings: list[str] = column.to_numpy().tolist()
    return strings


def _filled(column: Any) -> Ints:
    """Return an integer column as an array, with NONE for null."""
    return np.asarray(column.fill_null(NONE).to_numpy().astype(np.int64))


def _taken(column: Any, indices: Ints) -> Ints:
    """Return the column's values at these indices, with NONE for null and for the index NONE."""
    return np.append(_filled(column), NONE)[indices]
