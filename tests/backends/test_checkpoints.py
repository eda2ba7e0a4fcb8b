"""Weights that are missing, truncated, incomplete or of another model raise an error that names the file."""

import dataclasses
import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from hfv_builder.backends import registry
from hfv_builder.backends.weights import WeightsDir
from hfv_builder.profiles.profile import Depth, Embedding, Flow, load_profile
from hfv_builder.records import Metric, UsageError
from hfv_builder.scoring.scorer import Scorer
from tests.checkpoints import repinned, tiny_store

SECTIONS: dict[str, Any] = {
    "raft_small": Flow(backend="raft_small", long_side=128),
    "clip": Embedding(backend="clip"),
    "dinov2": Embedding(backend="dinov2"),
    "depth_pro": Depth(backend="depth_pro", long_side=64, scale="percentile"),
}
MODELS = tuple(SECTIONS)
A_KEY = {
    "raft_small": "update_block.flow_head.conv1.weight",
    "clip": "visual.ln_post.weight",
    "dinov2": "layernorm.weight",
    "depth_pro": "head.layers.0.weight",
}


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[str], tuple[WeightsDir, Path]]:
    """Return a function that copies a model's checkpoint, to be damaged, and returns its store and weights file."""

    def copy_checkpoint(model: str) -> tuple[WeightsDir, Path]:
        shutil.copytree(tiny_store().folder(model), tmp_path / model)
        store = WeightsDir(root=tmp_path, pins=tiny_store().pins)
        return store, tmp_path / model / store.pins[model].files[-1].name

    return copy_checkpoint


def with_current_hashes(store: WeightsDir, model: str) -> WeightsDir:
    """Return the store with the present hashes of the model's files, so that only their contents can be wrong."""
    return WeightsDir(root=store.root, pins={**store.pins, model: repinned(store.folder(model), model)})


def change(path: Path, edit: Callable[[dict[str, torch.Tensor]], None]) -> None:
    """Apply `edit` to the tensors of a weights file, by name."""
    if path.suffix == ".pth":
        state = torch.load(path, weights_only=True)
        edit(state)
        torch.save(state, path)
    else:
        state = load_file(path)
        edit(state)
        save_file(state, path, metadata={"format": "pt"})


@pytest.mark.parametrize("model", MODELS)
def test_an_intact_checkpoint_loads(model: str, copy: Callable[[str], tuple[WeightsDir, Path]]) -> None:
    store, _ = copy(model)
    assert registry.load(SECTIONS[model], "cpu", store) is not None


@pytest.mark.parametrize("model", MODELS)
def test_missing_file(model: str, copy: Callable[[str], tuple[WeightsDir, Path]]) -> None:
    store, path = copy(model)
    path.unlink()
    with pytest.raises(UsageError, match=rf"missing: {model}/{path.name}\): run `hfv weights pull`"):
        registry.load(SECTIONS[model], "cpu", store)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("hashed", [True, False])
def test_truncated_file(model: str, hashed: bool, copy: Callable[[str], tuple[WeightsDir, Path]]) -> None:
    store, path = copy(model)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(UsageError, match=path.name):
        registry.load(SECTIONS[model], "cpu", store if hashed else with_current_hashes(store, model))


@pytest.mark.parametrize("model", MODELS)
def test_changed_bytes(model: str, copy: Callable[[str], tuple[WeightsDir, Path]]) -> None:
    store, path = copy(model)
    data = bytearray(path.read_bytes())
    data[-5000] ^= 1
    path.write_bytes(data)
    with pytest.raises(UsageError, match=f"damaged: {model}/{path.name}"):
        registry.load(SECTIONS[model], "cpu", store)


def test_the_command_for_damaged_weights_names_the_profile(
    copy: Callable[[str], tuple[WeightsDir, Path]], tmp_path: Path
) -> None:
    store, path = copy("raft_small")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    (tmp_path / "mine.toml").write_text('[flow]\nbackend = "raft_small"\nlong_side = 128\n')
    resolved = registry.resolve(load_profile(str(tmp_path / "mine.toml")), [Metric.MOTION], store=store)
    with pytest.raises(UsageError, match=r"damaged: raft_small/.*: run `hfv weights pull --profile mine\.toml`"):
        Scorer(resolved, store=store)


