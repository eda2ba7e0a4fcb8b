"""Video backbones equal plain implementations, and their files are loaded strictly."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from hfv_builder.backends.weights import WeightsDir
from hfv_builder.detectors.backbones import Backbone, InternVideo2, make_backbone
from hfv_builder.detectors.video_transformer import SIZES, Block, VideoTransformer, sincos_positions
from hfv_builder.records import UsageError
from tests.detectors.weights import BACKBONE, TINY, internvideo2_shapes, internvideo2_tensors

VIDEO = torch.randn(3, 3, 8, 28, 28, generator=torch.Generator().manual_seed(1))


def load_backbone(root: Path, name: str = BACKBONE, **options: Any) -> Any:
    defaults: dict[str, Any] = {"own_file": "", "drop_path": 0.0, "checkpointing": False, "start": True}
    return make_backbone(name, WeightsDir(root=root), **(defaults | options))


def write_tensors(root: Path, tensors: object) -> Path:
    path = root / BACKBONE / "pytorch_model.bin"
    path.parent.mkdir(exist_ok=True)
    torch.save(tensors, path)
    return path


def rms(x: Tensor, weight: Tensor) -> Tensor:
    return x / (x.pow(2).mean(dim=-1, keepdim=True) + 1e-6).sqrt() * weight


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    mean = x.mean(dim=-1, keepdim=True)
    return (x - mean) / ((x - mean).pow(2).mean(dim=-1, keepdim=True) + 1e-5).sqrt() * weight + bias


def attention(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """Compute attention one head after another, with explicit softmax."""
    width = q.shape[-1] // heads
    parts = []
    for head in range(heads):
        channels = slice(head * width, (head + 1) * width)
        scores = torch.einsum("bqc,bkc->bqk", q[..., channels], k[..., channels]) / math.sqrt(width)
        scores = (scores - scores.amax(dim=-1, keepdim=True)).exp()
        parts.append((scores / scores.sum(dim=-1, keepdim=True)) @ v[..., channels])
    return torch.cat(parts, dim=-1)


def plain_forward(w: dict[str, Tensor], video: Tensor) -> tuple[Tensor, Tensor]:
    """Compute averages and pooled feature from the tensors by name: patches by loops, attention head by head."""
    clips, side = len(video), 28 // 14
    rows = []
    for frame in range(8):
        for row in range(side):
            for column in range(side):
                patch = video[:, :, frame, 14 * row : 14 * row + 14, 14 * column : 14 * column + 14]
                rows.append(patch.reshape(clips, -1) @ w["patch_embed.proj.weight"].reshape(32, -1).T)
    x = torch.stack(rows, dim=1) + w["patch_embed.proj.bias"]
    x = torch.cat([w["cls_token"].repeat(clips, 1, 1), x], dim=1) + w["pos_embed"]
    for number in range(2):
        block = {name.split(".", 2)[2]: tensor for name, tensor in w.items() if name.startswith(f"blocks.{number}.")}
        y = rms(x, block["norm1.weight"]) @ block["attn.qkv.weight"].T
        q, k, v = y[..., :32], y[..., 32:64], y[..., 64:]
        y = attention(rms(q, block["attn.q_norm.weight"]), rms(k, block["attn.k_norm.weight"]), v, 2)
        x = x + block["ls1.gamma"] * (y @ block["attn.proj.weight"].T + block["attn.proj.bias"])
        y = rms(x, block["norm2.weight"]) @ block["mlp.fc1.weight"].T + block["mlp.fc1.bias"]
        y = y * 0.5 * (1 + torch.erf(y / math.sqrt(2)))
        x = x + block["ls2.gamma"] * (y @ block["mlp.fc2.weight"].T + block["mlp.fc2.bias"])
    pool = {
        name.removeprefix("clip_projector."): part for name, part in w.items() if name.startswith("clip_projector.")
    }
    inputs = {"q": x.mean(dim=1, keepdim=True), "k": x, "v": x}
    q, k, v = (
        layer_norm(tokens, pool[f"norm1_{name}.weight"], pool[f"norm1_{name}.bias"])
        @ pool[f"cross_attn.{name}.weight"].T
        + pool[f"cross_attn.{name}_bias"]
        for name, tokens in inputs.items()
    )
    pooled = attention(q, k, v, 16)[:, 0] @ pool["cross_attn.proj.weight"].T + pool["cross_attn.proj.bias"]
    averages = torch.stack([x[:, 0], x[:, 1:].mean(dim=1)], dim=1)
    return averages, layer_norm(pooled, w["fc_norm.weight"], w["fc_norm.bias"])


def test_a_released_file_gives_the_result_of_the_formulas(tmp_path: Path) -> None:
    tensors = internvideo2_tensors(tuned=True)
    write_tensors(tmp_path, {"module": tensors})
    backbone = load_backbone(tmp_path).eval()
    with torch.no_grad():
        averages, pooled = backbone(VIDEO)
    expected = plain_forward(tensors, VIDEO)
    assert averages.shape == (3, 2, 32)
    torch.testing.assert_close(averages, expected[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(pooled, expected[1], atol=1e-5, rtol=1e-5)


def test_distilled_files_and_other_formats_are_read(tmp_path: Path) -> None:
    tensors = internvideo2_tensors(tuned=False)
    path = write_tensors(tmp_path, tensors)
    first = load_backbone(tmp_path).eval()
    assert first.network.fc_norm.weight.eq(1).all()
    from safetensors.torch import save_file

    save_file(tensors, tmp_path / "other.safetensors")
    torch.save(tensors, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    for name in ("other.safetensors", "old.pth"):
        other = load_backbone(tmp_path / "nowhere", own_file=str(tmp_path / name)).eval()
        with torch.no_grad():
            assert all(torch.equal(a, b) for a, b in zip(first(VIDEO), other(VIDEO), strict=True))
    assert path.is_file()


def without(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key: tensor for key, tensor in tensors.items() if key != name}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda tensors_of_file: without(tensors_of_file, "blocks.1.ls2.gamma"),
            r"it has no blocks.1.ls2.gamma\): choose the size",
        ),
        (lambda tensors_of_file: without(tensors_of_file, "fc_norm.bias"), "it has no fc_norm.bias"),
        (
            lambda tensors_of_file: tensors_of_file | {"blocks.2.ls1.gamma": torch.ones(32)},
            "it has an unknown blocks.2.ls1.gamma",
        ),
        (
            lambda tensors_of_file: tensors_of_file | {"pos_embed": torch.ones(1, 9, 32)},
            r"of the shape \(1, 9, 32\), not \(1, 33, 32\), is pos_",
        ),
        (lambda tensors_of_file: {"cls_token": tensors_of_file["cls_token"]}, r"it has no \S+ and \d+ more"),
        (lambda tensors_of_file: [1, 2], r"cannot be read \("),
    ],
)
def test_files_of_another_size_are_refused(tmp_path: Path, change: Callable[[Any], Any], sentence: str) -> None:
    write_tensors(tmp_path, change(internvideo2_tensors(tuned=True)))
    with pytest.raises(UsageError, match=sentence):
        load_backbone(tmp_path)


def test_missing_and_ambiguous_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no weights of internvideo2-tiny: put one file there"):
        load_backbone(tmp_path)
    load_backbone(tmp_path, start=False)
    with pytest.raises(UsageError, match=r"none\.bin does not exist: give backbone_weights another file"):
        load_backbone(tmp_path, own_file=str(tmp_path / "none.bin"))
    write_tensors(tmp_path, {}).write_bytes(b"no file of PyTorch")
    with pytest.raises(UsageError, match="cannot be read"):
        load_backbone(tmp_path)
    (tmp_path / BACKBONE / "second.pth").touch()
    with pytest.raises(UsageError, match="has 2 files of weights"):
        load_backbone(tmp_path)
    with pytest.raises(UsageError, match=r"no backbone 'resnet': choose from internvideo2-s"):
        load_backbone(tmp_path, "resnet")
    with pytest.raises(UsageError, match=r"no config\.json of vjepa2-l: run `hf download facebook/vjepa2-vitl"):
        load_backbone(tmp_path, "vjepa2-l")


def test_position_embeddings_equal_loops() -> None:
    dim, frames, side = 32, 3, 2
    expected = [np.zeros(dim)]
    for frame in range(frames):
        for row in range(side):
            for column in range(side):
                channels: list[float] = []
                for position, width in ((frame, dim // 4), (column, 3 * dim // 8), (row, 3 * dim // 8)):
                    angles = [position / 10_000 ** (2 * i / width) for i in range(width // 2)]
                    channels += [*map(math.sin, angles), *map(math.cos, angles)]
                expected.append(np.array(channels))
    np.testing.assert_allclose(sincos_positions(dim, frames, side)[0].numpy(), np.stack(expected), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "millions"),
    [("internvideo2-s", 23), ("internvideo2-b", 89), ("internvideo2-l", 308), ("internvideo2-1b", 1020)],
)
def test_every_size_has_its_shapes_and_parameters(name: str, millions: int) -> None:
    size = SIZES[name]
    with torch.device("meta"):
        network = VideoTransformer(size)
    shapes = internvideo2_shapes(size, tuned=True)
    assert {name: tuple(parameter.shape) for name, parameter in network.state_dict().items()} == {
        name: shape for name, shape in shapes.items() if not name.startswith("head.")
    }
    assert network.pos_embed.shape == (1, 1 + 8 * 16 * 16, size.dim)
    assert sum(parameter.numel() for parameter in network.parameters()) // 1_000_000 == millions


def test_lower_precision_is_close_and_warns_of_nothing() -> None:
    network = VideoTransformer(TINY).eval()
    with torch.inference_mode():
        exact, _ = network(VIDEO)
        with torch.autocast("cpu", torch.float16):
            rounded, _ = network(VIDEO)
    torch.testing.assert_close(rounded.float(), exact, rtol=0.02, atol=0.02)


def test_checkpointing_changes_no_gradient() -> None:
    gradients: list[list[Tensor | None]] = []
    work: list[int] = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        network = InternVideo2(BACKBONE, drop_path=0.5, checkpointing=checkpointing).train()
        torch.manual_seed(1)
        with FlopCounterMode(display=False) as counter:
            averages, pooled = network(VIDEO)
            (averages.square().sum() + pooled.square().sum()).backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
        work.append(counter.get_total_flops())
    torch.testing.assert_close(gradients[0], gradients[1], atol=0, rtol=0)
    assert work[1] > work[0]  # blocks are computed twice


def test_blocks_are_dropped_at_random_only_in_training() -> None:
    torch.manual_seed(0)
    block = Block(TINY, 0.5)
    nn.init.constant_(block.ls1.gamma, 1.0)
    x = torch.randn(64, 5, 32)
    assert torch.equal(block.eval()(x), block(x))
    unchanged = (block.train()(x) == x).all(dim=(1, 2)).float().mean()
    assert 0.1 < unchanged < 0.45  # a quarter drops both of its parts
    with torch.device("meta"):
        blocks: Any = VideoTransformer(SIZES["internvideo2-s"], drop_path=0.11).blocks
    rates = [block_of_network.drop_path.p for block_of_network in blocks]
    np.testing.assert_allclose(rates, 0.01 * np.arange(12), atol=1e-6)


@pytest.fixture(scope="module")
def vjepa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a tiny V-JEPA 2 in the format of transformers."""
    from transformers import VJEPA2Config, VJEPA2Model

    config = VJEPA2Config(
        crop_size=32,
        frames_per_clip=8,
        hidden_size=48,
        num_attention_heads=2,
        num_hidden_layers=2,
        pred_hidden_size=24,
        pred_num_attention_heads=2,
        pred_num_hidden_layers=1,
    )
    root = tmp_path_factory.mktemp("vjepa")
    model: Any = VJEPA2Model(config)
    model.save_pretrained(root / "vjepa2-l")
    return root


