"""The audit from manifests to findings: it resumes, does not depend on workers, and writes lists and a page."""

import json
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from hfv_builder.audit.finding import Area, Estimate, Report
from hfv_builder.audit.limits import judge
from hfv_builder.frames.hashing import VERSION
from hfv_builder.profiles.profile import load_profile
from hfv_builder.records import METRICS, Split, UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import AUDIT, CLIPS, LABELS, REVIEWS, SCORES, SELECTION, SIGNALS, SPLITS
from pipelines.audit.gather import clips_table, scores_of_other_profiles
from pipelines.audit.near import groups_of_clips
from pipelines.audit.signals import complete_signals
from pipelines.audit.stage import _listed, _remove_old_lists, _table, audit
from pipelines.audit.thumbnails import pictures_of
from pipelines.audit.worker import signal_shard
from pipelines.catalog.stage import catalog
from pipelines.generators import clips_of, lost_clips
from pipelines.label.stage import label
from pipelines.review import read_list
from pipelines.score.run import ClipJob
from pipelines.score.stage import score
from pipelines.select.stage import select
from pipelines.split.stage import split
from pipelines.workers.cluster import Cluster
from review_ui.clips import Clips
from review_ui.filter import Filter
from tests.conftest import moving_square, write_clip
from tests.pipelines.conftest import rows
from tests.pipelines.test_label_and_split import decision, fill

IN_PROCESS = Cluster(workers=0)


def test_findings_do_not_depend_on_workers_or_interruptions(
    tmp_path: Path, clips_folder: Callable[..., Path], cluster: Cluster
) -> None:
    folder = clips_folder(count=5, frames=4, broken=True)
    write_clip(folder / "copy.mp4", moving_square(4, seed=0), pix_fmt="yuv444p")
    undisturbed, resumed = (Manifests(tmp_path / name) for name in ("one", "two"))
    for manifests in (undisturbed, resumed):
        catalog(manifests, "kling", folder, cluster=IN_PROCESS)
    first = clips_of(resumed, "kling", ["path"]).filter(pa.compute.field("status") == "ok").to_pylist()[:2]
    jobs = [ClipJob(clip_id=row["clip_id"], path=row["path"], metrics=()) for row in first]
    assert signal_shard(jobs, manifests=resumed, generator="kling") == 0  # as if a run was interrupted
    outcome, other = audit(undisturbed, cluster=cluster), audit(resumed, cluster=IN_PROCESS)
    assert (outcome.summary["computed"], other.summary["computed"]) == (6, 4)
    assert rows(undisturbed, SIGNALS) == rows(resumed, SIGNALS)
    assert undisturbed.read(AUDIT).to_pylist() == outcome.summary["findings"]
    findings = [
        str(manifests.read(AUDIT).to_pylist()).replace(str(manifests.root), "") for manifests in (undisturbed, resumed)
    ]
    assert findings[0] == findings[1]
    texts = {manifests: (manifests.local_root / "audit.html").read_text() for manifests in (undisturbed, resumed)}
    pages = [text.replace(str(manifests.root), "") for manifests, text in texts.items()]
    assert pages[0] == pages[1]
    assert audit(undisturbed, cluster=IN_PROCESS).summary["computed"] == 0
    near_duplicates = next(
        finding for finding in outcome.summary["findings"] if finding["finding"] == "near duplicates"
    )
    assert near_duplicates["value"] == pytest.approx(2 / 6)
    listed = read_list(undisturbed.local_root / "audit-clips" / "near-duplicates-all.txt")
    assert len(listed) == 2
    assert str(undisturbed.root / "audit-clips") in near_duplicates["advice"]
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", pages[0])  # the page loads nothing else
    assert outcome.text.startswith(outcome.summary["verdict"])
    json.loads(outcome.json())


