"""`humansam`: loss, fusion, inputs of views, and presets."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from hfv_builder.backends.weights import WeightsDir
from hfv_builder.detectors.backbones import InternVideo2
from hfv_builder.detectors.base import Fitting
from hfv_builder.detectors.humansam_network import HumanSamNetwork
from hfv_builder.detectors.humansam_views import Views
from hfv_builder.detectors.rank_loss import rank_weights, weighted_loss
from hfv_builder.records import UsageError
from tests.detectors.humansam_material import detector, samples
from tests.detectors.weights import BACKBONE

# The loss.


def test_weights_follow_the_rank() -> None:
    rows = pd.DataFrame({"label": [0, 1, 2, 3, 3], "r_hat": [0.1, 0.5, 1.0, 0.0, float("nan")]})
    expected = [math.log(math.e + r_hat) for r_hat in (0.1, 0.5, 1.0)] + [1.0, 1.0]
    np.testing.assert_allclose(rank_weights(rows, "weakest"), expected)
    expected = [math.log(math.e + 1 - r_hat) for r_hat in (0.1, 0.5, 1.0)] + [1.0, 1.0]
    np.testing.assert_allclose(rank_weights(rows, "strongest"), expected)
    with pytest.raises(UsageError, match="1 of 3 forged clips to train with have no r_hat: set rank_loss = false"):
        rank_weights(rows.assign(r_hat=[0.1, float("nan"), 1.0, 0.0, 0.0]), "weakest")


def test_the_loss_equals_numpy() -> None:
    rng = np.random.default_rng(0)
    logits, truth, weights = rng.normal(0, 2, (6, 4)), rng.integers(0, 4, 6), rng.uniform(1, 1.3, 6)
    total = 0.0
    for logits_of_clip, label, weight in zip(logits, truth, weights, strict=True):
        logs = logits_of_clip - np.log(np.exp(logits_of_clip).sum())
        target = np.full(4, 0.1 / 4)
        target[label] += 0.9
        total -= weight * (target * logs).sum()
    loss = weighted_loss(torch.tensor(logits), torch.tensor(truth), torch.tensor(weights), smoothing=0.1)
    assert float(loss) == pytest.approx(total / 6, rel=1e-6)


# The network.


def network(**options: Any) -> HumanSamNetwork:
    torch.manual_seed(0)
    backbone = InternVideo2(BACKBONE, drop_path=0.0, checkpointing=False)
    return HumanSamNetwork(backbone, 4, **({"cat": True, "depth_width": 16} | options))


VIDEO = torch.randn(5, 3, 8, 28, 28, generator=torch.Generator().manual_seed(3))
DEPTH = torch.randn(5, 16, generator=torch.Generator().manual_seed(4))


def test_averages_are_normalised_over_the_batch_without_learnt_factors() -> None:
    model = network().train()
    averages, pooled = (part.detach() for part in model.backbone(VIDEO))
    feature = model.features(VIDEO).detach()
    flat = averages.reshape(10, 32)
    expected = ((averages - flat.mean(dim=0)) / (flat.var(dim=0, unbiased=False) + 1e-6).sqrt()).reshape(5, 64)
    torch.testing.assert_close(feature, torch.cat([expected, pooled], dim=1), atol=1e-5, rtol=1e-4)
    assert model.norm is not None
    assert [*model.norm.parameters()] == []
    torch.testing.assert_close(model.norm.running_mean, 0.1 * flat.mean(dim=0), atol=1e-6, rtol=1e-5)
    single = model.eval()(VIDEO[:1], DEPTH[:1])
    torch.testing.assert_close(single, model(VIDEO, DEPTH)[:1], atol=1e-5, rtol=1e-5)


def test_alpha_has_its_gradient_and_stays_in_range() -> None:
    model = network().eval()
    assert model.alpha is not None
    assert model.align is not None
    assert model.alpha.item() == 0.5
    truth = torch.tensor([0, 1, 2, 3, 0])
    weighted_loss(model(VIDEO, DEPTH), truth, torch.ones(5), smoothing=0.0).backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        aligned = model.align(model.features(VIDEO))
        logits = model.head(0.5 * aligned + 0.5 * DEPTH)
        slope = (logits.softmax(dim=1) - torch.eye(4)[truth]) / 5
        expected = (slope @ model.head.weight * (aligned - DEPTH)).sum()
    assert model.alpha.grad is not None
    assert float(model.alpha.grad) == pytest.approx(float(expected), rel=1e-4)
    for outside, inside in ((1.7, 1.0), (-0.2, 0.0)):
        model.alpha.data.fill_(outside)
        mixed = inside * aligned + (1 - inside) * DEPTH
        torch.testing.assert_close(model(VIDEO, DEPTH), model.head(mixed), atol=1e-5, rtol=1e-5)
        assert model.alpha.item() == inside


@pytest.mark.parametrize(("cat", "depth", "width"), [(False, 0, 24), (True, 0, 88), (True, 16, 16), (False, 16, 16)])
def test_modules_can_be_left_out(cat: bool, depth: int, width: int) -> None:
    model = network(cat=cat, depth_width=depth)
    names = {name.split(".")[0] for name in model.state_dict()}
    assert names == {"backbone", "head"} | ({"norm"} if cat else set()) | ({"align", "alpha"} if depth else set())
    assert model.head.in_features == width
    assert model(VIDEO, DEPTH if depth else None).shape == (5, 4)


def test_rates_and_decay_follow_the_names_of_parameters(weights: WeightsDir) -> None:
    """They depend on the name of a parameter alone."""
    for preset, decay, rate, alpha in (("paper", 0.85, 2e-5, 1e-3), ("released", 1.0, 3.125e-7, 3.125e-7)):
        humansam = detector(weights, preset=preset)
        model = humansam._new_network(16)
        schedule = humansam._schedule(model)
        assert schedule.rate == pytest.approx(rate)
        for name, parameter in model.named_parameters():
            tuning = schedule.tuning(name, parameter)
            layer = 3
            if name == "alpha":
                assert tuning.scale * schedule.rate == pytest.approx(alpha)
                assert not tuning.decays
                continue
            if "blocks.0." in name or "blocks.1." in name:
                layer = 1 + int(name.split("blocks.")[1][0])
            elif any(part in name for part in ("cls_token", "pos_embed", "patch_embed")):
                layer = 0
            assert tuning.scale == pytest.approx(decay ** (3 - layer)), name
            is_vector = name.endswith(("bias", "gamma", "norm1.weight", "norm2.weight")) or "norm" in name
            is_embedding = name.endswith(("cls_token", "pos_embed"))
            assert tuning.decays == (not is_vector and not (is_embedding and preset == "paper")), name


# Inputs of views.


@pytest.mark.parametrize("views", [1, 2, 3])
@pytest.mark.parametrize("batch", [1, 2, 5])
def test_every_view_has_depth_weight_and_label_of_its_clip(batch: int, views: int) -> None:
    clips = samples(8)
    weights = rank_weights(clips.rows, "weakest")
    maker = Views(side=28, frames=8, operations=0, magnitude=7, least_crop=0.5, erasing=0.0)
    chosen = np.random.default_rng(batch).permutation(8)[:batch]
    loaded = maker.load(clips, chosen.tolist(), weights, views, np.random.default_rng(0))
    assert loaded.video.shape == (batch * views, 3, 8, 28, 28)
    shades = (loaded.video[:, 0, 0, 0, 0] * 0.229 * 255 + 0.485 * 255) / 2
    clip_numbers = shades.round().long().numpy()
    np.testing.assert_array_equal(clip_numbers, np.repeat(chosen, views))
    assert loaded.depth is not None
    np.testing.assert_array_equal(loaded.depth[:, 0].numpy(), clip_numbers)
    np.testing.assert_array_equal(loaded.truth.numpy(), clips.classes[clip_numbers])
    np.testing.assert_allclose(loaded.weights.numpy(), weights[clip_numbers], rtol=1e-6)
    misaligned = loaded.misaligned_depth(views)
    assert misaligned is not None
    np.testing.assert_array_equal(misaligned[:, 0].numpy(), [*chosen] * views)


@pytest.mark.parametrize("preset", ["paper", "released"])
def test_the_released_preset_misaligns_depth(
    preset: str, weights: WeightsDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs: list[tuple[int, int]] = []
    forward = HumanSamNetwork.forward

    def recording_forward(self: HumanSamNetwork, video: Tensor, depth: Tensor) -> Tensor:
        if self.training:
            shades = ((video[:, 0, 0, 0, 0] * 0.229 + 0.485) * 255 / 2).round().long()
            pairs.extend(zip(shades.tolist(), depth[:, 0].long().tolist(), strict=True))
        return forward(self, video, depth)

    monkeypatch.setattr(HumanSamNetwork, "forward", recording_forward)
    humansam = detector(weights, preset=preset, epochs=1, views=2, batch=2)
    humansam.fit(samples(8), samples(0), Fitting(folder=tmp_path))
    assert len(pairs) == 16
    aligned = sum(clip == depth for clip, depth in pairs)
    assert aligned == (16 if preset == "paper" else 8)


def test_the_probabilities_are_the_mean_over_views(weights: WeightsDir) -> None:
    humansam = detector(weights, temporal_views=2, spatial_views=3, depth=False)
    humansam._network = humansam._new_network(0).eval()
    rng = np.random.default_rng(0)
    clip = rng.integers(0, 256, (16, 3, 28, 56), np.uint8)
    sample = replace(samples(1), features=[clip], further=())
    parts = []
    for time in range(2):
        for left in (0, 14, 28):
            view = torch.from_numpy(clip[time::2, :, :, left : left + 28]).float().transpose(0, 1)[None] / 255
            mean, std = (torch.tensor(v).view(1, 3, 1, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
            with torch.no_grad():
                parts.append(humansam._network((view - mean) / std, None).softmax(dim=1)[0].numpy())
    np.testing.assert_allclose(humansam.view_probabilities(sample, 0), parts, atol=1e-5)
    np.testing.assert_allclose(humansam.predict(sample)[0], np.mean(parts, axis=0), atol=1e-5)
