"""An epoch of `humansam` with cached depth against the textbook loop: `python -m benchmarks.detectors`.

The textbook loop decodes the clip for every view and runs the whole of Depth Pro's encoder for it. Images, patches and
tokens have the true sizes; the transformers are narrower and shallower by the same factor, so that their shares of the
work are about the true ones. Random weights, one thread, processor seconds.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tabulate import tabulate
from torch import Tensor

from benchmarks.material import as_a_worker
from hfv_builder.detectors.backbones import InternVideo2
from hfv_builder.detectors.base import Fitting, Samples
from hfv_builder.detectors.clip_frames import SegmentFrames
from hfv_builder.detectors.humansam_network import HumanSamNetwork
from hfv_builder.detectors.humansam_views import Batch, Views
from hfv_builder.detectors.quarter_depth import QuarterDepth
from hfv_builder.detectors.rank_loss import weighted_loss
from hfv_builder.detectors.schedule import Schedule
from hfv_builder.detectors.training import Task, train_network
from hfv_builder.detectors.video_transformer import SIZES, Size
from hfv_builder.frames.facts import read_timeline
from hfv_builder.frames.video import frames
from tests.conftest import write_clip

RESULTS = Path(__file__).parent / "results"
DIM, DEPTH, HEADS = 128, 3, 2
BACKBONE = "internvideo2-benchmark"
VIEWS = Views(side=224, frames=8, operations=4, magnitude=7, least_crop=0.08, erasing=0.25)
SCHEDULE = Schedule(epochs=1, rate=1e-5, weight_decay=0.05, patience=9, seed=0)
Load = Callable[[Sequence[int], np.random.Generator], Batch]


def main() -> None:
    """Train an epoch both ways and print the times."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detectors", description="Cached depth against none.")
    parser.add_argument("--clips", type=int, default=4)
    options = parser.parse_args()
    as_a_worker()
    SIZES[BACKBONE] = Size(dim=DIM, depth=DEPTH, heads=HEADS)
    rows = []
    with tempfile.TemporaryDirectory(prefix="hfv-detectors-") as temporary:
        paths = _clips(Path(temporary), options.clips)
        model = _depth_pro()
        for views in (1, 2):
            rows.append(_compared(Path(temporary, str(views)), paths, model, views))
    print(tabulate(rows, headers="keys", floatfmt=".3g"))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "detectors.json").write_text(json.dumps(rows, indent=1) + "\n")


def _compared(folder: Path, paths: list[Path], model: Any, views: int) -> dict[str, float]:
    quarter = QuarterDepth(model)
    read = SegmentFrames(256, 8, 4)
    vectors = [_vector(quarter, path, quarter) for path in paths]
    samples = Samples(
        rows=None,  # type: ignore[arg-type]
        features=[read.extract(path) for path in paths],
        further=(vectors,),
        classes=np.arange(len(paths)) % 4,
    )
    weights = np.ones(len(paths))

    def ours(places: Sequence[int], rng: np.random.Generator) -> Batch:
        return VIEWS.load(samples, places, weights, views, rng)

    def textbook(places: Sequence[int], rng: np.random.Generator) -> Batch:
        """Every view decodes its clip, and its depth is computed by the whole encoder."""
        own = Samples(
            rows=samples.rows,
            features=[read.extract(paths[place]) for place in np.repeat(places, views)],
            further=(
                [_vector(lambda x: _fused(model, x), paths[place], quarter) for place in np.repeat(places, views)],
            ),
            classes=samples.classes[np.repeat(places, views)],
        )
        return VIEWS.load(own, range(len(places) * views), np.ones(len(places) * views), 1, rng)

    seconds = {}
    for name, load in (("textbook, s", textbook), ("ours, s", ours)):
        (folder / name).mkdir(parents=True)
        seconds[name] = _epoch(folder / name, load, len(paths))
    error = max(
        float(np.abs(own - _vector(lambda x: _fused(model, x), path, quarter)).max())
        for own, path in zip(vectors[:1], paths[:1], strict=True)
    )
    return {"views": views, **seconds, "ratio": seconds["textbook, s"] / seconds["ours, s"], "error": error}


def _epoch(folder: Path, load: Load, clips: int) -> float:
    """Return the processor seconds of an epoch of batches of two clips."""
    torch.manual_seed(0)
    network = HumanSamNetwork(InternVideo2(BACKBONE, drop_path=0.1, checkpointing=False), 4, cat=True, depth_width=DIM)

    def loss(batch: Batch) -> Tensor:
        return weighted_loss(network(batch.video, batch.depth), batch.truth, batch.weights, smoothing=0.1)

    def batches(rng: np.random.Generator) -> Sequence[Any]:
        return np.array_split(rng.permutation(clips), clips // 2)

    task: Task[Any, Batch] = Task(batches=batches, load=load, loss=loss, validate=lambda: 0.0)
    start = time.process_time()
    train_network(network, task, SCHEDULE, Fitting(folder=folder), threads=1)
    return time.process_time() - start


def _vector(network: Callable[[Tensor], Tensor], path: Path, quarter: QuarterDepth) -> Any:
    chosen = {0, len(read_timeline(path)) // 2}
    with torch.no_grad():
        maps = [network(quarter.prepared(frame.rgb)) for frame in frames(path, only=chosen)]
        return torch.cat(maps).mean(dim=(0, 2, 3)).numpy()


def _fused(model: Any, images: Tensor) -> Tensor:
    """Return what the textbook loop averages: the whole encoder's features, fused by the neck."""
    neck = model.depth_pro.neck
    features = model.depth_pro.encoder(images).features
    low, image = neck.feature_upsample.scaled_images[0](features[1]), neck.feature_upsample.image_block(features[0])
    fused: Tensor = neck.fuse_image_with_low_res(torch.cat([low, image], dim=1))
    return fused


def _depth_pro() -> Any:
    from transformers import DepthProConfig, DepthProForDepthEstimation

    encoder = {"model_type": "dinov2", "hidden_size": DIM, "num_hidden_layers": DEPTH, "num_attention_heads": HEADS}
    encoder |= {"image_size": 384, "patch_size": 16, "use_mask_token": False}
    values: dict[str, Any] = {f"{kind}_model_config": dict(encoder) for kind in ("image", "patch")}
    values |= {"intermediate_hook_ids": [2, 1], "intermediate_feature_dims": [DIM, DIM], "fusion_hidden_size": 16}
    values |= {"scaled_images_feature_dims": [DIM, DIM, DIM], "use_fov_model": False}
    kind: Any = DepthProForDepthEstimation
    return kind(DepthProConfig(**values)).eval()


def _clips(folder: Path, count: int) -> list[Path]:
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 256, (count, 480, 854, 3), np.uint8)
    return [
        write_clip(folder / f"{clip}.mp4", np.stack([np.roll(ground[clip], 4 * step, axis=1) for step in range(48)]))
        for clip in range(count)
    ]


if __name__ == "__main__":
    main()
