"""The person detector in the audit: it scores clips without a score, resumes, and loses no scores."""

import dataclasses
from pathlib import Path

import pyarrow as pa
import pytest

from hfv_builder.backends.registry import resolve
from hfv_builder.profiles.profile import load_profile
from hfv_builder.records import METRICS, Metric, UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import SELECTION, SIGNALS
from hfv_builder.storage.supersession import newest_signals
from pipelines.audit.signals import complete_signals
from pipelines.audit.stage import audit
from pipelines.audit.worker import signal_shard
from pipelines.catalog.stage import catalog
from pipelines.generators import clips_of, lost_clips
from pipelines.person_run import PersonRun, person_run
from pipelines.score.plan import plan_run
from pipelines.score.run import ClipJob, ScoringRun
from pipelines.score.stage import score
from pipelines.score.worker import score_shard
from pipelines.select.stage import select
from pipelines.versions import packages
from pipelines.workers.cluster import Cluster
from tests.conftest import moving_square, write_clip
from tests.people.networks import pin_pose, pose_network
from tests.pipelines.conftest import rows

IN_PROCESS = Cluster(workers=0)
COLUMNS = ("person", "person_share", "person_detector")


@pytest.fixture
def pose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PersonRun:
    """Return the light detector with a network whose score is the brightest pixel."""
    monkeypatch.setenv("HFV_WEIGHTS", str(tmp_path / "weights"))
    pin_pose(monkeypatch, pose_network(tmp_path / "weights" / "pose" / "pose_detection.tflite"))
    run = person_run()
    assert run is not None
    return run