def test_scoring_writes_the_signals_that_the_audit_computes(
    manifests: Manifests, tmp_path: Path, clips_folder: Callable[..., Path]
) -> None:
    folder = clips_folder(count=2, frames=4)
    catalog(manifests, "kling", folder, cluster=IN_PROCESS)
    score(manifests, "kling", load_profile("lite"), cluster=IN_PROCESS)
    scored = rows(manifests, SIGNALS)
    assert len(scored) == 2
    assert complete_signals(manifests, "kling", lost_clips(manifests), IN_PROCESS) == 0
    other = Manifests(tmp_path / "other")
    catalog(other, "kling", folder, cluster=IN_PROCESS)
    assert complete_signals(other, "kling", lost_clips(other), IN_PROCESS) == 2
    assert rows(other, SIGNALS) == scored
    profile_of_pairs = replace(load_profile("lite"), name="some", pairs=2)
    assert not profile_of_pairs.decodes_all


def test_a_changed_clip_has_a_reason_and_is_tried_again_on_request(
    manifests: Manifests, clips_folder: Callable[..., Path]
) -> None:
    folder = clips_folder(count=2, frames=4)
    catalog(manifests, "kling", folder, cluster=IN_PROCESS)
    (folder / "000.mp4").write_bytes(b"changed")
    lost = lost_clips(manifests)
    assert complete_signals(manifests, "kling", lost, IN_PROCESS) == 2
    assert complete_signals(manifests, "kling", lost, IN_PROCESS) == 0
    failed = [row for row in rows(manifests, SIGNALS) if row["status"] != "ok"]
    assert len(failed) == 1
    assert "has changed since it was catalogued" in failed[0]["error"]
    assert complete_signals(manifests, "kling", lost, IN_PROCESS, retry_failed=True) == 1
    assert audit(manifests, cluster=IN_PROCESS).summary["severities"]["note"] > 0


def with_hashes(manifests: Manifests, generator: str, hashes: dict[str, list[int]]) -> None:
    template = [dict.fromkeys(SIGNALS.schema.names) | {"version": VERSION, "status": "ok", "decoded": 9}] * len(hashes)
    table = [
        row | {"clip_id": clip, "hashes": hashes_of_clip}
        for row, (clip, hashes_of_clip) in zip(template, hashes.items(), strict=True)
    ]
    manifests.replace(SIGNALS, [pa.Table.from_pylist(table, SIGNALS.schema)], generator=generator)


def test_near_duplicates_are_on_one_side(manifests: Manifests) -> None:
    names = ("kling", "pika")
    ids = {name: fill(manifests, name, [(i % 7, (i * 5) % 11, (i * 3) % 13) for i in range(30)]) for name in names}
    label(manifests, names)
    with pytest.raises(UsageError, match=r"60 have none: run `hfv audit`"):
        split(manifests, group="near")
    for position, name in enumerate(names):  # clip n of one generator is a copy of clip n + 1 of the other
        hashes = {clip: [(7 * (n + position) + 1) * 0x9E3779B97F4A7C15 % 2**64] for n, clip in enumerate(ids[name])}
        with_hashes(manifests, name, hashes)
    split(manifests)
    before = sides(manifests)
    outcome = split(manifests, group="near")
    after = sides(manifests)
    pairs = [(ids["kling"][n + 1], ids["pika"][n]) for n in range(29)]
    assert any(before[a] != before[b] for a, b in pairs)
    assert all(after[a] == after[b] for a, b in pairs)
    assert outcome.summary["moved"] > 0
    assert {row["policy"] for row in manifests.read(SPLITS).to_pylist()} == {"top20-by-near"}
    with pytest.raises(UsageError, match="leave --generator out"):
        split(manifests, ["kling"], group="near")


def sides(manifests: Manifests) -> dict[str, Split]:
    return {row["clip_id"]: row["split"] for row in manifests.read(SPLITS).to_pylist()}


