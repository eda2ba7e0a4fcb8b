"""Releases with uniform media and with variants: what they hold, and that nothing tells real from fake but content."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hfv_builder.audit.shortcuts import FACTS as AUDITED
from hfv_builder.labelling.decisions import Decision
from hfv_builder.labelling.reviews import as_table
from hfv_builder.records import UsageError
from hfv_builder.release.name import ReleaseName
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, REVIEWS, SPLITS
from pipelines.audit.released import released_clips
from pipelines.release import stage
from pipelines.release.stage import release
from pipelines.release.verify import verify
from pipelines.split.stage import split
from pipelines.workers.cluster import Cluster
from tests.conftest import moving_square, write_clip
from tests.killed import killed_after
from tests.release.sample import fill

NAME = ReleaseName(name="alike", version="1.0.0")
FACTS = ["width", "height", "fps", "num_frames", "duration_s"]
VARIANTS = ("control", "resize0.7")
SHORT = 1003
SMALL = '[uniform]\nshort_side = 32\nframes = 8\npreset = "ultrafast"\n'


def own_kind(path: Path, number: int) -> Path:
    """A clip of a size, rate and length that give its generator away."""
    place, count = number // 1000, 4 if number == SHORT else 14 + number % 3
    return write_clip(path, moving_square(count, width=64 + 16 * place, height=48, seed=number), fps=10 + 2 * place)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Manifests:
    manifests = fill(tmp_path_factory.mktemp("alike"), clips=6, write=own_kind)
    words = Path(str(manifests.root)) / "release.toml"
    words.write_text(words.read_text() + SMALL)
    return manifests


@pytest.fixture(scope="module")
def alike(ready: Manifests, here: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    outcome = release(ready, NAME, out=out, media="uniform", variants=VARIANTS, cluster=here)
    assert outcome.summary["left_out"] == 1
    assert "left out, 1 clip that cannot be made uniform: see left_out.csv" in outcome.text
    return out / NAME.folder


@pytest.fixture(scope="module")
def originals(ready: Manifests, here: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("originals")
    release(ready, NAME, out=out, variants=("control",), cluster=here)
    return out / NAME.folder


def rows_of(folder: Path) -> pd.DataFrame:
    tables = {path.parent.relative_to(folder).as_posix(): path for path in folder.rglob("metadata.parquet")}
    return pd.concat([pd.read_parquet(path).assign(folder=name) for name, path in tables.items()])


def auc(facts: pd.DataFrame, is_real: pd.Series) -> float:
    """How well the best single fact tells real from fake, in [0.5, 1]."""
    best = 0.5
    for name in facts:
        values = facts[name].to_numpy(float)
        real, fake = values[is_real.to_numpy(bool)], values[~is_real.to_numpy(bool)]
        difference = real[:, None] - fake[None]
        share = float(np.mean((difference > 0) + 0.5 * (difference == 0)))
        best = max(best, share, 1 - share)
    return best


def test_container_facts_tell_nothing(alike: Path, originals: Path, ready: Manifests) -> None:
    both = (rows_of(made) for made in (originals, alike))
    before, after = (rows[~rows["folder"].str.contains("@")] for rows in both)
    assert before["media"].eq("original").all()
    assert auc(before[FACTS], before["is_real"]) > 0.95
    assert auc(after[FACTS], after["is_real"]) == 0.5
    audited = released_clips(alike, ready.read(CLIPS).to_pandas())
    assert {*audited["clip_id"]} == {*after["clip_id"]}
    assert [name for name in AUDITED if audited[name].nunique() > 1] == ["bytes_per_frame"]
    assert after["media"].eq("uniform").all()
    assert verify(alike).summary["problems"] == []


def test_what_is_too_short_is_listed_and_nowhere_else(alike: Path) -> None:
    listed = pd.read_csv(alike / "left_out.csv")
    assert listed["generator"].tolist() == ["other"]
    assert listed["split"].tolist() == ["test"]
    assert "too short" in listed["reason"][0]
    assert listed["clip_id"][0] not in {*rows_of(alike)["clip_id"]}
    assert not [path for path in alike.rglob("*") if listed["clip_id"][0] in path.name]
    card = (alike / "README.md").read_text()
    assert "1 clip cannot be made so; `left_out.csv` says why." in card
    assert "| quantity 6 instead of 12 " in card


def test_each_evaluation_set_has_its_variants(alike: Path) -> None:
    rows = rows_of(alike)
    for generator, count in (("other", 5), ("third.2", 6), ("film", 1)):
        clips = {*rows.loc[rows["folder"].eq(f"eval/{generator}"), "clip_id"]}
        assert len(clips) == count
        for variant, side in (("control", 32), ("resize0.7", 22)):
            own = rows[rows["folder"].eq(f"eval/{generator}@{variant}")]
            assert {*own["clip_id"]} == clips
            assert own["media"].eq("variant").all()
            assert own["width"].eq(side).all()
    card = (alike / "README.md").read_text()
    assert "| `control` | none |" in card
    assert "| `resize0.7` | resize by 0.7, linear |" in card
    assert "config_name: third.2@control" in card
    assert not list((alike / "humansam").rglob("*@*"))


def test_killed_and_resumed_it_is_the_same(
    alike: Path,
    ready: Manifests,
    here: Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    gathered_once: None,
) -> None:
    monkeypatch.setattr(stage, "ENCODED_SHARD", 5)
    for survived in (0, 4, 11, 30, 1000):
        with killed_after(survived):
            release(ready, NAME, out=tmp_path, media="uniform", variants=VARIANTS, cluster=here)
        if survived < 1000:
            assert not (tmp_path / NAME.folder).exists()
    assert (tmp_path / NAME.folder / "SHA256SUMS").read_text() == (alike / "SHA256SUMS").read_text()


def test_variants_of_originals(originals: Path, ready: Manifests) -> None:
    rows = rows_of(originals)
    assert rows["media"].value_counts().to_dict() == {"original": 24, "variant": 13}
    audited = released_clips(originals, ready.read(CLIPS).to_pandas())
    assert audited["media"].tolist() == ["original"] * 24
    both = rows[rows["folder"].eq("eval/other")].merge(rows[rows["folder"].eq("eval/other@control")], on="clip_id")
    for name in FACTS:
        np.testing.assert_allclose(both[f"{name}_x"], both[f"{name}_y"], rtol=0, atol=0.001, err_msg=name)
    assert verify(originals).summary["problems"] == []


def test_variants_of_clips_that_are_reviewed_without_marks(ready: Manifests, here: Cluster, tmp_path: Path) -> None:
    manifests = Manifests(Path(shutil.copytree(ready.local_root, tmp_path / "manifests")))
    clip = manifests.read(SPLITS, generator="other").to_pylist()[0]
    of_clip = {"clip_id": clip["clip_id"], "label": clip["label"]}
    vote = Decision(decision_id="d", reviewer="anna", decision="confirm", created_at=1, **of_clip)
    manifests.replace(REVIEWS, [as_table([vote], overlap=1)])
    made = Path(release(manifests, NAME, out=tmp_path, variants=("control",), cluster=here).summary["release"])
    rows = pd.concat(map(pd.read_parquet, made.rglob("metadata.parquet")))
    assert rows["reviewers"].sum() == 2  # of the clip and its variant
    assert rows["t_start"].isna().all()


def test_what_does_not_go_together(ready: Manifests, here: Cluster, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a release without media has no variants"):
        release(ready, NAME, out=tmp_path, media="none", variants=("control",), cluster=here)
    words = Path(str(ready.root)) / "release.toml"
    before = words.read_text()
    try:
        words.write_text(before.replace("frames = 8", "frames = 800"))
        with pytest.raises(UsageError, match=r"no clip can be made uniform.*too short.*\[uniform\] of release.toml"):
            release(ready, NAME, out=tmp_path, media="uniform", cluster=here)
        words.write_text(before.replace("frames = 8", "frames = 1"))
        with pytest.raises(UsageError, match=r"release.toml: uniform.frames: "):
            release(ready, NAME, out=tmp_path, media="uniform", cluster=here)
    finally:
        words.write_text(before)


def test_variants_need_an_evaluation_set(ready: Manifests, here: Cluster, tmp_path: Path) -> None:
    manifests = Manifests(Path(shutil.copytree(ready.local_root, tmp_path / "manifests")))
    split(manifests)
    with pytest.raises(UsageError, match="no clip is test: run `hfv split --protocol hfv`"):
        release(manifests, NAME, out=tmp_path, variants=("control",), cluster=here)
