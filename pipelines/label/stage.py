"""Label: ranks inside each generator, and the label that the smallest rank names."""

import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from hfv_builder.clips.formats import COLUMNS, name_formats
from hfv_builder.clips.sources import check_name
from hfv_builder.labelling.labels import label_clips, label_real
from hfv_builder.labelling.scored import choose_profile, labels_fingerprint, scored_profiles
from hfv_builder.profiles.profile import argument
from hfv_builder.records import METRICS, Label, UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, LABELS, SCORES, SELECTION
from hfv_builder.storage.snapshot import at_one_moment
from pipelines.generators import catalogued, clips_of, for_each, leave_to_owners, shared_tables, with_lost_clips
from pipelines.label.format_report import label_mix
from pipelines.label.rankable import rankable_scores
from pipelines.outcome import SHOWN, Outcome, paragraphs, table
from pipelines.score.old_scores import bring_up_to_date


def label(
    manifests: Manifests,
    generators: Sequence[str] = (),
    *,
    profile: str | None = None,
    allow_mixed: bool = False,
    by_format: bool = False,
) -> Outcome:
    """Label the clips of these generators, or of all, by the scores of one profile.

    Args:
        profile: its name, or the path of its TOML file; None takes the only profile that has scores of these
            generators, else `paper`.
        allow_mixed: rank scores from different devices or major versions of the decoder together, and leave clips
            unlabelled whose only score is from an older configuration.
        by_format: rank the clips of each format of a generator separately.

    Raises:
        UsageError: no profile was chosen, or a generator has clips without scores or with scores that cannot be ranked
            together. The other generators are labelled before it is raised.
    """
    started = time.time()
    some = list(dict.fromkeys(generators or catalogued(manifests)))
    bring_up_to_date(manifests, map(check_name, some))
    chosen = choose_profile(manifests, some, profile)

    def work(lost: pa.Table) -> list[tuple[dict[str, Any], list[dict[str, Any]], list[str]]]:
        one = partial(_label_one, manifests, lost, profile=chosen, allow_mixed=allow_mixed, by_format=by_format)
        return for_each(manifests, "label", some, one, done="labelled")

    lost, labelled = with_lost_clips(manifests, work)
    leave_to_owners(manifests, "label", LABELS, some)
    rows = [row for row, _, _ in labelled]
    formats = [row for _, some_rows, _ in labelled for row in some_rows]
    warnings = [text for _, _, texts in labelled for text in texts]
    next_ = f"labels are in {manifests.root / 'labels'}; next: hfv split"
    shared, lists = shared_tables(lost, generators)
    mixes = table(formats, "labels by format, where a generator has several:", limit=2 * SHOWN)
    text = paragraphs(table(rows), shared, mixes, *(f"warning: {warning}" for warning in warnings), next_)
    summary = {"generators": rows, "profile": chosen, "warnings": warnings, "manifests": str(manifests.root)}
    return Outcome(summary=summary | lists | {"formats": formats}, text=text, started=started)


def _label_one(
    manifests: Manifests, lost: pa.Table, generator: str, *, profile: str | None, allow_mixed: bool, by_format: bool
) -> tuple[dict[str, Any], list[dict[str, Any]], list[str]]:
    """Label one generator; return its summary row, a row for each of its formats if it has several, and warnings."""
    read = partial(_clips_and_scores, manifests, lost, generator, profile, allow_mixed=allow_mixed)
    of_profile = {"profile": profile} if profile else {}
    found = at_one_moment(manifests, (CLIPS, SELECTION, SCORES), read, generator=generator, **of_profile)
    clips, is_real, scores, fingerprints, warnings = found
    if is_real and profile and len(fingerprints) < len(METRICS) and scored_profiles(manifests, [generator]):
        score = f"hfv score --generator {generator} --profile {argument(profile)}"
        warnings.append(f"{generator} has no scores of profile {profile}, so its labels have none: run `{score}`")
    formats = name_formats(clips.select(COLUMNS).to_pandas())
    labelled = label_real(scores) if is_real else label_clips(scores, groups=formats if by_format else None)
    made_from = labels_fingerprint(profile, fingerprints) if profile and len(fingerprints) == len(METRICS) else None
    labelled["fingerprint"] = made_from
    manifests.replace(
        LABELS, [pa.Table.from_pandas(labelled, LABELS.schema, preserve_index=False)], generator=generator
    )

    counts = Counter(labelled["auto_label"].dropna().astype(int))
    row: dict[str, Any] = {"generator": generator, "profile": profile if fingerprints else None}
    row |= {str(name): counts[name] for name in Label}
    row |= {"unlabelled": int(labelled["auto_label"].isna().sum()), "tied": int(labelled["tied"].fillna(False).sum())}
    if is_real:
        return row, [], warnings
    mix, about_formats = label_mix(generator, formats, labelled["auto_label"], by_format=by_format)
    return row, mix, warnings + about_formats


def _clips_and_scores(
    manifests: Manifests, lost: pa.Table, generator: str, profile: str | None, *, allow_mixed: bool
) -> tuple[pa.Table, bool, pd.DataFrame, list[str], list[str]]:
    """Return the clips, whether they are camera footage, their scores, the fingerprints of these, and warnings."""
    clips = clips_of(manifests, generator, ["is_real", *COLUMNS], lost, selected=True).sort_by("clip_id")
    is_real = len(clips) > 0 and clips["is_real"][0].as_py()
    ids = clips["clip_id"].combine_chunks()
    scores = pd.DataFrame({"clip_id": ids.to_pandas(), "generator": generator})
    fingerprints: list[str] = []
    warnings: list[str] = []
    for metric in METRICS:
        try:
            rankable = rankable_scores(manifests, ids, profile, metric, generator, allow_mixed=allow_mixed)
        except UsageError:
            if len(clips) and not is_real:  # a generator without clips has them all counted in others
                raise
            scores[metric.value] = np.nan  # for reference only: no rank depends on them, and a partial set misleads
            continue
        # Both have one row per clip, sorted by clip_id.
        scores[metric.value] = rankable.rows["score"].to_numpy()
        fingerprints.append(rankable.fingerprint or "")
        warnings += rankable.warnings
    return clips, is_real, scores, fingerprints, warnings
