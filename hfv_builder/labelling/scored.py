"""Which profiles and fingerprints have scores, and which of them the labels were made from."""

import hashlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import pyarrow.compute as pc

from hfv_builder.clips.sources import check_name
from hfv_builder.records import METRICS, Metric, UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.replacement import despite_replacements
from hfv_builder.storage.schema import LABELS, SCORES
from hfv_builder.storage.supersession import MADE_WITH

DEFAULT = "paper"
"""The profile that is used if several have scores and none is chosen."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The scores that the labels of a generator were made from."""

    profile: str
    fingerprints: Mapping[Metric, str]
    """The fingerprint of each metric's scores; empty if unknown because the clips have been scored again since."""


def scored_profiles(manifests: Manifests, generators: Iterable[str]) -> list[str]:
    """Return the sorted names of the profiles that have scores of one of these generators."""
    wanted = set(generators)
    return sorted({keys["profile"] for keys in manifests.partitions(SCORES) if keys["generator"] in wanted})


def choose_profile(manifests: Manifests, generators: Sequence[str], asked: str | None = None) -> str | None:
    """Return the profile whose scores of these generators count: the requested one, else the only one, else `paper`.

    Args:
        asked: the name of the requested profile, or the path of its TOML file.

    Returns:
        The name of the profile; None if no profile is requested and there are no scores.

    Raises:
        UsageError: the requested profile has no scores, or several profiles other than `paper` have.
    """
    scored = scored_profiles(manifests, generators)
    if asked is not None:
        name = check_name(PurePath(asked).stem if asked.endswith(".toml") else asked, "profile")
        if scored and name not in scored:
            raise UsageError(f"there are no scores of profile {name!r}; give --profile {' or '.join(scored)}")
        return name
    if len(scored) > 1 and DEFAULT not in scored:
        raise UsageError(f"there are scores of several profiles ({', '.join(scored)}); choose one with --profile")
    return DEFAULT if len(scored) > 1 else next(iter(scored), None)


def present_fingerprint(manifests: Manifests, *, profile: str, metric: str, generator: str) -> str | None:
    """Return the fingerprint of the latest run of these scores; None if there are no scores.

    If no part records it, this is the most frequent fingerprint of the rows.
    """
    keys = {"profile": profile, "metric": metric, "generator": generator}

    def recorded() -> str | None:
        parts = reversed(manifests.parts(SCORES, **keys))  # the parts added last come last
        found = (manifests.metadata(SCORES, part).get(MADE_WITH) for part in parts)
        return next((made_with.decode() for made_with in found if made_with), None)

    if made_with := despite_replacements(recorded, f"{manifests.root / SCORES.name}"):
        return made_with
    counts = pc.value_counts(manifests.read(SCORES, ["fingerprint"], **keys)["fingerprint"]).to_pylist()
    named = [(row["counts"], row["values"]) for row in counts if row["values"] is not None]
    return max(named)[1] if named else None


def labels_fingerprint(profile: str, fingerprints: Sequence[str]) -> str:
    """Return the fingerprint of labels, 16 hex digits: a hash of the profile's name and its scores' fingerprints.

    Args:
        fingerprints: one per metric, in the order of `METRICS`.
    """
    return _hashed([profile, *fingerprints])


def origin_of_labels(manifests: Manifests, generator: str) -> Origin | None:
    """Return the profile and fingerprints of the scores that the labels of a generator were made from.

    Without labels, or if the scores have changed since, this is the profile that `choose_profile` returns, without
    fingerprints; None if there is no such profile.
    """
    labels = manifests.read(LABELS, ["fingerprint"], generator=generator)["fingerprint"].drop_null().unique()
    wanted = set(labels.to_pylist())
    scored = scored_profiles(manifests, [generator])
    for profile in scored if wanted else []:
        fingerprints = [
            manifests.read(SCORES, ["fingerprint"], profile=profile, metric=metric.value, generator=generator)[
                "fingerprint"
            ]
            .drop_null()
            .unique()
            .to_pylist()
            for metric in METRICS
        ]
        for combination in itertools.product(*fingerprints):
            # Versions with a single profile did not hash its name.
            if wanted & {labels_fingerprint(profile, combination), _hashed(combination)}:
                return Origin(profile=profile, fingerprints=dict(zip(METRICS, combination, strict=True)))
    if len(scored) > 1 and DEFAULT not in scored:
        return None
    chosen = choose_profile(manifests, [generator])
    return None if chosen is None else Origin(profile=chosen, fingerprints={})


def _hashed(texts: Iterable[str]) -> str:
    return hashlib.sha256(":".join(texts).encode()).hexdigest()[:16]
