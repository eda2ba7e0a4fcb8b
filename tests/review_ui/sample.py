"""Manifests of small clips for the review app's tests, made here or from the shared real clips."""

import hashlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa

from hfv_builder.frames.facts import probe
from hfv_builder.records import METRICS, ClipError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, LABELS, SCORES, SPLITS
from review_ui.proxies import make_proxy, make_strip, plays_everywhere

FRAMES = 24
RATE = 12
SHARED = Path(__file__).parents[3] / "shared" / "clips"


def make_clip(path: Path, *, seed: int = 0, codec: str = "libx264", frames: int = FRAMES, gap: int = 1) -> Path:
    """A moving square on noise. Every `gap`-th frame after the first half stays twice as long."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(40, 200, (30, 40, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    options = {"movflags": "faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as container:
        stream: Any = container.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.codec_context.time_base = Fraction(1, RATE * 2) if gap > 1 else Fraction(1, RATE)
        time = 0
        for number in range(frames):
            picture = ground.copy()
            picture[60:120, 10 + number * 8 : 70 + number * 8] = 255
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.time_base, frame.pts = stream.codec_context.time_base, time
            time += 1 if gap == 1 else (2 if number % gap else 3)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def make_sample(root: Path) -> Manifests:
    """Two generators: `alpha` with eight good clips, `beta` with one each of what is awkward."""
    clips = root / "clips"
    clips.mkdir(parents=True)
    alpha = [make_clip(clips / f"a{number}.mp4", seed=number) for number in range(8)]
    broken = clips / "broken.mp4"
    broken.write_bytes(b"this is no video")
    beta = [
        make_clip(clips / "old.avi", seed=20, codec="mpeg4"),
        make_clip(clips / "uneven.mkv", seed=21, gap=3),
        broken,
    ]
    manifests = Manifests(root / "manifests")
    write_manifests(manifests, {"alpha": alpha, "beta": beta})
    return manifests


def make_clips(root: Path, count: int) -> Manifests:
    """So many good clips of one generator."""
    (root / "clips").mkdir(parents=True)
    paths = [make_clip(root / "clips" / f"{number}.mp4", seed=number) for number in range(count)]
    manifests = Manifests(root / "manifests")
    write_manifests(manifests, {"alpha": paths})
    return manifests


def make_media(manifests: Manifests, folder: Path) -> Path:
    """Make in this folder what the server would make of the clips in advance, under the same names; the folder."""
    for row in manifests.read(CLIPS).to_pylist():
        source = Path(row["path"])
        if row["status"] == "ok":
            make_strip(source, folder / f"{row['clip_id']}.webp")
            if not plays_everywhere(source, row):
                make_proxy(source, folder / f"{row['clip_id']}.mp4")
    return folder


def write_manifests(manifests: Manifests, generators: dict[str, list[Path]]) -> None:
    """Catalogue, score, label and split these files, with scores that mean nothing."""
    for generator, paths in generators.items():
        rows = [_catalogued(path, generator) for path in paths]
        manifests.replace(CLIPS, [table_of(CLIPS.schema, rows)], generator=generator)
        good = [row for row in rows if row["status"] == "ok"]
        rng = np.random.default_rng(len(generator))
        scores = rng.random((len(good), 3))
        ranks = (-scores).argsort(axis=0).argsort(axis=0) + 1
        labels = []
        for row, own, score in zip(good, ranks, scores, strict=True):
            placed = np.sort(own)
            labels.append(
                {"clip_id": row["clip_id"], "generator": generator, "auto_label": int(own.argmin())}
                | {metric.value: float(value) for metric, value in zip(METRICS, score, strict=True)}
                | {f"rank_{metric}": int(rank) for metric, rank in zip(METRICS, own, strict=True)}
                | {"margin": int(placed[1] - placed[0]), "tied": bool(placed[1] == placed[0]), "group_size": len(good)}
            )
        manifests.replace(LABELS, [table_of(LABELS.schema, labels)], generator=generator)
        splits = [
            {"clip_id": each["clip_id"], "label": each["auto_label"], "split": "train" if number % 4 else "val"}
            for number, each in enumerate(labels)
        ]
        manifests.replace(SPLITS, [table_of(SPLITS.schema, splits)], generator=generator)
        for metric in METRICS:
            traces = []
            for row in good:
                steps = row["num_frames"] - 1
                trace = rng.random(steps).tolist()
                traces.append({"clip_id": row["clip_id"], "score": 0.5, "frames": list(range(steps)), "trace": trace})
            manifests.replace(
                SCORES, [table_of(SCORES.schema, traces)], profile="lite", metric=metric.value, generator=generator
            )


def _catalogued(path: Path, generator: str) -> dict[str, Any]:
    data = path.read_bytes()
    sha = hashlib.sha256(data).hexdigest()
    row = {"clip_id": sha[:16], "generator": generator, "path": str(path.absolute()), "sha256": sha, "bytes": len(data)}
    row |= {"is_real": False, "status": "ok", "prompt": f"somebody does something in {path.stem}"}
    try:
        return row | vars(probe(path))
    except ClipError as error:
        return row | {"status": "failed", "error": str(error)}


def table_of(schema: pa.Schema, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([dict.fromkeys(schema.names) | row for row in rows], schema=schema)