@pytest.fixture
def clips(manifests: Manifests, tmp_path: Path) -> Manifests:
    """Catalogue three bright and three dark clips."""
    folder = tmp_path / "clips" / "kling"
    for number in range(6):
        frames = moving_square(6, seed=number)
        write_clip(folder / f"{number}.mp4", frames if number < 3 else (frames // 4))
    catalog(manifests, "kling", folder, cluster=IN_PROCESS)
    return manifests


def people_rows(manifests: Manifests) -> list[tuple[object, ...]]:
    return [tuple(row[name] for name in COLUMNS) for row in rows(manifests, SIGNALS)]


def complete(manifests: Manifests, people: PersonRun | None, **options: bool) -> int:
    return complete_signals(manifests, "kling", lost_clips(manifests), IN_PROCESS, people=people, **options)


def test_person_scores_are_the_same_with_signals_or_later(clips: Manifests, tmp_path: Path, pose: PersonRun) -> None:
    other = Manifests(tmp_path / "other")
    catalog(other, "kling", tmp_path / "clips" / "kling", cluster=IN_PROCESS)
    assert complete(clips, pose) == 6
    assert complete(other, None) == 6
    assert people_rows(other) == [(None, None, None)] * 6
    assert complete(other, pose) == 6  # only person scores are added to their signals
    assert rows(clips, SIGNALS) == rows(other, SIGNALS)
    with clips.lock("score-kling"):  # `hfv score` is at work
        assert complete(clips, pose) == complete(other, pose) == 0
    assert {row[2] for row in people_rows(clips)} == {pose.revision}
    assert sum(row[1] == 1 for row in people_rows(clips)) == 3


def test_person_scores_of_an_interrupted_run_are_kept(clips: Manifests, pose: PersonRun) -> None:
    two_clips = clips_of(clips, "kling", ["path", "num_frames"]).to_pylist()[:2]
    jobs = [
        ClipJob(clip_id=row["clip_id"], path=row["path"], metrics=(), num_frames=row["num_frames"]) for row in two_clips
    ]
    assert signal_shard(jobs, manifests=clips, generator="kling", people=pose) == 0
    assert complete(clips, pose) == 4
    assert all(row[0] is not None for row in people_rows(clips))


def test_scoring_again_loses_no_person_score(clips: Manifests, pose: PersonRun) -> None:
    complete(clips, pose)
    before = people_rows(clips)
    lite = load_profile("lite")
    score(clips, "kling", lite, metrics=[Metric.APPEARANCE], cluster=IN_PROCESS)
    assert people_rows(clips) == before
    plan = plan_run(clips, "kling", lite, METRICS, IN_PROCESS, device="cpu", deadline_s=None)
    assert plan.people is None  # with classical models the detector would cost more than the scores


def test_scoring_runs_with_a_detector_write_person_scores(clips: Manifests, pose: PersonRun) -> None:
    run = ScoringRun(
        manifests=clips,
        generator="kling",
        resolved=resolve(load_profile("lite")),
        packages=packages(),
        people=pose,
    )
    two_clips = clips_of(clips, "kling", ["path", "num_frames"]).to_pylist()[:2]
    jobs = [
        ClipJob(clip_id=row["clip_id"], path=row["path"], metrics=METRICS, num_frames=row["num_frames"])
        for row in two_clips
    ]
    assert score_shard(jobs, run=run).failed == 0
    scored = people_rows(clips)
    assert [row[2] for row in scored] == [pose.revision] * 2
    complete(clips, pose)
    assert {*scored} <= {*people_rows(clips)}
    with_other_detector = dataclasses.replace(run, people=dataclasses.replace(pose, revision="pose of another machine"))
    assert score_shard(jobs, run=with_other_detector).failed == 0  # scores do not need the detector


def test_another_detector_replaces_scores_only_on_request(pose: PersonRun) -> None:
    assert pose.lacks(None)
    assert not pose.lacks(pose.revision)
    assert not pose.lacks("rtdetr x/1")
    assert pose.lacks("pose of other weights/1")
    replacing = dataclasses.replace(pose, replaces=True)
    assert replacing.lacks("rtdetr x/1")
    assert not replacing.lacks(pose.revision)


def test_a_clip_that_cannot_be_decoded_keeps_its_signals(clips: Manifests, pose: PersonRun, tmp_path: Path) -> None:
    complete(clips, None)
    path = tmp_path / "clips" / "kling" / "0.mp4"
    content = path.read_bytes()
    path.write_bytes(b"changed")
    assert complete(clips, pose) == 6
    without_person = [row for row in rows(clips, SIGNALS) if row["person"] is None]
    assert [(row["status"], row["person_detector"], len(row["hashes"]) > 0) for row in without_person] == [
        ("ok", pose.revision, True)
    ]
    assert complete(clips, pose) == 0
    path.write_bytes(content)
    assert complete(clips, pose, retry_failed=True) == 1
    assert all(row[0] is not None for row in people_rows(clips))


def test_the_audit_lists_and_shows_clips_without_a_person(clips: Manifests, pose: PersonRun) -> None:
    findings = audit(clips, cluster=IN_PROCESS).summary["findings"]
    finding = next(row for row in findings if row["finding"] == "no person detected")
    assert finding["value"] == 0.5
    listed = (clips.local_root / "audit-clips" / "no-person-detected-kling.txt").read_text().split()
    dark = [row["clip_id"] for row in rows(clips, SIGNALS) if row["person"] < 0.5]
    assert sorted(listed) == sorted(dark)
    page = (clips.local_root / "audit.html").read_text()
    assert page.count('alt="frames of a clip without a detected person"') == 3


def test_without_a_detector_the_audit_says_what_to_install(
    clips: Manifests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HFV_WEIGHTS", str(tmp_path / "none"))
    audit(clips, cluster=IN_PROCESS)
    assert "run `hfv weights pull --profile audit`" in (clips.local_root / "audit.html").read_text().replace(
        "&#39;", "'"
    )
    with pytest.raises(UsageError, match="hfv weights pull --profile audit-rtdetr"):
        audit(clips, people="rtdetr", cluster=IN_PROCESS)


def test_select_takes_clips_without_a_person_last(clips: Manifests, pose: PersonRun) -> None:
    complete(clips, pose)
    select(clips, per_generator=4, balance=("person",))
    chosen = {row["clip_id"]: row for row in clips.read(SELECTION).to_pylist()}
    bright = {row["clip_id"] for row in rows(clips, SIGNALS) if row["person"] >= 0.5}
    assert {clip for clip, row in chosen.items() if row["selected"]} >= bright
    reasons_of_others = [row["reason"] for row in chosen.values() if not row["selected"]]
    assert reasons_of_others == ["no person is detected"] * 2
    reasons = {row["reason"] for clip, row in chosen.items() if clip in bright}
    assert reasons == {"chosen, person all frames"}


def test_supersession_prefers_rows_with_a_person_score() -> None:
    def part(version: str, detector: str | None, decoded: int) -> pa.Table:
        row = dict.fromkeys(SIGNALS.schema.names) | {"clip_id": "a", "status": "ok", "version": version}
        return pa.Table.from_pylist([row | {"person_detector": detector, "decoded": decoded}], SIGNALS.schema)

    def decoded_of_kept(*parts: pa.Table) -> int:
        return int(newest_signals(parts)[0]["decoded"][0].as_py())

    assert decoded_of_kept(part("2", "pose", 1), part("2", None, 2)) == 1
    assert decoded_of_kept(part("2", "pose", 1), part("2", "rtdetr", 2)) == 2
    assert decoded_of_kept(part("2", "pose", 1), part("10", None, 2)) == 2
    failed = part("2", None, 3).set_column(SIGNALS.schema.get_field_index("status"), "status", pa.array(["failed"]))
    assert decoded_of_kept(part("2", None, 1), failed) == 1