def test_label_and_split_use_the_selection(manifests: Manifests) -> None:
    ids = fill(manifests, "kling", [(i % 7, (i * 5) % 11, (i * 3) % 13) for i in range(30)])
    clips = manifests.read(CLIPS).to_pylist()
    for index, row in enumerate(clips):
        row["prompt"] = "a man walks" if index % 3 else "a woman dances in the snow"
    manifests.replace(CLIPS, [pa.Table.from_pylist(clips, CLIPS.schema)], generator="kling")
    label(manifests)
    outcome = select(manifests, per_generator=10, balance=("activity",), seed=3)
    assert outcome.summary["generators"][0]["activity"].endswith("→ 1.00")
    chosen = {row["clip_id"] for row in manifests.read(SELECTION).to_pylist() if row["selected"]}
    assert len(chosen) == 10
    assert {*ids} == {row["clip_id"] for row in manifests.read(SELECTION).to_pylist()}
    with pytest.raises(UsageError, match="labels of kling are older than its selection"):
        split(manifests)
    label(manifests)
    assert {row["clip_id"] for row in manifests.read(LABELS).to_pylist()} == chosen
    split(manifests)
    assert {*sides(manifests)} == chosen
    with pytest.raises(UsageError, match="leave out --per-generator"):
        select(manifests, everything=True, per_generator=3)
    select(manifests, everything=True)
    label(manifests)
    assert {row["clip_id"] for row in manifests.read(LABELS).to_pylist()} == {*ids}


def test_another_profile_ranks_the_same_clips(manifests: Manifests) -> None:
    rng = np.random.default_rng(0)
    ids = fill(manifests, "kling", [tuple(map(float, row)) for row in rng.random((80, 3))])
    for metric in METRICS:
        own = manifests.read(SCORES, profile="lite", metric=metric.value, generator="kling")
        keys = {"profile": "same", "metric": metric.value, "generator": "kling"}
        manifests.replace(
            SCORES, [own.set_column(own.column_names.index("profile"), "profile", pa.repeat("same", 80))], **keys
        )
    chosen = [{"clip_id": clip, "generator": "kling", "selected": number % 4 == 0} for number, clip in enumerate(ids)]
    manifests.replace(SELECTION, [pa.Table.from_pylist(chosen, schema=SELECTION.schema)], generator="kling")
    label(manifests, profile="lite")
    clips = clips_table(manifests, ["kling"])
    other = scores_of_other_profiles(manifests, clips)["same"]
    pd.testing.assert_frame_equal(other, clips.set_index("clip_id")[list(other)])
    assert len(other) == 20


def test_undecided_clips_do_not_count_as_confirmed(manifests: Manifests) -> None:
    ids = fill(manifests, "kling", [(10 - i, i % 3, i % 4) for i in range(10)])
    label(manifests)
    auto = {row["clip_id"]: row["auto_label"] for row in manifests.read(LABELS).to_pylist()}
    votes = [
        (ids[0], "anna", "confirm", auto[ids[0]]),
        (ids[0], "ben", "confirm", auto[ids[0]]),
        (ids[1], "anna", "relabel", (auto[ids[1]] + 1) % 3),
        (ids[1], "ben", "relabel", (auto[ids[1]] + 1) % 3),
        (ids[2], "anna", "relabel", (auto[ids[2]] + 1) % 3),  # too few votes
        (ids[3], "anna", "relabel", (auto[ids[3]] + 1) % 3),  # a dispute
        (ids[3], "ben", "relabel", (auto[ids[3]] + 2) % 3),
        (ids[4], "anna", "unsure", None),
        (ids[4], "ben", "unsure", None),
    ]
    rows = pa.Table.from_pylist([decision(*vote, number) for number, vote in enumerate(votes)], schema=REVIEWS.schema)
    manifests.replace(REVIEWS, [rows.replace_schema_metadata({"overlap": "2"})])
    clips = clips_table(manifests, ["kling"]).set_index("clip_id")
    assert clips["final_label"].dropna().to_dict() == {ids[0]: auto[ids[0]], ids[1]: (auto[ids[1]] + 1) % 3}
    assert {*clips.index[clips["reviewed"]]} == {*ids[:5]}
    manifests.replace(LABELS, [], generator="kling")
    assert int(clips_table(manifests, ["kling"])["reviewed"].sum()) == 5


