"""Scores of several profiles are kept side by side, and no run loses a score of another."""

import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfv_builder.labelling.scored import origin_of_labels
from hfv_builder.profiles.profile import Profile, load_profile
from hfv_builder.records import METRICS, Metric, UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import EMBEDDINGS, LABELS, SCORES
from hfv_builder.storage.supersession import MADE_WITH
from pipelines.label.stage import label
from pipelines.status import status
from tests.pipelines.conftest import rows
from tests.pipelines.quick import IDS, Quick, catalogue, value

LITE = load_profile("lite")


def lite_named(name: str, **changes: Any) -> Profile:
    """Return `lite` under another name with these changes."""
    return dataclasses.replace(LITE, name=name, **changes)


A, EDITED = lite_named("a"), lite_named("a", long_side=96)
B = lite_named("b", long_side=120)


@pytest.fixture
def quick(manifests: Manifests, monkeypatch: pytest.MonkeyPatch) -> Quick:
    catalogue(manifests)
    return Quick(manifests, monkeypatch)


def successes(manifests: Manifests, profile: Profile) -> dict[tuple[str, str], set[float]]:
    """Return the scores that the profile has for every clip and metric."""
    scores: dict[tuple[str, str], set[float]] = {}
    for row in rows(manifests, SCORES, profile=profile.name):
        if row["status"] == "ok":
            scores.setdefault((row["clip_id"], row["metric"]), set()).add(row["score"])
    return scores


RUN = st.tuples(
    st.sampled_from([A, EDITED, B]),
    st.sets(st.sampled_from(IDS)),
    st.none() | st.integers(0, len(IDS)),
    st.booleans(),
    st.sampled_from([METRICS, (Metric.MOTION,)]),
)


