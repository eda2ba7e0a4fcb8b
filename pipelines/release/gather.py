"""What the manifests say of all clips that a release is to hold."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from hfv_builder.clips.sources import load_sources
from hfv_builder.labelling.reviews import read_reviews
from hfv_builder.labelling.scored import Origin, origin_of_labels
from hfv_builder.records import METRICS, Label, Split, Status, UsageError
from hfv_builder.release.dataset import DEFAULT, Dataset, with_places
from hfv_builder.release.metadata import FINGERPRINTS
from hfv_builder.release.name import ReleaseName
from hfv_builder.release.reviewed import review_columns, vote_counts
from hfv_builder.release.selection import Ready, check_licences, check_reviews, check_together, choose_clips
from hfv_builder.release.settings import FILE, load_settings
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.places import Place
from hfv_builder.storage.schema import CLIPS, FINAL, LABELS, REVIEWS, SCORES, SELECTION, SPLITS
from hfv_builder.storage.snapshot import at_one_moment
from pipelines.generators import catalogued, clips_of, lost_clips

CLIP_COLUMNS = ["clip_id", "generator", "is_real", "path", "sha256", "bytes", "prompt", "status"]
FACTS = ["width", "height", "fps", "num_frames", "duration_s"]


def gather(
    manifests: Manifests,
    name: ReleaseName,
    *,
    media: str,
    allow_lite: bool,
    settings: Place | None,
    variants: Sequence[str] = (),
) -> Dataset:
    """Read what is to be released from the manifests.

    Args:
        variants: those made of each evaluation set.
        settings: the release.toml; None takes that of the manifests folder.

    Raises:
        UsageError: something is missing, unfinished or does not belong together.
    """
    read = partial(_gather, manifests, name, media=media, allow_lite=allow_lite, settings=settings, variants=variants)
    return at_one_moment(manifests, (CLIPS, SELECTION, LABELS, SPLITS, REVIEWS, FINAL), read)


def _gather(
    manifests: Manifests,
    name: ReleaseName,
    *,
    media: str,
    allow_lite: bool,
    settings: Place | None,
    variants: Sequence[str],
) -> Dataset:
    words = load_settings(settings or manifests.root / FILE)
    sources = load_sources(manifests.root)
    chosen, profiles = _chosen(manifests)
    profile = check_together(chosen, profiles, allow_lite=allow_lite)
    chosen = {generator: rows for generator, rows in chosen.items() if len(rows)}
    check_licences(chosen, sources)
    decisions = read_reviews(manifests)[0] if manifests.parts(REVIEWS) else []
    rows = pd.concat(chosen.values(), ignore_index=True).rename(columns={"path": "source"})
    label_of = dict(zip(rows["clip_id"], rows["label"].astype(int), strict=True))
    reviews = review_columns(decisions, label_of)
    check_reviews(rows, reviews, manifests.read(FINAL, ["clip_id", "rejected"]).to_pandas())
    rows = rows.merge(reviews, on="clip_id", how="left")
    rows["reviewers"] = rows["reviewers"].astype("Int32").fillna(0)
    group = next((name for name in ("prompt", "near") if rows["policy"].str.endswith(f"-by-{name}").all()), "content")
    rows = rows.assign(media=media)
    test = rows[rows["split"].eq(Split.TEST)]
    if variants and not len(test):
        raise UsageError("variants are made of evaluation sets, and no clip is test: run `hfv split --protocol hfv`")
    if (test["generator"].eq(DEFAULT) & test["label"].ne(Label.REAL)).any():
        raise UsageError(
            f"no evaluation set can be called {DEFAULT}, which names train and validation: catalogue the clips of this "
            "generator under another name"
        )
    places = [with_places(rows), *(with_places(test, variant) for variant in variants)]
    return Dataset(
        name=name,
        settings=words,
        sources={generator: sources[generator] for generator in chosen},
        rows=pd.concat(places).sort_values("path", ignore_index=True),
        profile=profile,
        protocol=str(rows["protocol"].iloc[0]),
        group=group,
        media=media,
        votes=vote_counts(decisions, label_of),
    )


def _chosen(manifests: Manifests) -> tuple[dict[str, pd.DataFrame], dict[str, str | None]]:
    """Return the clips that have a split, and the profile of the labels, by generator.

    Raises:
        UsageError: a stage is not finished, or older than the one before it.
    """
    lost = lost_clips(manifests)
    chosen: dict[str, pd.DataFrame] = {}
    profiles: dict[str, str | None] = {}
    for generator in catalogued(manifests):
        clips = clips_of(manifests, generator, CLIP_COLUMNS + FACTS, lost, selected=True).to_pandas()
        if not clips["status"].eq(Status.OK).any():
            continue
        origin = origin_of_labels(manifests, generator)
        profiles[generator] = origin.profile if origin else None
        fingerprints = origin.fingerprints if origin else {}
        if origin:
            _check_settled(manifests, generator, origin.profile)
        labels = manifests.read(LABELS, generator=generator).to_pandas()
        ready = Ready(
            generator=generator,
            clips=clips,
            labels=labels,
            splits=manifests.read(SPLITS, generator=generator).to_pandas(),
            fresh=origin is not None and bool(fingerprints) and _is_fresh(manifests, generator, origin, labels),
        )
        made_with = {name: fingerprints.get(metric) for name, metric in zip(FINGERPRINTS, METRICS, strict=True)}
        rows = choose_clips(ready)
        chosen[generator] = rows.assign(profile=profiles[generator] if fingerprints else None, **made_with)
    return chosen, profiles


def _is_fresh(manifests: Manifests, generator: str, origin: Origin, labels: pd.DataFrame) -> bool:
    """Return whether the labels were made from the scores that there are: a clip may have been scored since."""
    for metric, fingerprint in origin.fingerprints.items():
        keys = {"profile": origin.profile, "metric": metric.value, "generator": generator}
        rows = manifests.read(SCORES, ["clip_id", "score", "fingerprint"], **keys)
        rows = rows.filter(pc.equal(rows["fingerprint"], fingerprint))
        scores = dict(zip(rows["clip_id"].to_pylist(), rows["score"].to_numpy(), strict=True))
        now = np.array([scores.get(clip_id, np.nan) for clip_id in labels["clip_id"]], np.float64)
        if not np.array_equal(now, labels[metric.value].to_numpy(np.float64), equal_nan=True):
            return False
    return True


def _check_settled(manifests: Manifests, generator: str, profile: str) -> None:
    for metric in METRICS:
        if not manifests.is_settled(SCORES, profile=profile, metric=metric.value, generator=generator):
            raise UsageError(
                f"the {metric} scores of {generator} are not finished: run `hfv score --generator {generator} "
                f"--profile {profile}` to its end, then `hfv label` and `hfv split`"
            )
