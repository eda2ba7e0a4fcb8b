"""Two hundred damaged files have all their rows, with reasons instead of tracebacks, and stop no run."""

import dataclasses
from pathlib import Path

import av
import numpy as np
import pytest

from hfv_builder.profiles.profile import load_profile
from hfv_builder.records import METRICS
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, SCORES
from pipelines.catalog.stage import catalog
from pipelines.score.stage import score
from pipelines.workers.cluster import Cluster
from tests.conftest import moving_square, write_clip
from tests.pipelines.conftest import rows

COUNT = 200
KINDS = ("truncated", "flipped", "renamed", "empty", "text", "audio", "header", "doubled")


def audio_only(path: Path) -> bytes:
    """Return an MP4 of a second of silence."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path.read_bytes()


def damaged(kind: str, valid: bytes, audio: bytes, rng: np.random.Generator) -> bytes:
    """Return the bytes of a clip after damage of a kind."""
    data = bytearray(valid)
    if kind == "truncated":
        return bytes(data[: rng.integers(1, len(data))])
    if kind in ("flipped", "header"):
        end = len(data) if kind == "flipped" else 200
        for position in rng.integers(0, end, 20):
            data[position] ^= 1 << int(rng.integers(8))
        return bytes(data)
    if kind == "doubled":
        return bytes(data + data)
    return {"renamed": valid, "empty": b"", "text": rng.bytes(300).hex().encode(), "audio": audio}[kind]


@pytest.mark.parametrize("source", ["made", "real"])
def test_every_damaged_file_has_its_rows(
    source: str, tmp_path: Path, manifests: Manifests, cluster: Cluster, request: pytest.FixtureRequest
) -> None:
    rng = np.random.default_rng(7)
    sources = [write_clip(tmp_path / f"{seed}.mp4", moving_square(8, seed=seed)).read_bytes() for seed in range(8)]
    count = COUNT
    if source == "real":
        folder: Path = request.getfixturevalue("real_clips")
        valid = [path for path in folder.glob("*/*.mp4") if path.parent.name != "odd"]
        small = sorted(valid, key=lambda path: path.stat().st_size)[:12]
        sources, count = [path.read_bytes() for path in small], COUNT // 5
    audio = audio_only(tmp_path / "audio.m4a")
    folder = tmp_path / "clips"
    folder.mkdir()
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        name = f"{number:03d}-{kind}.{'avi' if kind == 'renamed' else 'mp4'}"
        (folder / name).write_bytes(damaged(kind, sources[rng.integers(len(sources))], audio, rng))

    catalog(manifests, "damaged", folder, cluster=cluster)
    catalogued = rows(manifests, CLIPS)
    assert len(catalogued) == count
    profile = dataclasses.replace(load_profile("lite"), long_side=32)  # all frames are decoded
    score(manifests, "damaged", profile, cluster=cluster)
    expected = {row["clip_id"] for row in catalogued if row["status"] != "duplicate"}
    scored = rows(manifests, SCORES)
    assert {row["clip_id"] for row in scored} == expected
    assert len(scored) == len(expected) * len(METRICS)
    for row in scored:
        assert (row["score"] is None) == (row["status"] == "failed") == bool(row["error"])
        assert "Error:" not in (row["error"] or "")
        assert "Traceback" not in (row["error"] or "")
