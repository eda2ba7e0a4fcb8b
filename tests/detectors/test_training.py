"""Training by epochs: killed anywhere and called again, it has the same weights as without a kill."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from hfv_builder.detectors.base import Curve, Fitting
from hfv_builder.detectors.schedule import Schedule, Tuning, cosine, plateau, steps
from hfv_builder.detectors.training import Task, train_network
from hfv_builder.records import UsageError
from tests.killed import Killed, killed_after

X = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()
SCHEDULE = Schedule(epochs=6, rate=0.2, weight_decay=0.01, patience=9, seed=0)
EVERY_STEP = replace(SCHEDULE, state_seconds=0)


def train(
    folder: Path,
    schedule: Schedule = SCHEDULE,
    accuracies: list[float] | None = None,
    survived: int | None = None,
    norm: bool = True,
    **fitting: Any,
) -> tuple[dict[str, Any], Curve]:
    """Train a small network with dropout and, unless `norm` is false, batch normalisation; return weights and curve.

    `accuracies` replace those of validation. The training is killed after the losses of `survived` batches.
    """
    torch.manual_seed(1)
    middle = nn.BatchNorm1d(8) if norm else nn.Identity()
    network = nn.Sequential(nn.Linear(6, 8), middle, nn.Dropout(0.3), nn.ReLU(), nn.Linear(8, 2))
    given_accuracies = iter(accuracies or [])
    batches_done: list[Any] = []

    def load(part: Any, rng: np.random.Generator) -> Any:
        return X[part] + torch.from_numpy(rng.normal(0, 0.01, (len(part), 6))).float(), Y[part]

    def loss(loaded: Any) -> Any:
        batches_done.append(loaded)
        if len(batches_done) - 1 == survived:
            raise Killed
        return nn.functional.cross_entropy(network(loaded[0]), loaded[1])

    def validate() -> float:
        accuracy = (network(X).argmax(dim=1) == Y).float().mean().item()
        return next(given_accuracies) if accuracies else accuracy

    task: Task[Any, Any] = Task(
        batches=lambda rng: np.split(rng.permutation(len(X)), 5), load=load, loss=loss, validate=validate
    )
    curve = train_network(network, task, schedule, Fitting(folder=folder, **fitting))
    return {name: value.clone() for name, value in network.state_dict().items()}, curve


def test_training_learns_and_is_deterministic(tmp_path: Path) -> None:
    (first, curve), (second, second_curve) = (train(tmp_path / name) for name in ("a", "b"))
    assert curve == second_curve
    assert max(row["val_accuracy"] for row in curve) > 0.8
    assert all((first[name] == second[name]).all() for name in first)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Curve]:
    """Return weights and curve of a training without interruption."""
    return train(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("survived", range(8))
def test_training_killed_while_it_writes_resumes_to_the_same_weights(
    tmp_path: Path, uninterrupted: tuple[dict[str, Any], Curve], survived: int
) -> None:
    expected, curve = uninterrupted
    with killed_after(survived):
        train(tmp_path, EVERY_STEP)
    weights, again = train(tmp_path)
    assert again == curve
    assert all((weights[name] == expected[name]).all() for name in expected)


def test_training_killed_every_three_steps_has_the_same_weights(
    tmp_path: Path, uninterrupted: tuple[dict[str, Any], Curve]
) -> None:
    expected, curve = uninterrupted
    for _ in range(9):  # every call is killed after three of thirty steps
        with pytest.raises(Killed):
            train(tmp_path, EVERY_STEP, survived=3)
    weights, again = train(tmp_path, EVERY_STEP, survived=3)
    assert again == curve
    assert all((weights[name] == expected[name]).all() for name in expected)
    assert len([*tmp_path.glob("best-*")]) == 1


@pytest.mark.parametrize("name", ["state", "best-6"])
def test_a_damaged_state_is_named(tmp_path: Path, name: str) -> None:
    train(tmp_path, accuracies=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    (tmp_path / f"{name}.safetensors").write_bytes(b"damaged")
    with pytest.raises(UsageError, match=rf"{name}\.safetensors is damaged: delete {tmp_path}, and"):
        train(tmp_path)


def test_training_killed_after_every_epoch_has_the_same_weights(tmp_path: Path) -> None:
    expected, curve = train(tmp_path / "whole")

    def die(curve: Curve, epochs: int) -> None:
        raise Killed

    for _ in range(SCHEDULE.epochs):
        with pytest.raises(Killed):
            train(tmp_path / "killed", report=die)
    weights, again = train(tmp_path / "killed", report=die)
    assert again == curve
    assert all((weights[name] == expected[name]).all() for name in expected)


def test_training_stops_early_and_keeps_the_best_epoch(tmp_path: Path) -> None:
    schedule = replace(SCHEDULE, rate=0.05, patience=2)
    weights, curve = train(tmp_path / "a", schedule, [0.5, 0.8, 0.8, 0.7, 0.9, 0.9])
    assert [row["val_accuracy"] for row in curve] == [0.5, 0.8, 0.8, 0.7]
    second, _ = train(tmp_path / "b", schedule, [0.5, 0.9, 0.1, 0.1])
    assert all((weights[name] == second[name]).all() for name in weights)


def test_training_without_validation_clips_keeps_the_last_epoch(tmp_path: Path) -> None:
    _, curve = train(tmp_path / "a", accuracies=[float("nan")] * 6)
    assert len(curve) == 6


@pytest.mark.parametrize(
    "optimizer",
    [torch.optim.AdamW, torch.optim.Adam, partial(torch.optim.SGD, momentum=0.9)],
    ids=["adamw", "adam", "sgd"],
)
def test_killed_training_resumes_with_every_optimizer(
    tmp_path: Path, optimizer: Callable[..., torch.optim.Optimizer]
) -> None:
    schedule = replace(EVERY_STEP, optimizer=optimizer, rate=0.05, epochs=2)
    expected, _ = train(tmp_path / "whole", schedule)
    with pytest.raises(Killed):
        train(tmp_path / "killed", schedule, survived=7)
    weights, _ = train(tmp_path / "killed", schedule)
    assert all((weights[name] == expected[name]).all() for name in expected)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_killed_training_resumes_in_lower_precision(tmp_path: Path, precision: Any) -> None:
    schedule = replace(EVERY_STEP, precision=precision, rate=0.05, epochs=2)
    expected, curve = train(tmp_path / "whole", schedule)
    with pytest.raises(Killed):
        train(tmp_path / "killed", schedule, survived=7)
    weights, again = train(tmp_path / "killed", schedule)
    assert again == curve
    assert all((weights[name] == expected[name]).all() for name in expected)
    full, _ = train(tmp_path / "full", replace(schedule, precision="fp32"))
    assert any((weights[name] != full[name]).any() for name in full)


def test_each_parameter_has_its_own_rate_and_decay(tmp_path: Path) -> None:
    def tuning(name: str, parameter: nn.Parameter) -> Tuning:
        return Tuning(scale=0.0) if name.startswith("0.") else Tuning(decays=parameter.ndim > 1)

    schedule = replace(SCHEDULE, tuning=tuning)
    torch.manual_seed(1)
    first = nn.Linear(6, 8)
    weights, _ = train(tmp_path, schedule)
    assert torch.equal(weights["0.weight"], first.weight)
    groups = schedule.groups(nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 2)))
    assert [(len(group["params"]), group["scale"], group["weight_decay"]) for group in groups] == [
        (2, 0.0, 0.01),
        (1, 1.0, 0.01),
        (1, 1.0, 0.0),
    ]


def test_a_step_uses_the_mean_gradient_of_its_batches(tmp_path: Path) -> None:
    sgd = replace(SCHEDULE, optimizer=torch.optim.SGD, epochs=1, batches_per_step=5, weight_decay=0.0, pace=steps(()))
    weights, _ = train(tmp_path, sgd)
    torch.manual_seed(1)
    network = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.ReLU(), nn.Linear(8, 2))
    for step, part in enumerate(np.split(np.random.default_rng([0, 1]).permutation(len(X)), 5)):
        noise = torch.from_numpy(np.random.default_rng([0, 1, step, 1]).normal(0, 0.01, (8, 6))).float()
        torch.manual_seed(int(np.random.default_rng([0, 1, step, 2]).integers(2**31)))
        (nn.functional.cross_entropy(network(X[part] + noise), Y[part]) / 5).backward()  # type: ignore[no-untyped-call]
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None
        torch.testing.assert_close(weights[name], parameter.detach() - 0.2 * parameter.grad)


def test_paces_scale_the_rate_over_epochs() -> None:
    def curve(*accuracies: float) -> Curve:
        return [
            {"epoch": epoch + 1.0, "loss": 0.0, "val_accuracy": accuracy} for epoch, accuracy in enumerate(accuracies)
        ]

    warm = cosine(warmup=2)
    assert [round(warm(epochs_done, 6, []), 3) for epochs_done in (0.5, 1, 2, 4, 6)] == [0.25, 0.5, 1, 0.5, 0]
    stepped = steps((11, 14))
    assert [round(stepped(epochs_done, 15, []), 3) for epochs_done in (0.1, 11, 11.1, 14, 14.5)] == [
        1,
        1,
        0.1,
        0.1,
        0.01,
    ]
    pace = plateau(patience=2)
    assert [pace(0, 9, curve(*accuracies)) for accuracies in ((), (0.5, 0.5), (0.5, 0.4, 0.3), (0.5, 0.4, 0.6))] == [
        1,
        1,
        0.1,
        1,
    ]
    assert pace(0, 9, curve(*[math.nan] * 6)) == 1
    falling = replace(SCHEDULE, rate=1e-4, pace=plateau(patience=1), least=1e-6, patience=99, epochs=99)
    assert [falling.has_ended(curve(*[0.5] * count)) for count in (1, 2, 3, 4)] == [False, False, False, True]


@pytest.mark.parametrize(("loss", "epoch"), [(math.nan, 1), (0.0, 6)])
def test_a_training_that_fp16_skips_step_by_step_is_an_error(tmp_path: Path, loss: float, epoch: int) -> None:
    network = nn.Linear(6, 2)

    def lost(loaded: Any) -> Any:
        total = network(X).sum()
        return total * loss if math.isnan(loss) else total + (0 * total).sqrt()  # a gradient that is not finite

    task: Task[Any, Any] = Task(batches=lambda rng: [0] * 5, load=lambda part, rng: part, loss=lost, validate=lambda: 1)
    with pytest.raises(UsageError, match=f"diverged in epoch {epoch}: .* precision=fp32"):
        train_network(network, task, replace(SCHEDULE, epochs=9, precision="fp16"), Fitting(folder=tmp_path))


def test_a_diverged_training_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="diverged in epoch 1: give a lower rate"):
        train(tmp_path, replace(SCHEDULE, rate=1e38))
    assert not [*tmp_path.iterdir()]
