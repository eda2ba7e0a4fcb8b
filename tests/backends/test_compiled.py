"""`compile = true` gives the usual result, and compiles for one item and for several, whatever the length of clips."""

import dataclasses
from functools import partial
from typing import Any

import pytest
import torch

from hfv_builder.backends import precision, registry
from hfv_builder.backends.raft import Raft
from hfv_builder.backends.weights import WeightsDir
from hfv_builder.profiles.profile import Depth, Embedding, Flow
from tests import checkpoints
from tests.device import DEVICE
from tests.slim import slim_raft

SECTIONS: list[Any] = [
    Flow(backend="raft_large", long_side=128, updates=1),
    Depth(backend="depth_pro", long_side=80, scale="none"),
    Embedding(backend="clip", region="frame"),
    Embedding(backend="dinov2", region="subject"),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> WeightsDir:
    """Return weights of slim networks of RAFT, and of embedding models with one layer."""
    with slim_raft(), pytest.MonkeyPatch.context() as patch:
        patch.setitem(checkpoints.CLIP_TINY["vision_cfg"], "layers", 1)
        patch.setitem(checkpoints.DINOV2_TINY, "num_hidden_layers", 1)
        return checkpoints.make(tmp_path_factory.mktemp("weights"), checkpoints.SIZES)


def run(model: Any, frames: torch.Tensor) -> Any:
    """Return the maps, vectors or flow of the frames, whichever the model computes."""
    with torch.inference_mode():
        if hasattr(model, "maps"):
            return model.maps(frames)
        if hasattr(model, "embed"):
            return model.embed(frames)
        features = model.encode(frames.permute(0, 3, 1, 2) / 255)
        return model.flow(tuple(part[:-1] for part in features), tuple(part[1:] for part in features))


@pytest.mark.filterwarnings("ignore:Guards may run slower:RuntimeWarning")  # Python 3.13.0 alone
@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.backend)
def test_clips_of_any_length_reuse_the_first_compilation(
    section: Any, store: WeightsDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs = []

    def backend(graph: torch.fx.GraphModule, _inputs: list[torch.Tensor]) -> Any:
        graphs.append(graph)
        return graph.forward

    original_compile = torch.compile
    monkeypatch.setattr(
        torch, "compile", lambda function, **options: original_compile(function, backend=backend, **options)
    )
    with slim_raft():
        usual = registry.load(section, DEVICE, store)
        compiled = registry.load(dataclasses.replace(section, compile=True), DEVICE, store)
    for model in (usual, compiled):
        if isinstance(model, Raft):
            for encoder in (model._model.feature_encoder, model._model.context_encoder):
                # One block has all kinds of layers, and every further one takes as long to compile.
                encoder.layer1, encoder.layer3 = torch.nn.Identity(), encoder.layer3[0].downsample
                del encoder.layer2[1]
    frames = torch.randint(0, 256, (5, 72, 128, 3), dtype=torch.uint8)
    for count in (5, 2):  # several pairs, and a single one
        torch.testing.assert_close(run(compiled, frames[:count]), run(usual, frames[:count]), rtol=1e-4, atol=1e-4)
    graphs_of_first_clips = len(graphs)
    assert graphs_of_first_clips
    if isinstance(compiled, Raft):
        compiled._frames.size = compiled._pairs.size = 4  # larger batches than before, as on a GPU
    for count in (3, 4):
        torch.testing.assert_close(run(compiled, frames[:count]), run(usual, frames[:count]), rtol=1e-4, atol=1e-4)
    assert len(graphs) == graphs_of_first_clips


def test_functions_are_compiled_for_many_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    graphs = []

    def backend(graph: torch.fx.GraphModule, _inputs: list[torch.Tensor]) -> Any:
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    double = precision.compiled(lambda images: images * 2)
    for side in range(2, 14):
        double(torch.ones(1, side, 5))
    assert len(graphs) == 12
