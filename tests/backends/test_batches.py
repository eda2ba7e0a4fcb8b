"""Batches are as large as memory allows."""

import pytest
import torch

from hfv_builder.backends.batches import Batches
from hfv_builder.records import ClipError


def test_batches_are_halved_until_they_fit() -> None:
    sizes = []

    def model(items: torch.Tensor) -> torch.Tensor:
        sizes.append(len(items))
        if len(items) > 3:
            raise torch.OutOfMemoryError("too much")
        return items * 2

    batches = Batches(device="cpu", most=8)
    items = torch.arange(10)
    assert torch.equal(batches.run(model, items), items * 2)
    assert sizes == [5, 2, 2, 2, 2, 2]
    assert batches.size == 2


def test_a_frame_too_large_for_memory_fails_its_clip_alone() -> None:
    def model(items: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")

    with pytest.raises(ClipError, match="does not suffice"):
        Batches(device="cpu", most=4).run(model, torch.arange(4))
    with pytest.raises(RuntimeError, match="something else"):
        Batches(device="cpu", most=4).run(_raise, torch.arange(4))


@pytest.mark.parametrize(("every_s", "times"), [(-1.0, 3), (1e9, 0)])
def test_free_memory_is_given_back_between_batches(monkeypatch: pytest.MonkeyPatch, every_s: float, times: int) -> None:
    trims: list[int] = []
    monkeypatch.setattr("hfv_builder.backends.memory.EVERY_S", every_s)
    monkeypatch.setattr("hfv_builder.backends.memory._malloc_trim", lambda: trims.append)
    assert len(Batches(device="cpu", most=2).run(torch.neg, torch.arange(6))) == 6
    assert trims == [0] * times


def _raise(items: torch.Tensor) -> torch.Tensor:
    raise RuntimeError("something else")
