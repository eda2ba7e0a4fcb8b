"""Incomplete input is refused in one sentence, without a folder that looks like a release."""

import errno
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from hfv_builder.labelling.decisions import ADJUDICATOR, Decision
from hfv_builder.labelling.reviews import as_table
from hfv_builder.records import UsageError
from hfv_builder.release.name import ReleaseName
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, FINAL, LABELS, REVIEWS, SCORES, SPLITS
from pipelines.label.stage import label
from pipelines.release import staging, worker
from pipelines.release.stage import release
from pipelines.split.stage import split
from pipelines.workers.cluster import Cluster
from tests.conftest import moving_square, write_clip
from tests.release import sample
from tests.release.sample import FAKE, REAL, catalogue, write_scores

NAME = ReleaseName(name="small", version="1.0.0")


def edit_rows(
    manifests: Manifests, table: Any, generator: str, edit: Callable[[dict[str, Any]], object], rows: int = 1
) -> None:
    records = manifests.read(table, generator=generator).to_pylist()
    for row in records[:rows]:
        edit(row)
    manifests.replace(table, [pa.Table.from_pylist(records, schema=table.schema)], generator=generator)


def remove_a_label(manifests: Manifests) -> None:
    rows = manifests.read(LABELS, generator="seed")
    manifests.replace(LABELS, [rows.slice(1)], generator="seed")


def label_with_another_profile(manifests: Manifests) -> None:
    ids = manifests.read(CLIPS, generator="seed")["clip_id"].to_pylist()
    for metric in ("spatial", "appearance", "motion"):
        write_scores(manifests, "seed", metric, ids, list(range(len(ids))), "other")
    label(manifests, ["seed"], profile="other")


def score_again(manifests: Manifests) -> None:
    ids = manifests.read(CLIPS, generator="seed")["clip_id"].to_pylist()
    write_scores(manifests, "seed", "motion", ids, list(range(len(ids))), "mine", fingerprint="new")


def score_a_failed_clip(manifests: Manifests) -> None:
    """Label and split while one clip has no score, then give it one."""
    keys = {"profile": "mine", "metric": "motion", "generator": "seed"}
    rows = manifests.read(SCORES, **keys).to_pylist()
    for score, status in ((None, "failed"), (0.5, "ok")):
        rows[0] |= {"score": score, "status": status}
        manifests.replace(SCORES, [pa.Table.from_pylist(rows, schema=SCORES.schema)], **keys)
        if score is None:
            label(manifests, profile="mine")
            split(manifests, protocol="hfv")


def lose_a_clip(manifests: Manifests) -> None:
    manifests.replace(CLIPS, [manifests.read(CLIPS, generator="other").slice(1)], generator="other")


def lose_a_clip_and_label(manifests: Manifests) -> None:
    """Lose a clip whose absence changes no label."""
    manifests.replace(CLIPS, [manifests.read(CLIPS, generator="film").slice(1)], generator="film")
    label(manifests, profile="mine")


def score_footage_with_lite(manifests: Manifests) -> None:
    ids = manifests.read(CLIPS, generator=REAL)["clip_id"].to_pylist()
    for metric in ("spatial", "appearance", "motion"):
        write_scores(manifests, REAL, metric, ids, list(range(len(ids))), "lite")
    label(manifests, [REAL], profile="lite")
    split(manifests, protocol="hfv")


def label_with_lite(manifests: Manifests) -> None:
    for generator in FAKE:
        ids = manifests.read(CLIPS, generator=generator)["clip_id"].to_pylist()
        for metric in ("spatial", "appearance", "motion"):
            write_scores(manifests, generator, metric, ids, list(range(len(ids))), "lite")
    label(manifests, profile="lite")
    split(manifests, protocol="hfv")


def edit_file(name: str, old: str, new: str) -> Callable[[Manifests], None]:
    def edit(manifests: Manifests) -> None:
        path = Path(str(manifests.root / name))
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return edit


def relabel_by_review(manifests: Manifests) -> tuple[str, Decision]:
    """Relabel a clip by a review and split with it; return the id of the clip and the decision."""
    row = manifests.read(SPLITS, generator="seed").to_pylist()[0]
    clip = str(row["clip_id"])
    new_label = (row["label"] + 1) % 3
    decision = Decision(
        decision_id="d", clip_id=clip, reviewer="anna", decision="relabel", label=new_label, created_at=1
    )
    manifests.replace(REVIEWS, [as_table([decision], overlap=1)])
    split(manifests, labels="final", protocol="hfv")
    return clip, decision


