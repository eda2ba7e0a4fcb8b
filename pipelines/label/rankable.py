"""Scores that can be ranked together: one per clip, all from the same configuration, decoder and device."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from hfv_builder.labelling.scored import present_fingerprint, scored_profiles
from hfv_builder.profiles.profile import argument
from hfv_builder.records import Metric, Status, UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import SCORES
from hfv_builder.wording import counted
from pipelines.environment import Environment, described, differences, not_comparable


@dataclass(frozen=True, kw_only=True)
class Rankable:
    """Scores of one generator, metric and profile."""

    rows: pa.Table
    """A row for each clip, sorted by clip_id; the columns clip_id, score, status, fingerprint and environment."""
    fingerprint: str | None
    warnings: list[str] = field(default_factory=list)


def rankable_scores(
    manifests: Manifests,
    clips: pa.StringArray,
    profile: str | None,
    metric: Metric,
    generator: str,
    *,
    allow_mixed: bool = False,
) -> Rankable:
    """Return the scores of these clips.

    Args:
        clips: their ids, sorted.
        allow_mixed: accept scores from different devices or major versions of the decoder, and ignore those of an older
            configuration.

    Raises:
        UsageError: a clip has no score, or the scores cannot be ranked together.
    """
    score = f"hfv score --generator {generator}"
    keys: dict[str, str] = {}
    rows = pa.table({name: pa.array([], pa.string()) for name in ("clip_id", "fingerprint", "status")})
    if profile is not None:
        columns = ["clip_id", "score", "status", "fingerprint", "environment"]
        keys |= {"profile": profile, "metric": metric.value, "generator": generator}
        rows = manifests.read(SCORES, columns, **keys)
        rows = rows.filter(pc.is_in(rows["clip_id"], value_set=clips)).sort_by("clip_id")
        score += f" --profile {argument(profile)}"
    if not len(rows):
        others = [name for name in scored_profiles(manifests, [generator]) if name != profile]
        which = f" of profile {profile}" if others else ""
        instead = f", or take those of {' or '.join(others)} with --profile" if others else ""
        raise UsageError(f"{generator} has no {metric} scores{which} yet: run `{score}`{instead}")
    fingerprint = _fingerprint(manifests, rows, clips, keys, score, allow_mixed)
    rows = rows.filter(pc.fill_null(pc.equal(rows["fingerprint"], fingerprint), fingerprint is None))
    if len(rows) < len(clips):
        raise UsageError(
            f"{len(clips) - len(rows)} of {len(clips)} clips of {generator} have no {metric} score; ranks need them "
            f"all: run `{score}` to its end"
        )
    if not rows["clip_id"].combine_chunks().equals(clips):
        raise UsageError(
            f"some clips of {generator} have two {metric} scores, as after an interrupted run: run `{score}` to its end"
        )
    succeeded = rows.filter(pc.equal(rows["status"], Status.OK.value))
    if not len(succeeded):
        raise UsageError(f"no clip of {generator} could be scored for {metric}; `hfv status` shows why")
    mixed = _mixed(manifests, succeeded["environment"], f"{metric} scores of {generator}", allow_mixed)
    return Rankable(rows=rows, fingerprint=fingerprint, warnings=mixed)


def _fingerprint(
    manifests: Manifests, rows: pa.Table, clips: pa.StringArray, keys: dict[str, str], score: str, allow_mixed: bool
) -> str | None:
    """Return the fingerprint under which the clips are ranked.

    Raises:
        UsageError: there are several, and the present one lacks a row for some clip or `allow_mixed` is off.
    """
    if len(kinds := rows["fingerprint"].unique()) == 1:
        return None if kinds[0].as_py() is None else str(kinds[0])
    counts = rows.group_by("fingerprint").aggregate([("clip_id", "count_distinct")]).to_pylist()
    clips_of: dict[str | None, int] = {row["fingerprint"]: row["clip_id_count_distinct"] for row in counts}
    present = present_fingerprint(manifests, **keys)
    whole = clips_of.get(present) == len(clips)
    if allow_mixed and whole:
        return present
    named = "; ".join(
        f"{fingerprint}: {counted(count, 'clip')}" for fingerprint, count in sorted(clips_of.items(), key=str)
    )
    again = f"run `{score}{' --retry-failed' if whole else ''}` to its end"
    leave = ", or `hfv label --allow-mixed` to leave clips unlabelled that fail" if whole else ""
    raise UsageError(
        f"the {keys['metric']} scores of {keys['generator']} come from different configurations of profile "
        f"{keys['profile']} ({named}) and cannot be ranked together: {again}{leave}"
    )


def _mixed(manifests: Manifests, environments: pa.ChunkedArray, which: str, allow_mixed: bool) -> list[str]:
    """Return a warning if the scores come from several environments.

    Raises:
        UsageError: the environments are not comparable and `allow_mixed` is off.
    """
    counts = {row["values"]: row["counts"] for row in environments.value_counts().to_pylist()}
    if len(counts) < 2:
        return []
    known = {key: described(manifests, key) for key in counts}
    differing = differences(known.values())
    named = "; ".join(_named(key, counts[key], known[key], differing) for key in sorted(counts, key=str))
    text = f"the {which} were made by different installations ({named})"
    if (forbidding := not_comparable(differing)) and not allow_mixed:
        raise UsageError(
            f"{text}, whose {' and '.join(forbidding)} may give other scores: rank them together all the same with "
            "--allow-mixed, or score all clips in one installation under a profile of another name"
        )
    return [text]


def _named(key: str | None, clips: int, environment: Environment, differing: Mapping[str, Sequence[str]]) -> str:
    facts = [f"{name} {environment.get(name, 'none')}" for name in differing] if environment else ["unknown versions"]
    return f"{key or 'not recorded'}: {counted(clips, 'clip')} with {', '.join(facts)}"
