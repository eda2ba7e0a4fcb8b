"""`compile = true`: the usual result, and no compilation after the first clip, however long the next ones are."""

import dataclasses
from typing import Any

import pytest
import torch

from hfv_builder.backends import registry
from hfv_builder.profiles.profile import Depth, Embedding, Flow
from tests.checkpoints import tiny_store
from tests.device import DEVICE

SECTIONS: list[Any] = [
    Flow(backend="raft_small", long_side=128, updates=2),
    Flow(backend="raft_large", long_side=128, updates=1),
    Depth(backend="depth_pro", long_side=80, scale="none"),
    Embedding(backend="clip", region="frame"),
    Embedding(backend="dinov2", region="subject"),
]


def run(model: Any, frames: torch.Tensor) -> Any:
    """What the model makes of frames, whatever it is."""
    with torch.inference_mode():
        if hasattr(model, "maps"):
            return model.maps(frames)
        if hasattr(model, "embed"):
            return model.embed(frames)
        known = model.encode(frames.permute(0, 3, 1, 2) / 255)
        return model.flow(tuple(part[:-1] for part in known), tuple(part[1:] for part in known))


@pytest.mark.filterwarnings("ignore:Guards may run slower:RuntimeWarning")  # Python 3.13.0 alone
@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.backend)
def test_clips_of_any_length_use_what_was_compiled_for_the_first(section: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []

    def backend(graph: torch.fx.GraphModule, _inputs: list[torch.Tensor]) -> Any:
        compiled.append(graph)
        return graph.forward

    compile_it = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function, **options: compile_it(function, backend=backend, **options))
    usual = registry.load(section, DEVICE, tiny_store())
    changed = registry.load(dataclasses.replace(section, compile=True), DEVICE, tiny_store())
    frames = torch.randint(0, 256, (9, 72, 128, 3), dtype=torch.uint8)
    torch.testing.assert_close(run(changed, frames[:5]), run(usual, frames[:5]), rtol=1e-4, atol=1e-4)
    first = len(compiled)
    assert first
    for count in (2, 4, 9):
        torch.testing.assert_close(run(changed, frames[:count]), run(usual, frames[:count]), rtol=1e-4, atol=1e-4)
    assert len(compiled) == first
