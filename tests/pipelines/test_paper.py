"""The paper profile in all stages: learnt models with tiny weights, in this process."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hfv_builder.backends.registry import resolve
from hfv_builder.frames.video import decode
from hfv_builder.profiles.profile import Profile, load_profile
from hfv_builder.records import METRICS
from hfv_builder.scoring.scorer import Scorer
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, EMBEDDINGS, SCORES
from pipelines.catalog.stage import catalog
from pipelines.label.stage import label
from pipelines.score.stage import score
from pipelines.workers.cluster import Cluster
from tests.checkpoints import tiny_store
from tests.conftest import moving_square, write_clip
from tests.pipelines.conftest import rows

Fill = Callable[..., Path]
IN_PROCESS = Cluster(workers=0)


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Profile:
    """Return a small paper profile, with tiny weights in the place where weights are looked up."""
    store = tiny_store()
    monkeypatch.setenv("HFV_WEIGHTS", str(store.root))
    monkeypatch.setattr("hfv_builder.backends.weights.PINS", store.pins)
    file = tmp_path / "small.toml"
    file.write_text(
        'base = "paper"\n[flow]\nbackend = "raft_small"\nlong_side = 128\nupdates = 2\n[depth]\nlong_side = 64\n'
    )
    return load_profile(str(file))


def test_learnt_models_write_scores_evidence_and_embeddings(
    profile: Profile, manifests: Manifests, clips_folder: Fill
) -> None:
    folder = clips_folder(count=2, frames=3, broken=True)
    catalog(manifests, "kling", folder, cluster=IN_PROCESS)
    outcome = score(manifests, "kling", profile, cluster=IN_PROCESS)
    assert outcome.exit_code == 3
    assert len(rows(manifests, SCORES)) == 3 * 3
    assert [row["status"] for row in rows(manifests, SCORES, metric="spatial")].count("ok") == 2
    assert len(list((manifests.root / "evidence").rglob("*.webp"))) == 2 * len(METRICS)

    embeddings = rows(manifests, EMBEDDINGS)
    assert [row["model"] for row in embeddings] == ["clip"] * 2
    scorer = Scorer(resolve(profile, metrics=METRICS))
    paths = {row["clip_id"]: row["path"] for row in rows(manifests, CLIPS)}
    for row in embeddings:
        expected = scorer.score(decode(Path(paths[row["clip_id"]]))).embeddings["clip"]
        assert row["frames"] == expected.frames == [0, 1, 2]
        vectors = np.array(row["vectors"], np.float16)
        assert np.array_equal(vectors, expected.vectors)
        assert np.allclose(np.linalg.norm(vectors.astype(float), axis=1), 1, atol=2e-3)
    assert label(manifests).summary["generators"][0]["unlabelled"] == 1


def test_embeddings_added_later_equal_those_of_one_run(
    profile: Profile, manifests: Manifests, clips_folder: Fill, tmp_path: Path
) -> None:
    folder = clips_folder(count=1, frames=3)
    catalog(manifests, "kling", folder, cluster=IN_PROCESS)
    score(manifests, "kling", profile, cluster=IN_PROCESS)
    before = [path.read_bytes() for path in manifests.parts(EMBEDDINGS, model="clip", generator="kling")]
    assert score(manifests, "kling", profile, cluster=IN_PROCESS).summary["scored_now"] == 0
    assert before == [path.read_bytes() for path in manifests.parts(EMBEDDINGS, model="clip", generator="kling")]

    write_clip(folder / "new.mp4", moving_square(3, seed=70))
    at_once = Manifests(tmp_path / "at-once")
    for target in (manifests, at_once):
        catalog(target, "kling", folder, cluster=IN_PROCESS)
        score(target, "kling", profile, cluster=IN_PROCESS)
    parts, parts_at_once = (
        [path.read_bytes() for path in target.parts(EMBEDDINGS, model="clip", generator="kling")]
        for target in (manifests, at_once)
    )
    assert len(parts) == 1
    assert parts == parts_at_once