def undo_the_review(manifests: Manifests) -> None:
    clip, decision = relabel_by_review(manifests)
    undo = Decision(
        decision_id="u", clip_id=clip, reviewer="anna", decision=None, final=False, created_at=2, undoes=("d",)
    )
    manifests.replace(REVIEWS, [as_table([decision, undo], overlap=1)])


def settle_otherwise(manifests: Manifests) -> None:
    """Have an adjudicator give another label than the reviewer whose label the splits have."""
    _, decision = relabel_by_review(manifests)
    assert decision.label is not None
    other = replace(decision, decision_id="a", reviewer="judge", role=ADJUDICATOR, label=(decision.label + 1) % 3)
    manifests.replace(REVIEWS, [as_table([decision, other], overlap=1)])


def reject_by_review(manifests: Manifests) -> None:
    relabel_by_review(manifests)
    other = manifests.read(SPLITS, generator="other")["clip_id"][0].as_py()
    row = dict.fromkeys(FINAL.schema.names) | {"clip_id": other, "generator": "other", "rejected": True}
    manifests.replace(FINAL, [pa.Table.from_pylist([row], schema=FINAL.schema)])


REFUSED: dict[str, tuple[Callable[[Manifests], Any], str]] = {
    "unlabelled clip": (remove_a_label, "1 of 6 clips of seed have no label yet: run `hfv label"),
    "split of older labels": (
        lambda m: edit_rows(m, SPLITS, "seed", lambda row: row.update(fingerprint="old"), 3),
        "the splits of 3 clips of seed are older than their labels: run `hfv split",
    ),
    "split that says otherwise": (
        lambda m: edit_rows(m, SPLITS, "seed", lambda row: row.update(label=(row["label"] + 1) % 3)),
        r"the splits of \d clips of seed are older",
    ),
    "no split": (lambda m: m.replace(SPLITS, [], generator="other"), "labelled clips of other are not split yet"),
    "labels of older scores": (score_again, "the labels of seed are older than its scores"),
    "labels of a clip that failed": (score_a_failed_clip, "the labels of seed are older than its scores"),
    "labels of a lost clip": (lose_a_clip, "the labels of other are older than its catalogue or selection"),
    "splits of a lost clip": (lose_a_clip_and_label, "the splits of 5 clips of film are older than their labels"),
    "footage of another profile": (
        score_footage_with_lite,
        r"different profiles \(lite: film; mine: other, seed, third.2",
    ),
    "mixed profiles": (label_with_another_profile, "are older than their labels"),
    "mixed protocols": (
        lambda m: split(m, ["seed"]),
        r"the splits follow different protocols \(hfv: .*; pooled: seed\)",
    ),
    "review taken back": (undo_the_review, "1 label comes from reviews that do not say so any more"),
    "settled otherwise": (settle_otherwise, "1 label comes from reviews that do not say so any more"),
    "rejected since": (reject_by_review, "1 clip was rejected by reviewers since the split"),
    "lite": (label_with_lite, "the labels were made with the profile lite"),
    "no licence": (edit_file("sources.toml", 'licence = "MIT"', ""), "no licence is given for third.2"),
    "unknown source": (edit_file("sources.toml", '["third.2"]', "[unknown]"), "no licence is given for third.2"),
    "no words": (lambda m: Path(str(m.root / "release.toml")).unlink(), "run `hfv release init`, fill it in"),
    "missing word": (edit_file("release.toml", '"It is small."', '""'), r"release.toml: rai.limitations is missing"),
    "no creator": (edit_file("release.toml", 'name = "Anna"', 'name = " "'), r"release.toml: creators.name is missing"),
    "creator without a table": (
        edit_file("release.toml", '[[creators]]\nname = "Anna"\naffiliation = "Somewhere"', 'creators = ["Anna"]'),
        r"release.toml: creators.name is missing",
    ),
    "unknown word": (edit_file("release.toml", "[rai]", "[rai]\nrisk = 1"), r"release.toml: rai.risk: unknown field"),
    "no date": (edit_file("release.toml", "2026-01-31", "soon"), "date_published is no date: write it as 2026-11-26"),
    "broken words": (edit_file("release.toml", "[rai]", "[rai"), "release.toml is not valid TOML"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_incomplete_input_is_refused_in_one_sentence(
    ready: Manifests, tmp_path: Path, case: str, here: Cluster
) -> None:
    make_incomplete, sentence = REFUSED[case]
    make_incomplete(ready)
    with pytest.raises(UsageError, match=sentence) as refused:
        release(ready, NAME, out=tmp_path, cluster=here)
    assert "\n" not in str(refused.value)
    assert not [*tmp_path.glob(f"{NAME.folder}*")]


def test_no_evaluation_set_has_the_name_of_the_training_set(
    tmp_path: Path, here: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample, "FAKE", ("seed", "default"))
    monkeypatch.setattr(sample, "SOURCES", sample.SOURCES.replace("[other]", "[default]"))
    manifests = sample.fill(tmp_path, clips=2)
    with pytest.raises(UsageError, match="no evaluation set can be called default"):
        release(manifests, NAME, out=tmp_path, cluster=here)


def test_profiles_are_not_mixed(ready: Manifests, tmp_path: Path, here: Cluster) -> None:
    label_with_another_profile(ready)
    split(ready, protocol="hfv")
    with pytest.raises(UsageError, match=r"different profiles \(mine: other, third.2; other: seed\)"):
        release(ready, NAME, out=tmp_path, cluster=here)


def test_the_card_names_lite_in_its_first_line(ready: Manifests, tmp_path: Path, here: Cluster) -> None:
    label_with_lite(ready)
    release(ready, NAME, out=tmp_path, media="none", allow_lite=True, cluster=here)
    text = (tmp_path / NAME.folder / "README.md").read_text().split("---\n")[2].strip()
    assert text.splitlines()[0].startswith("**Made with the profile `lite`")


@pytest.mark.parametrize(
    ("name", "version", "sentence"),
    [
        ("", "1.0.0", "cannot name a release"),
        ("a/b", "1.0.0", "cannot name a release"),
        ("init", "1.0.0", "cannot name a release"),
        ("a", "1", "is not a semantic version"),
        ("a", "01.0.0", "is not a semantic version"),
        ("a", "1.0.0/..", "is not a semantic version"),
    ],
)
def test_invalid_names_and_versions_are_refused(name: str, version: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        ReleaseName(name=name, version=version)


def test_a_full_disk_is_a_usage_error_and_leaves_no_release(
    ready: Manifests, tmp_path: Path, here: Cluster, monkeypatch: pytest.MonkeyPatch, gathered_once: None
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for module, name in ((worker, "make_files"), (staging, "part_file")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, full)
            with pytest.raises(
                UsageError, match=r"cannot write to .*: no space left on device; make room, or .* --out DIR"
            ):
                release(ready, NAME, out=tmp_path, cluster=here)
        assert not (tmp_path / NAME.folder).exists()
    release(ready, NAME, out=tmp_path, cluster=here)
    assert [path.name for path in tmp_path.glob("small*")] == ["small-1.0.0"]


def test_sets_that_lack_a_label_are_named(ready: Manifests, tmp_path: Path, here: Cluster) -> None:
    rows = ready.read(SPLITS, generator="other").to_pylist()
    without_motion = [row | ({"split": None} if row["label"] == 2 else {}) for row in rows]
    assert without_motion != rows
    ready.replace(SPLITS, [pa.Table.from_pylist(without_motion, schema=SPLITS.schema)], generator="other")
    outcome = release(ready, NAME, out=tmp_path, media="none", cluster=here)
    assert "the evaluation set other has no motion clip" in outcome.text
    assert any("other has no motion" in warning for warning in outcome.summary["warnings"])


def test_a_store_is_refused_as_target(ready: Manifests, here: Cluster) -> None:
    with pytest.raises(UsageError, match="name a folder of this machine with --out DIR"):
        release(ready, NAME, out=Path("s3://bucket/releases"), cluster=here)


def test_a_file_is_refused_as_target(ready: Manifests, tmp_path: Path, here: Cluster) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(UsageError, match=r"cannot write to .*/out: "):
        release(ready, NAME, out=tmp_path / "out", cluster=here)


def test_changed_and_deleted_clips_are_named(original: Path, tmp_path: Path, here: Cluster) -> None:
    root = Path(shutil.copytree(original, tmp_path / "copy"))
    manifests = Manifests(root / "manifests")
    for generator in (*FAKE, "film"):
        catalogue(manifests, generator, sorted((root / "clips" / generator).glob("*.mp4")))
    changed, deleted = (root / "clips/seed" / name for name in ("000.mp4", "001.mp4"))
    write_clip(changed, moving_square(8, seed=77))
    deleted.unlink()
    with pytest.raises(UsageError) as refused:
        release(manifests, NAME, out=tmp_path, cluster=here)
    lines = str(refused.value).splitlines()
    assert lines[0].startswith("2 of 24 clips cannot be released")
    assert lines[1:] == [
        f"{changed}: the file has changed since it was catalogued",
        f"{deleted}: it is gone; run `hfv catalog --generator seed` for its folder",
    ]
    assert not (tmp_path / NAME.folder).exists()
