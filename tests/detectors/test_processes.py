"""Training in several processes equals training in one."""

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from hfv_builder.detectors.arrays import load_arrays
from hfv_builder.detectors.base import Fitting
from hfv_builder.detectors.processes import Processes
from hfv_builder.detectors.training import Task, train_network
from hfv_builder.records import UsageError
from tests.detectors.test_training import SCHEDULE, train

SHARED_SCHEDULE = replace(SCHEDULE, epochs=3, batches_per_step=4, rate=0.01)
TRAIN = """
import os, shutil, sys
from pathlib import Path
from hfv_builder.detectors.arrays import save_arrays
from hfv_builder.detectors.processes import Processes
import numpy as np
from tests.detectors.test_processes import SHARED_SCHEDULE, train
out = Path(sys.argv[1])
learnt, _ = train(out / "state", SHARED_SCHEDULE, norm=False)
if os.environ["RANK"] == "0":
    shutil.rmtree(out / "state")  # as `hfv train` does, at once
arrays = {name: own.numpy() for name, own in learnt.items()} | {"count": np.array(Processes("cpu").count)}
save_arrays(out / f"rank{os.environ['RANK']}.safetensors", arrays)
"""


def train_in_two(out: Path) -> list[str]:
    """Train in two processes, and return what each wrote to its standard error if one fails."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    common |= {"OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TRAIN, str(out)],
            env=os.environ | common | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            cwd=Path(__file__).parents[2],
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    errors = [process.communicate(timeout=280)[1] for process in processes]
    return errors if any(process.returncode for process in processes) else []


def test_two_processes_learn_the_weights_of_one(tmp_path: Path) -> None:
    errors = train_in_two(tmp_path / "two")
    if any("EADDRINUSE" in error for error in errors):  # another program took the free port
        errors = train_in_two(tmp_path / "two")
    assert not errors, errors
    expected_weights, _ = train(tmp_path / "one", SHARED_SCHEDULE, norm=False)
    for rank in range(2):
        weights = load_arrays(tmp_path / "two" / f"rank{rank}.safetensors")
        assert weights["count"] == 2
        for name, expected in expected_weights.items():
            torch.testing.assert_close(torch.from_numpy(weights[name]), expected, atol=1e-6, rtol=1e-5)


class ProcessAlone(Processes):
    """One of two processes without the other: it records when it would wait."""

    def __init__(self, index: int) -> None:
        super().__init__("cpu")
        self.count, self.index = 2, index
        self.events: list[str] = []

    def wait(self) -> None:
        self.events.append("wait")


def test_main_first_runs_the_main_process_before_others() -> None:
    for index, expected in ((0, ["work", "wait"]), (1, ["wait", "work"])):
        processes = ProcessAlone(index)
        with processes.main_first():
            processes.events.append("work")
        assert processes.events == expected
    failing = ProcessAlone(0)
    with pytest.raises(UsageError), failing.main_first():
        raise UsageError("no release")
    assert failing.events == ["wait"]  # the other processes raise the same error and must not wait for ever


def test_batches_that_processes_cannot_share_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hfv_builder.detectors.training.Processes", lambda device: ProcessAlone(0))
    task: Task[int, int] = Task(
        batches=lambda rng: [], load=lambda batch, rng: 0, loss=lambda batch: torch.zeros(()), validate=lambda: 0.0
    )
    with pytest.raises(UsageError, match="2 processes cannot share 3 batches of a step"):
        train_network(
            torch.nn.Linear(1, 1), task, replace(SHARED_SCHEDULE, batches_per_step=3), Fitting(folder=tmp_path)
        )


def test_a_world_size_without_other_processes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr("accelerate.PartialState", lambda **options: SimpleNamespace(num_processes=1, process_index=0))
    with pytest.raises(UsageError, match="WORLD_SIZE is 2, but there is no other process to join on cuda"):
        Processes("cuda")