@pytest.mark.parametrize("model", MODELS)
def test_missing_key(model: str, copy: Callable[[str], tuple[WeightsDir, Path]]) -> None:
    def edit(state: dict[str, torch.Tensor]) -> None:
        del state[A_KEY[model]]

    store, path = copy(model)
    change(path, edit)
    name = A_KEY[model].removeprefix("visual.")
    cure = "delete it and run the command again"  # whose error then names the command of the profile
    with pytest.raises(UsageError, match=rf"{path.name} do not fit the model \(it has no .*{name}.*: {cure}"):
        registry.load(SECTIONS[model], "cpu", with_current_hashes(store, model))


@pytest.mark.parametrize("model", MODELS)
def test_wrong_shape(model: str, copy: Callable[[str], tuple[WeightsDir, Path]]) -> None:
    def edit(state: dict[str, torch.Tensor]) -> None:
        state[A_KEY[model]] = state[A_KEY[model]][:-1].contiguous()

    store, path = copy(model)
    change(path, edit)
    with pytest.raises(UsageError, match=path.name):
        registry.load(SECTIONS[model], "cpu", with_current_hashes(store, model))


@pytest.mark.parametrize("model", ["raft_small", "clip"])
def test_unknown_key(model: str, copy: Callable[[str], tuple[WeightsDir, Path]]) -> None:
    store, path = copy(model)
    change(path, lambda state: state.update({"visual.extra": torch.zeros(2)}))
    with pytest.raises(UsageError, match=r"it has an unknown (visual\.)?extra"):
        registry.load(SECTIONS[model], "cpu", with_current_hashes(store, model))


@pytest.mark.parametrize("model", ["clip", "dinov2", "depth_pro"])
def test_unreadable_configuration(model: str, copy: Callable[[str], tuple[WeightsDir, Path]]) -> None:
    store, path = copy(model)
    config = path.with_name(store.pins[model].files[0].name)
    config.write_text("{")
    with pytest.raises(UsageError, match="cannot be read"):
        registry.load(SECTIONS[model], "cpu", with_current_hashes(store, model))


@pytest.mark.parametrize("activation", [{}, {"quick_gelu": False}], ids=["left out", "false"])
def test_clip_with_the_wrong_activation(
    activation: dict[str, Any], copy: Callable[[str], tuple[WeightsDir, Path]]
) -> None:
    """OpenAI's weights load with both activations, but give other vectors with the usual GELU."""
    store, path = copy("clip")
    config = path.with_name("open_clip_config.json")
    configuration = json.loads(config.read_text())
    del configuration["model_cfg"]["quick_gelu"]
    configuration["model_cfg"] |= activation
    config.write_text(json.dumps(configuration))
    with pytest.raises(UsageError, match=rf"{config.name} do not fit the model \(.*lacks quick_gelu = true.*delete it"):
        registry.load(SECTIONS["clip"], "cpu", with_current_hashes(store, "clip"))


def test_a_pickle_that_runs_code_is_refused(copy: Callable[[str], tuple[WeightsDir, Path]]) -> None:
    class Harm:
        def __reduce__(self) -> Any:
            return (print, ("harm",))

    store, path = copy("raft_small")
    torch.save({"harm": Harm()}, path)
    with pytest.raises(UsageError, match="cannot be read"):
        registry.load(SECTIONS["raft_small"], "cpu", with_current_hashes(store, "raft_small"))


@pytest.mark.parametrize("model", MODELS)
def test_loading_never_asks_the_network(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    registry.load(SECTIONS[model], "cpu", tiny_store())


def test_bf16_and_devices_have_other_fingerprints() -> None:
    from hfv_builder.profiles.profile import load_profile
    from hfv_builder.records import Metric

    paper = load_profile("paper")
    store = tiny_store()
    usual = registry.resolve(paper, store=store).fingerprints
    other = dataclasses.replace(paper, flow=dataclasses.replace(paper.flow, precision="bf16"))
    assert registry.resolve(other, store=store).fingerprints[Metric.MOTION] != usual[Metric.MOTION]
    assert registry.resolve(other, store=store).fingerprints[Metric.APPEARANCE] == usual[Metric.APPEARANCE]
    assert registry.resolve(paper, device="cuda", store=store).fingerprints != usual