@settings(max_examples=15)
@given(runs=st.lists(RUN, min_size=2, max_size=6))
def test_no_sequence_of_runs_loses_a_success(runs: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        manifests = Manifests(Path(folder))
        catalogue(manifests)
        quick = Quick(manifests, patch)
        for profile, failing, killed_after, retry, metrics in runs:
            before = {stored.name: successes(manifests, stored) for stored in (A, B)}
            scored = quick.run(profile, failing=failing, killed_after=killed_after, retry_failed=retry, metrics=metrics)
            after = {stored.name: successes(manifests, stored) for stored in (A, B)}
            for stored in (A, B):
                for (clip_id, metric), scores in before[stored.name].items():
                    remaining = after[stored.name].get((clip_id, metric), set())
                    replaced = stored.name == profile.name and value(profile, clip_id) in remaining
                    assert remaining == scores if not replaced else remaining, (clip_id, metric)
            embeddings = {row["clip_id"]: row["vectors"][0][0] for row in rows(manifests, EMBEDDINGS, model="model")}
            assert {clip_id for name in after for clip_id, metric in after[name] if metric == "appearance"} == set(
                embeddings
            )
            if scored is not None:
                present = {row["clip_id"] for row in rows(manifests, SCORES, profile=profile.name, metric="motion")}
                assert present == set(IDS)
                assert manifests.is_settled(SCORES, profile=profile.name, metric="motion", generator="kling")


def test_a_profile_that_fails_on_every_clip_keeps_the_scores_of_another(quick: Quick) -> None:
    quick.run(A)
    before = rows(quick.manifests, SCORES, profile="a")
    files = {path: path.read_bytes() for path in quick.manifests.local_root.glob("scores/profile=a/*/*/*")}
    quick.run(B, failing=IDS)
    assert rows(quick.manifests, SCORES, profile="a") == before
    assert files == {path: path.read_bytes() for path in quick.manifests.local_root.glob("scores/profile=a/*/*/*")}
    assert len(rows(quick.manifests, SCORES, profile="b")) == 3 * len(IDS)


def test_a_run_with_nothing_to_do_keeps_scores_of_an_interrupted_run(quick: Quick) -> None:
    quick.run(A)
    assert quick.run(B, killed_after=2) is None
    scored = rows(quick.manifests, SCORES, profile="b")
    assert len(scored) == 2 * len(METRICS)
    outcome = quick.run(A)
    assert outcome is not None
    assert outcome.summary["scored_now"] == 0
    assert rows(quick.manifests, SCORES, profile="b") == scored
    outcome = quick.run(B)
    assert outcome is not None
    assert outcome.summary["scored_now"] == len(IDS) - 2


def test_a_failure_of_an_edited_profile_keeps_the_old_success(quick: Quick) -> None:
    quick.run(A)
    outcome = quick.run(EDITED, failing=IDS[:1])
    assert outcome is not None
    assert outcome.exit_code == 3
    assert [row["older"] for row in outcome.summary["metrics"]] == [1, 1, 1]
    of_clip = [row for row in rows(quick.manifests, SCORES, metric="motion") if row["clip_id"] == IDS[0]]
    assert sorted((row["status"], row["score"]) for row in of_clip) == [("failed", None), ("ok", value(A, IDS[0]))]
    others = [row for row in rows(quick.manifests, SCORES, metric="motion") if row["clip_id"] != IDS[0]]
    assert [row["score"] for row in others] == [value(EDITED, row["clip_id"]) for row in others]
    second = quick.run(EDITED)
    assert second is not None
    assert second.summary["scored_now"] == 0  # failures are not tried again

    assert {
        (row["done"], row["failed"], row["left"], row["older"]) for row in status(quick.manifests).summary["scores"]
    } == {(3, 1, 0, 1)}
    with pytest.raises(UsageError, match=r"1 clip\b.*`hfv score --generator kling --profile a.toml --retry-failed`"):
        label(quick.manifests)
    labelled = label(quick.manifests, allow_mixed=True).summary["generators"][0]
    assert (labelled["unlabelled"], labelled["profile"]) == (1, "a")

    quick.run(EDITED, retry_failed=True)
    records = rows(quick.manifests, SCORES, metric="motion")
    assert [row["score"] for row in records] == [value(EDITED, row["clip_id"]) for row in records]
    assert label(quick.manifests).summary["generators"][0]["unlabelled"] == 0


def test_incomplete_scores_of_an_edited_profile_are_reported_and_refused(quick: Quick) -> None:
    quick.run(A)
    quick.run(EDITED, killed_after=1)
    counts = {(row["done"], row["left"], row["older"]) for row in status(quick.manifests).summary["scores"]}
    assert counts == {(1, 3, 4)}
    for mixed in (False, True):
        with pytest.raises(UsageError, match=r"spatial scores of kling .*run `hfv score --generator kling --profile a"):
            label(quick.manifests, allow_mixed=mixed)
    quick.run(EDITED)
    assert {row["older"] for row in status(quick.manifests).summary["scores"]} == {0}
    label(quick.manifests)


def test_reverting_an_edit_that_fails_everywhere_restores_the_scores(quick: Quick) -> None:
    quick.run(A)
    before = rows(quick.manifests, SCORES)
    quick.run(EDITED, failing=IDS)
    with pytest.raises(UsageError, match="different configurations of profile a"):
        label(quick.manifests)
    outcome = quick.run(A)
    assert outcome is not None
    assert (outcome.summary["scored_now"], outcome.exit_code) == (0, 0)
    assert rows(quick.manifests, SCORES) == before
    assert {(row["done"], row["older"]) for row in status(quick.manifests).summary["scores"]} == {(len(IDS), 0)}
    label(quick.manifests)


def test_label_uses_the_given_profile(quick: Quick) -> None:
    quick.run(A)
    assert label(quick.manifests).summary["profile"] == "a"
    quick.run(B)
    with pytest.raises(UsageError, match=r"scores of several profiles \(a, b\); choose one with --profile"):
        label(quick.manifests)
    fingerprints = set()
    for choice, profile in (("a", A), ("some/where/b.toml", B)):
        label(quick.manifests, profile=choice)
        labels = rows(quick.manifests, LABELS)
        assert [row["motion"] for row in labels] == [value(profile, row["clip_id"]) for row in labels]
        origin = origin_of_labels(quick.manifests, "kling")
        assert origin is not None
        assert origin.profile == profile.name
        fingerprints |= {row["fingerprint"] for row in labels}
    assert len(fingerprints) == 2
    with pytest.raises(UsageError, match="no scores of profile 'c'; give --profile a or b"):
        label(quick.manifests, profile="c")
    with pytest.raises(UsageError, match=r"'\.\./a' is not a valid name of a profile"):
        label(quick.manifests, profile="../a")
    quick.run(lite_named("paper"))
    assert label(quick.manifests).summary["profile"] == "paper"


def test_profiles_that_differ_in_name_alone_have_own_labels(quick: Quick) -> None:
    quick.run(A)
    quick.run(lite_named("same"))
    fingerprints = {}
    for name in ("a", "same"):
        label(quick.manifests, profile=name)
        fingerprints[name] = rows(quick.manifests, LABELS)[0]["fingerprint"]
        origin = origin_of_labels(quick.manifests, "kling")
        assert origin is not None
        assert origin.profile == name
    assert fingerprints["a"] != fingerprints["same"]


def test_one_generator_without_scores_of_the_profile_is_named(quick: Quick) -> None:
    catalogue(quick.manifests, ["ab" * 8], generator="pika")
    quick.run(A)
    with pytest.raises(UsageError, match="pika has no spatial scores yet: run `hfv score --generator pika --profile a"):
        label(quick.manifests)
    assert len(rows(quick.manifests, LABELS, generator="kling")) == len(IDS)


def test_evidence_of_two_profiles_is_kept_apart(quick: Quick) -> None:
    for profile in (A, B):
        quick.run(profile)
    for profile in (A, B):
        image = quick.manifests.evidence(IDS[0], Metric.MOTION, profile=profile.name, generator="kling")
        assert image.read_bytes() == profile.name.encode()


@pytest.fixture
def embedded(quick: Quick) -> Iterator[Any]:
    """Return a function that checks of which profile the embeddings of clips are: `check(c0=A, c1=B)`."""

    def check(**expected: Profile) -> None:
        vectors = {row["clip_id"]: row["vectors"][0][0] for row in rows(quick.manifests, EMBEDDINGS)}
        assert vectors == {IDS[int(key[1:])]: np.float16(value(p, IDS[int(key[1:])])) for key, p in expected.items()}

    return check  # type: ignore[return-value]


def test_embeddings_are_those_of_the_newest_success(quick: Quick, embedded: Any) -> None:
    quick.run(A)
    embedded(c0=A, c1=A, c2=A, c3=A)
    quick.run(B, failing=IDS[:2])
    embedded(c0=A, c1=A, c2=B, c3=B)
    quick.run(A)  # nothing to do
    embedded(c0=A, c1=A, c2=B, c3=B)
    quick.run(B, failing=IDS[1:2], retry_failed=True)
    embedded(c0=B, c1=A, c2=B, c3=B)
    made_with = {}
    for part in quick.manifests.parts(EMBEDDINGS, model="model", generator="kling"):
        for clip_id in quick.manifests.read_part(EMBEDDINGS, part, ["clip_id"])["clip_id"].to_pylist():
            made_with[clip_id] = quick.manifests.metadata(EMBEDDINGS, part)[MADE_WITH].decode()
    fingerprints = {
        p.name: rows(quick.manifests, SCORES, profile=p.name, metric="appearance")[0]["fingerprint"] for p in (A, B)
    }
    assert made_with == {IDS[0]: fingerprints["b"], IDS[1]: fingerprints["a"]} | dict.fromkeys(
        IDS[2:], fingerprints["b"]
    )


@pytest.mark.parametrize("name", ["Mine", "my profile", "16pairs", "a=b", "x" * 65, "é"])
def test_a_profile_whose_name_cannot_be_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / f"{name}.toml"
    file.write_text('base = "lite"\n')
    with pytest.raises(UsageError, match=r"is not a valid name of a profile: .*such as mine or paper-16"):
        load_profile(str(file))


def test_scores_with_the_same_fingerprint_are_copied(quick: Quick) -> None:
    manifests = quick.manifests
    quick.run(A, failing=IDS[:1])
    before = rows(manifests, SCORES, profile="a")
    pooled = lite_named("pooled", long_side=A.long_side, spatial=dataclasses.replace(A.spatial, pool="mean"))
    outcome = quick.run(pooled)
    assert outcome is not None
    assert outcome.summary["scores_copied"] == 2 * (len(IDS) - 1)
    assert rows(manifests, SCORES, profile="a") == before
    for metric, source in ((Metric.MOTION, A), (Metric.SPATIAL, pooled)):
        records = rows(manifests, SCORES, profile="pooled", metric=metric)
        assert [row["clip_id"] for row in records] == sorted(IDS)
        for row in records:
            profile = pooled if row["clip_id"] == IDS[0] else source
            assert row["score"] == value(profile, row["clip_id"])
            image = manifests.evidence(row["clip_id"], metric, profile="pooled", generator="kling")
            assert image.read_bytes() == profile.name.encode()
    second = quick.run(pooled)
    assert second is not None
    assert (second.summary["scores_copied"], second.summary["scored_now"]) == (0, 0)
    assert label(manifests, profile="pooled").summary["generators"][0]["unlabelled"] == 0
