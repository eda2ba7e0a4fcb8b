"""The three scores of the user's own clips, for the detector that uses only scores."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hfv_builder.detectors.run_folder import Specification
from hfv_builder.labelling.scored import DEFAULT, scored_profiles
from hfv_builder.profiles.profile import argument
from hfv_builder.records import METRICS, Status, UsageError
from hfv_builder.release.selection import LITE
from hfv_builder.storage.checksum import file_sha256
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import SCORES
from pipelines.generators import catalogued

ID = 16
"""Hex digits of a clip id."""


def own_scores(manifests: Manifests | None, paths: Sequence[Path], run: Specification) -> pd.DataFrame:
    """Return the scores of clips that are catalogued and scored, a row per path and a column per metric; null without
    scores.

    Args:
        manifests: in which scores are looked up by the content of the files; None for no manifests.
        paths: the clips.
        run: of which the profile is used; if it is unknown, lite for a run on lite, else another one.

    Raises:
        UsageError: no clip has scores, or several profiles have.
    """
    ids = [clip_id_of(path) for path in paths]
    profile = None if manifests is None else _profile(manifests, run)
    names = [metric.value for metric in METRICS]
    rows = pd.DataFrame(index=pd.Index(ids), columns=names, dtype="float64")
    if manifests is not None and profile is not None:
        for metric in names:
            table = manifests.read(SCORES, ["clip_id", "score", "status"], profile=profile, metric=metric)
            wanted = pc.is_in(table["clip_id"], value_set=pa.array(ids, pa.string()))
            own = table.filter(pc.and_(wanted, pc.equal(table["status"], Status.OK.value))).to_pandas()
            rows[metric] = own.drop_duplicates("clip_id", keep="last").set_index("clip_id")["score"].reindex(ids)
    if not rows.notna().all(axis=1).any():
        name = argument(run.profile or (LITE if run.is_lite else DEFAULT))
        raise UsageError(
            "prior looks at scores alone, and the manifests have none of these clips: run `hfv catalog` and `hfv score "
            f"--profile {name}` on them, or predict with a detector that looks at files"
        )
    return rows.reset_index(drop=True)


def clip_id_of(path: Path) -> str:
    """Return the clip id of a file; empty if it cannot be read."""
    try:
        return file_sha256(path)[:ID] if path.is_file() else ""
    except OSError:
        return ""


def _profile(manifests: Manifests, run: Specification) -> str | None:
    """Return the profile whose scores a run can use; None without scores."""
    scored = [
        name
        for name in scored_profiles(manifests, catalogued(manifests))
        if (name == run.profile if run.profile else (name == LITE) == run.is_lite)
    ]
    if len(scored) > 1 and DEFAULT not in scored:
        raise UsageError(
            f"there are scores of several profiles ({', '.join(scored)}): give --manifests with those of one"
        )
    return DEFAULT if len(scored) > 1 else next(iter(scored), None)