def test_lists_of_similar_names_stay_apart_and_end_with_their_finding(tmp_path: Path) -> None:
    manifests = Manifests(tmp_path / "my manifests")
    estimate = Estimate(value=1.0)
    found = [
        judge("tied labels", subject, estimate, "", advice="hfv review --clips LIST", clips=(subject,))
        for subject in ("gen-2", "gen_2", "gen.2", "gen: 2", "gen-")
    ]
    report = _listed(manifests, Report(area=Area.LABELS, findings=tuple(found)))
    lists = [Path(shlex.split(finding.advice)[-1]) for finding in report.findings]
    assert [path.read_text() for path in lists] == [f"{finding.subject}\n" for finding in found]
    manifests.replace(AUDIT, [_table(found)])
    (lists[0].parent / "mine.txt").write_text("gen-2\n")
    mended = replace(found[1], clips=())
    _remove_old_lists(manifests, [mended, *found[2:4]])
    assert {path.name for path in lists[0].parent.iterdir()} == {*(path.name for path in lists[2:4]), "mine.txt"}


def test_a_content_in_two_generators_is_no_near_duplicate_of_itself(
    manifests: Manifests, tmp_path: Path, clips_folder: Callable[..., Path]
) -> None:
    folder = clips_folder(count=2, frames=4)
    catalog(manifests, "kling", folder, cluster=IN_PROCESS)
    audit(manifests, cluster=IN_PROCESS)
    (tmp_path / "film").mkdir()
    shutil.copy(min(folder.glob("*.mp4")), tmp_path / "film")
    catalog(manifests, "film", tmp_path / "film", real=True, cluster=IN_PROCESS)
    audit(manifests, cluster=IN_PROCESS)  # the content now counts as footage
    ids = manifests.read(SIGNALS)["clip_id"].to_pylist()
    assert len(ids) == len({*ids}) + 1
    groups, pairs = groups_of_clips(manifests, [*{*ids}], {})
    assert groups == {clip: clip for clip in ids}
    assert pairs.empty


def test_clips_without_the_chosen_frames_have_no_picture(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "short.mp4", moving_square(8))
    clips = pd.DataFrame({"clip_id": ["a", "b"], "path": str(path), "num_frames": [8, 400]})
    assert [*pictures_of(clips, ["a", "b"])] == ["a"]


def test_the_review_app_deals_only_listed_clips(manifests: Manifests, tmp_path: Path) -> None:
    ids = fill(manifests, "kling", [(1, 2, 3)] * 4)
    path = tmp_path / "list.txt"
    path.write_text(f"{ids[1]}\n{ids[3]}\n\nunknown\n")
    clips = Clips(manifests, read_list(path))
    assert [clips.ids[row] for row in clips.matches(Filter()).nonzero()[0]] == [ids[1], ids[3]]
    assert Clips(manifests).matches(Filter()).all()
    path.write_text("clip_id,why\n")
    with pytest.raises(UsageError, match="has no clip ids"):
        read_list(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_list(tmp_path / "absent.txt")


def test_other_labels_of_a_file_are_compared(
    manifests: Manifests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = fill(manifests, "kling", [(i % 7, (i * 5) % 11, (i * 3) % 13) for i in range(30)])
    label(manifests)
    with_hashes(manifests, "kling", {clip: [] for clip in ids})
    truth = {row["clip_id"]: row["auto_label"] for row in manifests.read(LABELS).to_pylist()}
    humansam = {0: 1, 1: 0, 2: 2}
    file = tmp_path / "train_4.csv"
    file.write_text("".join(f"videos/{clip}.mp4,{humansam[label_id]},0.5\n" for clip, label_id in truth.items()))
    findings = {
        finding["finding"]: finding
        for finding in audit(manifests, against=file, cluster=IN_PROCESS).summary["findings"]
    }
    assert findings["agreement with the other labels"]["value"] == 1
    assert findings["kappa with the other labels"]["value"] == 1
    with pytest.raises(UsageError, match="cannot be read"):
        audit(manifests, against=tmp_path / "absent.csv", cluster=IN_PROCESS)
    monkeypatch.setattr("pipelines.audit.stage.complete_signals", None)  # nothing is computed before it is refused
    with pytest.raises(UsageError, match="is not a release"):
        audit(manifests, release=tmp_path, cluster=IN_PROCESS)
