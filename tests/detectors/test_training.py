"""Training by epochs: killed anywhere and called again, it ends with the same weights."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from hfv_builder.detectors.base import Curve, Fitting
from hfv_builder.detectors.training import Schedule, train_network
from tests.killed import Killed, killed_after

X = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()
SCHEDULE = Schedule(epochs=6, rate=0.2, weight_decay=0.01, patience=9, seed=0)


def train(
    folder: Path, schedule: Schedule = SCHEDULE, accuracies: list[float] | None = None, **fitting: Any
) -> tuple[dict[str, Any], Curve]:
    """A small network with dropout, whose validation accuracies may be given."""
    torch.manual_seed(1)
    network = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.3), nn.ReLU(), nn.Linear(8, 2))
    given = iter(accuracies or [])

    def batches(rng: np.random.Generator) -> Iterator[Any]:
        order = rng.permutation(len(X))
        for start in range(0, len(X), 8):
            part = order[start : start + 8]
            yield lambda part=part: nn.functional.cross_entropy(network(X[part]), Y[part])

    def validate() -> float:
        right = (network(X).argmax(dim=1) == Y).float().mean().item()
        return next(given) if accuracies else right

    curve = train_network(network, batches, validate, schedule, Fitting(folder=folder, **fitting))
    return {name: value.clone() for name, value in network.state_dict().items()}, curve


def test_it_learns_and_reproduces_to_the_bit(tmp_path: Path) -> None:
    (first, curve), (second, again) = (train(tmp_path / name) for name in ("a", "b"))
    assert curve == again
    assert max(row["val_accuracy"] for row in curve) > 0.8
    assert all((first[name] == second[name]).all() for name in first)


@pytest.mark.parametrize("survived", range(6))
def test_killed_while_it_writes(tmp_path: Path, survived: int) -> None:
    expected, curve = train(tmp_path / "whole")
    (tmp_path / "killed").mkdir()
    with killed_after(survived):
        train(tmp_path / "killed")
    weights, again = train(tmp_path / "killed")
    assert again == curve
    assert all((weights[name] == expected[name]).all() for name in expected)


def test_killed_after_every_epoch(tmp_path: Path) -> None:
    expected, curve = train(tmp_path / "whole")

    def die(curve: Curve, epochs: int) -> None:
        raise Killed

    for _ in range(SCHEDULE.epochs):
        with pytest.raises(Killed):
            train(tmp_path / "killed", report=die)
    weights, again = train(tmp_path / "killed", report=die)
    assert again == curve
    assert all((weights[name] == expected[name]).all() for name in expected)


KILL = """
import os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from tests.detectors.test_training import train
def kill(curve, epochs):
    if len(curve) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
train(Path(sys.argv[1]), report=kill)
"""


def test_sigkill_in_an_epoch(tmp_path: Path) -> None:
    expected, curve = train(tmp_path / "whole")
    command = [sys.executable, "-c", KILL, str(tmp_path / "killed")]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == -signal.SIGKILL
    epochs: list[int] = []
    weights, again = train(tmp_path / "killed", report=lambda curve, _: epochs.append(len(curve)))
    assert epochs == [3, 4, 5, 6]
    assert again == curve
    assert all((weights[name] == expected[name]).all() for name in expected)


def test_it_stops_early_and_keeps_the_best_epoch(tmp_path: Path) -> None:
    schedule = Schedule(epochs=6, rate=0.05, weight_decay=0.01, patience=2, seed=0)
    weights, curve = train(tmp_path / "a", schedule, [0.5, 0.8, 0.8, 0.7, 0.9, 0.9])
    assert [row["val_accuracy"] for row in curve] == [0.5, 0.8, 0.8, 0.7]
    second, _ = train(tmp_path / "b", schedule, [0.5, 0.9, 0.1, 0.1])
    assert all((weights[name] == second[name]).all() for name in weights)


def test_without_validation_clips_the_last_epoch_stays(tmp_path: Path) -> None:
    _, curve = train(tmp_path / "a", accuracies=[float("nan")] * 6)
    assert len(curve) == 6
