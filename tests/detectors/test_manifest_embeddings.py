"""Embeddings of manifests are used if they equal the computed ones and cover the frames."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from hfv_builder.backends.registry import load, resolve
from hfv_builder.backends.weights import WeightsDir
from hfv_builder.detectors.embeddings import FrameEmbeddings
from hfv_builder.detectors.feature_cache import FeatureCache
from hfv_builder.detectors.features import contents_of
from hfv_builder.detectors.reader import Release
from hfv_builder.frames.video import decode
from hfv_builder.profiles.profile import Embedding, load_profile
from hfv_builder.records import Metric
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import EMBEDDINGS, SCORES
from pipelines.detect.prepare import take_embeddings

CURRENT = resolve(load_profile("lite"), [Metric.APPEARANCE]).fingerprints[Metric.APPEARANCE]


@pytest.mark.parametrize(
    ("name", "profile", "fingerprint", "is_exact"),
    [
        ("lab_histogram", "lite", CURRENT, True),
        ("lab_histogram", "lite", "of an older version", False),
        ("lab_histogram", "mine", CURRENT, False),  # with other regions or sizes, perhaps
        ("clip", "lite", CURRENT, False),
    ],
)
def test_embeddings_of_manifests_are_used_if_they_equal_computed_ones(
    name: str, profile: str, fingerprint: str, is_exact: bool, release: Release, weights: WeightsDir, tmp_path: Path
) -> None:
    extractor = FrameEmbeddings(name, "cpu", weights, count=3)
    rows = release.rows.iloc[:4]
    contents, _ = contents_of(release, rows["path"].tolist(), threads=1)
    stored, scores = [], []
    for number, path in enumerate(rows["path"]):
        model = load(Embedding(backend=name, precision="fp32"), "cpu", weights).begin()
        for chunk in decode(release.folder / path):
            model.update(torch.from_numpy(chunk.rgb))
        vectors = model.compute().half().numpy()
        frames = list(range(5)) if number else [0, 1, 2, 3]  # the first clip lacks the vector of a frame
        stored.append({"clip_id": contents[path][:16], "generator": "g", "model": name, "frames": frames})
        stored[-1]["vectors"] = vectors[frames].tolist()
        scores.append({"clip_id": contents[path][:16], "fingerprint": fingerprint, "status": "ok"})
    manifests = Manifests(tmp_path / "manifests")
    manifests.replace(EMBEDDINGS, [pa.Table.from_pylist(stored, EMBEDDINGS.schema)], model=name, generator="g")
    keys = {"profile": profile, "metric": "appearance", "generator": "g"}
    rows_of_scores = pa.Table.from_pylist([row | keys for row in scores], SCORES.schema)
    manifests.replace(SCORES, [rows_of_scores], **keys)
    cache = FeatureCache(tmp_path / "cache", extractor.fingerprint)
    take_embeddings(manifests, cache, extractor, rows, contents)
    for number, (path, content) in enumerate(contents.items()):
        assert (content in cache) == (is_exact and bool(number))
        if content in cache:
            np.testing.assert_array_equal(cache[content], extractor.extract(release.folder / path))
