"""One table of all clips with all their data from the manifests, for the audit."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa

from hfv_builder.audit.labels import COMPONENTS
from hfv_builder.audit.labels import SCORES as SCORE_NAMES
from hfv_builder.audit.leakage import NEAR
from hfv_builder.labelling.decisions import clip_kinds
from hfv_builder.labelling.final_labels import final_labels
from hfv_builder.labelling.reviews import read_reviews
from hfv_builder.labelling.scored import origin_of_labels, scored_profiles
from hfv_builder.records import METRICS, Metric, Status
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, LABELS, REVIEWS, SCORES, SELECTION, SIGNALS, SPLITS
from hfv_builder.storage.snapshot import at_one_moment
from pipelines.generators import clips_of, lost_clips
from pipelines.split.reviewed import DEFAULT_OVERLAP

CLIP_COLUMNS = [
    "clip_id",
    "generator",
    "is_real",
    "path",
    "bytes",
    "width",
    "height",
    "fps",
    "num_frames",
    "duration_s",
    "codec",
    "prompt",
    "prompt_group",
]
LABEL_COLUMNS = ("clip_id", *SCORE_NAMES, "auto_label", "margin", "tied", "group_size", "fingerprint")
SIGNAL_COLUMNS = (
    "clip_id",
    "decoded",
    "missing",
    "brightness",
    "change",
    "frozen",
    "black",
    "cuts",
    "border",
    "fixed",
    "person",
    "person_share",
    "person_detector",
)


def clips_table(manifests: Manifests, generators: Sequence[str], *, selected: bool = True) -> pd.DataFrame:
    """Return a row per readable clip that counts, sorted by generator and clip_id.

    Args:
        selected: leave out the clips that `hfv select` did not choose.

    Returns:
        The columns of `clips`, labels, splits and signals, `pixels`, `bytes_per_frame`, `reviewed`, and `final_label`,
        the label that reviewers decided (null = undecided, rejected or not reviewed).
    """
    read = partial(_clips_table, manifests, generators, selected=selected)
    return at_one_moment(manifests, (CLIPS, SELECTION, LABELS, SPLITS, REVIEWS), read)


def _clips_table(manifests: Manifests, generators: Sequence[str], *, selected: bool) -> pd.DataFrame:
    tables, lost = [], lost_clips(manifests)
    for generator in generators:
        clips = _frame(
            clips_of(manifests, generator, [*CLIP_COLUMNS], lost, selected=selected), [*CLIP_COLUMNS, "status"]
        )
        clips = clips[clips["status"].eq(Status.OK.value)].drop(columns="status")
        for table, columns in ((LABELS, LABEL_COLUMNS), (SPLITS, ("clip_id", "split")), (SIGNALS, SIGNAL_COLUMNS)):
            rows = _frame(manifests.read_settled(table, columns, generator=generator), columns)
            clips = clips.merge(rows.drop_duplicates("clip_id"), on="clip_id", how="left")
        parts = _components(manifests, generator)
        known = {name: clips["clip_id"].map(parts[name]).astype(float) for name in COMPONENTS}
        tables.append(clips.assign(**known).sort_values("clip_id"))
    clips = pd.concat(tables, ignore_index=True)
    clips = _reviewed(manifests, clips.assign(is_real=clips["is_real"].fillna(False).astype(bool)))
    return clips.assign(
        pixels=clips["width"].astype("Float64") * clips["height"].astype("Float64"),
        bytes_per_frame=clips["bytes"].astype("Float64") / clips["num_frames"].astype("Float64").clip(lower=1),
        **{NEAR: pd.Series(pd.NA, clips.index, "str")},
    )


def _reviewed(manifests: Manifests, clips: pd.DataFrame) -> pd.DataFrame:
    """Return the clips with the columns `reviewed` and `final_label`."""
    decisions, overlap = read_reviews(manifests)
    begun = clips.groupby("generator")["auto_label"].transform("count").gt(0)  # reviewers may come before `hfv label`
    labelled = (clips["auto_label"].notna() | ~begun).to_numpy(bool)
    kind = clip_kinds(ok=np.ones(len(clips), bool), real=clips["is_real"].to_numpy(bool), labelled=labelled)
    rows = clips[["clip_id", "auto_label"]].assign(kind=kind)
    final = final_labels(rows, decisions, overlap=DEFAULT_OVERLAP if overlap is None else overlap)
    decided = final["label"].where(final["label_source"].eq("review"))  # else it is the automatic label
    return clips.assign(reviewed=final["outcome"].notna(), final_label=decided)


def scores_of_other_profiles(manifests: Manifests, clips: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the scores of the generated clips in each profile that did not give their labels.

    Args:
        clips: the result of `clips_table`.

    Returns:
        By profile: a row per clip that has all three scores, indexed by clip_id; columns spatial, appearance, motion.
    """
    found: dict[str, list[pd.DataFrame]] = {}
    for generator, own in clips[~clips["is_real"]].groupby("generator", sort=True):
        origin = origin_of_labels(manifests, str(generator))
        for profile in scored_profiles(manifests, [str(generator)]):
            if origin is not None and profile != origin.profile:
                found.setdefault(profile, []).append(_scores(manifests, profile, str(generator), own["clip_id"]))
    return {profile: pd.concat(parts) for profile, parts in sorted(found.items())}


def _scores(manifests: Manifests, profile: str, generator: str, clip_ids: pd.Series) -> pd.DataFrame:
    columns = {}
    for metric in METRICS:
        rows = manifests.read(
            SCORES, ["clip_id", "score", "status"], profile=profile, metric=metric.value, generator=generator
        ).to_pandas()
        own = rows[rows["status"].eq(Status.OK.value)].drop_duplicates("clip_id").set_index("clip_id")["score"]
        columns[metric.value] = clip_ids.map(own).astype(float)
    return pd.DataFrame(columns).set_index(pd.Index(clip_ids, name="clip_id")).dropna()


def _components(manifests: Manifests, generator: str) -> dict[str, dict[str, float]]:
    """Return each of `COMPONENTS` by clip id, from the motion scores that the labels were made from."""
    found: dict[str, dict[str, float]] = {name: {} for name in COMPONENTS}
    origin = origin_of_labels(manifests, generator)
    if origin is None:
        return found
    keys = {"profile": origin.profile, "metric": Metric.MOTION.value, "generator": generator}
    rows = manifests.read(SCORES, ["clip_id", "components"], **keys)
    for clip_id, own in zip(rows["clip_id"].to_pylist(), rows["components"].to_pylist(), strict=True):
        for name, value in own or ():
            if name in found:
                found[name][clip_id] = value
    return found


def _frame(rows: pa.Table, columns: Sequence[str] | None) -> pd.DataFrame:
    """Return the columns of the table with nullable types, so that integers stay integers."""
    chosen = rows if columns is None else rows.select([*columns])
    kinds = {pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    frame: pd.DataFrame = chosen.to_pandas(types_mapper=kinds.get)
    return frame
