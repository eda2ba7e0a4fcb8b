"""The traces and images shown are of the scores that the labels were made from."""

from pathlib import Path
from typing import Any

import pytest

from hfv_builder.profiles.profile import load_profile
from hfv_builder.records import Metric
from hfv_builder.storage.manifest import Manifests
from pipelines.label.stage import label
from review_ui.traces import Traces
from tests.pipelines.quick import IDS, Quick, catalogue, value
from tests.pipelines.test_profiles import EDITED, A, B


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Quick:
    manifests = Manifests(tmp_path)
    catalogue(manifests)
    return Quick(manifests, monkeypatch)


def shown(quick: Quick, clip_id: str) -> tuple[Any, bytes]:
    """The motion score of the clip, and its image."""
    traces = Traces(quick.manifests)
    image = traces.evidence(clip_id, "kling", Metric.MOTION)
    assert image is not None
    return traces.read(clip_id, "kling")[Metric.MOTION]["score"], image.read_bytes()


@pytest.mark.parametrize("profile", [A, B])
def test_of_two_profiles_it_is_the_one_of_the_labels(quick: Quick, profile: Any) -> None:
    quick.run(A)
    quick.run(B)
    assert Traces(quick.manifests).read(IDS[0], "kling") == {}  # nobody chose
    assert Traces(quick.manifests).evidence(IDS[0], "kling", Metric.MOTION) is None
    label(quick.manifests, profile=profile.name)
    assert shown(quick, IDS[1]) == (value(profile, IDS[1]), profile.name.encode())
    other = B if profile is A else A
    quick.run(load_profile("lite"))
    quick.run(other, retry_failed=True)
    assert shown(quick, IDS[1]) == (value(profile, IDS[1]), profile.name.encode())


def test_scores_that_are_compacted_while_the_server_runs_are_shown(
    quick: Quick, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("review_ui.traces.KEPT", 1)
    quick.run(A)
    label(quick.manifests)
    traces = Traces(quick.manifests)
    before = traces.read(IDS[0], "kling")
    catalogue(quick.manifests, [*IDS, f"{1:016x}"])
    quick.run(A)
    assert traces.read(IDS[0], "kling") == before


def test_of_two_rows_it_is_the_one_that_was_ranked(quick: Quick) -> None:
    quick.run(A)
    label(quick.manifests)
    quick.run(EDITED, failing=IDS[:1])
    label(quick.manifests, allow_mixed=True)
    row = Traces(quick.manifests).read(IDS[0], "kling")[Metric.MOTION]
    assert (row["score"], row["status"]) == (None, "failed")
    assert shown(quick, IDS[1])[0] == value(EDITED, IDS[1])


def test_while_scores_are_made_anew_those_of_the_labels_are_shown(quick: Quick) -> None:
    quick.run(A)
    label(quick.manifests)
    quick.run(EDITED, killed_after=2)
    for clip_id in IDS:
        assert Traces(quick.manifests).read(clip_id, "kling")[Metric.MOTION]["score"] == value(A, clip_id)