def test_vjepa2_equals_transformers(vjepa: Path) -> None:
    backbone = load_backbone(vjepa, "vjepa2-l", drop_path=0.1, checkpointing=True)
    video = torch.randn(2, 3, 8, 32, 32)
    averages, pooled = backbone.train()(video)
    (averages.sum() + pooled.sum()).backward()
    assert all(parameter.grad is not None for parameter in backbone.parameters())
    assert (backbone.side, backbone.depth, averages.shape, pooled.shape) == (32, 2, (2, 1, 48), (2, 768))
    from transformers import VJEPA2Model

    model_type: Any = VJEPA2Model
    model = model_type.from_pretrained(vjepa / "vjepa2-l").eval()
    with torch.no_grad():
        expected = model.get_vision_features(video.transpose(1, 2)).mean(dim=1)
        torch.testing.assert_close(backbone.eval()(video)[0][:, 0], expected)
    assert [backbone.layer(name) for name, _ in backbone.named_parameters() if "norm1.weight" in name] == [1, 2]
    random = load_backbone(vjepa, "vjepa2-l", start=False)
    assert random.state_dict().keys() == backbone.state_dict().keys()


def test_layers_follow_the_names_of_parameters() -> None:
    backbone: Backbone = InternVideo2(BACKBONE, drop_path=0.0, checkpointing=False)
    layers: dict[str, int] = {name: backbone.layer(name) for name, _ in backbone.named_parameters()}
    expected = {"network.cls_token": 0, "network.pos_embed": 0, "network.patch_embed.proj.bias": 0}
    expected |= {"network.blocks.0.norm1.weight": 1, "network.blocks.1.attn.qkv.weight": 2}
    expected |= {"network.clip_projector.norm1_q.bias": 3, "network.fc_norm.weight": 3}
    assert {name: layers[name] for name in expected} == expected
