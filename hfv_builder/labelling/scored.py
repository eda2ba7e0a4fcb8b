"""The scores that are there: of which profiles and fingerprints, and which of them the labels were made from."""

import hashlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import pyarrow.compute as pc

from hfv_builder.clips.sources import check_name
from hfv_builder.profiles.profile import profile_names
from hfv_builder.records import METRICS, Metric, UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import LABELS, SCORES
from hfv_builder.storage.supersession import MADE_WITH

DEFAULT = "paper"
"""The profile that is taken if several have scores and nobody chose."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What the labels of a generator were made from."""

    profile: str
    fingerprints: Mapping[Metric, str]
    """Of the scores; empty if they were scored anew since, so that nobody can tell."""


def scored_profiles(manifests: Manifests, generators: Iterable[str]) -> list[str]:
    """The names of the profiles that have scores of one of these generators, sorted."""
    wanted = set(generators)
    return sorted({keys["profile"] for keys in manifests.partitions(SCORES) if keys["generator"] in wanted})


def choose_profile(manifests: Manifests, generators: Sequence[str], asked: str | None = None) -> str | None:
    """The profile whose scores of these generators count: the one asked for, else the only one, else `paper`.

    Args:
        asked: its name, or the path of its TOML file.

    Returns:
        None if there are no scores.

    Raises:
        UsageError: there are none of the profile asked for, or of several profiles and none is `paper`.
    """
    there = scored_profiles(manifests, generators)
    if asked is not None:
        name = check_name(PurePath(asked).stem if asked.endswith(".toml") else asked, "profile")
        if there and name not in there:
            raise UsageError(f"there are no scores of profile {name!r}; give --profile {' or '.join(there)}")
        return name
    if len(there) > 1 and DEFAULT not in there:
        raise UsageError(f"there are scores of several profiles ({', '.join(there)}); choose one with --profile")
    return DEFAULT if len(there) > 1 else next(iter(there), None)


def argument(profile: str) -> str:
    """What to give as `--profile` of `hfv score` for a profile of this name: itself, or a TOML file's name."""
    return profile if profile in profile_names() else f"{profile}.toml"


def present_fingerprint(manifests: Manifests, *, profile: str, metric: str, generator: str) -> str | None:
    """The configuration that the latest run computed with; None without scores."""
    keys = {"profile": profile, "metric": metric, "generator": generator}
    for part in reversed(manifests.parts(SCORES, **keys)):  # those added last are at the end
        if made_with := manifests.metadata(SCORES, part).get(MADE_WITH):
            return made_with.decode()
    counts = pc.value_counts(manifests.read(SCORES, ["fingerprint"], **keys)["fingerprint"]).to_pylist()
    named = [(row["counts"], row["values"]) for row in counts if row["values"] is not None]
    return max(named)[1] if named else None


def labels_fingerprint(profile: str, fingerprints: Sequence[str]) -> str:
    """The fingerprint of labels, 16 hex digits: a hash of the profile's name and the fingerprints of its scores.

    Args:
        fingerprints: one for each metric, in their order.
    """
    return _hashed([profile, *fingerprints])


def origin_of_labels(manifests: Manifests, generator: str) -> Origin | None:
    """The profile whose scores the labels of a generator were made from.

    Without labels, or if the scores have changed since, it is the profile that `choose_profile` takes; None if there
    is no such profile.
    """
    labels = manifests.read(LABELS, ["fingerprint"], generator=generator)["fingerprint"].drop_null().unique()
    wanted = set(labels.to_pylist())
    there = scored_profiles(manifests, [generator])
    for profile in there if wanted else []:
        fingerprints = [
            manifests.read(SCORES, ["fingerprint"], profile=profile, metric=metric.value, generator=generator)[
                "fingerprint"
            ]
            .drop_null()
            .unique()
            .to_pylist()
            for metric in METRICS
        ]
        for several in itertools.product(*fingerprints):
            # Labels of versions that knew one profile at a time do not hash its name.
            if wanted & {labels_fingerprint(profile, several), _hashed(several)}:
                return Origin(profile=profile, fingerprints=dict(zip(METRICS, several, strict=True)))
    if len(there) > 1 and DEFAULT not in there:
        return None
    chosen = choose_profile(manifests, [generator])
    return None if chosen is None else Origin(profile=chosen, fingerprints={})


def _hashed(texts: Iterable[str]) -> str:
    return hashlib.sha256(":".join(texts).encode()).hexdigest()[:16]
