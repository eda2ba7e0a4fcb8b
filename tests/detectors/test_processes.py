"""Training in several processes, or in one that is killed, equals training in one."""

import json
import os
import signal
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
import os, shutil, signal, sys, time
from pathlib import Path
import accelerate, numpy as np, torch._dynamo
from hfv_builder.detectors.arrays import save_arrays
from hfv_builder.detectors.processes import Processes
from tests.detectors.test_processes import SHARED_SCHEDULE, train
out = Path(sys.argv[1])
torch.set_num_threads(1)

def train_killed():
    def kill(curve, epochs):
        if len(curve) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
    train(out / "killed", report=kill)

def train_shared(rank):
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    learnt, _ = train(out / "state", SHARED_SCHEDULE, norm=False)
    if rank == 0:
        shutil.rmtree(out / "state")  # as `hfv train` does, at once
    arrays = {name: own.numpy() for name, own in learnt.items()} | {"count": np.array(Processes("cpu").count)}
    save_arrays(out / f"rank{rank}.safetensors", arrays)
    while not (out / "rank0.safetensors").exists():  # an end of this process must not disturb the other
        time.sleep(0.01)

def fork(function, *arguments):
    process = os.fork()
    if process == 0:
        function(*arguments)
        os._exit(0)
    return process

killed = os.waitstatus_to_exitcode(os.waitpid(fork(train_killed), 0)[1])
other = fork(train_shared, 1)
try:
    train_shared(0)
except BaseException:
    os.kill(other, signal.SIGKILL)
    raise
print([killed, os.waitstatus_to_exitcode(os.waitpid(other, 0)[1])], flush=True)
os._exit(0)
"""
"""Import once and fork before anything is computed, since imports and the end of Python take longer than training."""


def train_in_processes(out: Path) -> tuple[list[int], str]:
    """Train in a process that is killed, then in two that share their work.

    Returns:
        The exit codes of the first and of the last, negative for a signal, and what all wrote to their standard error.
        There are no codes if the second failed.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, str(out)],
        env=os.environ | one_thread | {"MASTER_PORT": str(port)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    return json.loads(done.stdout or "[]"), done.stderr


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int], str]:
    """Return the folder of trainings in processes, their exit codes and their standard error."""
    out = tmp_path_factory.mktemp("processes")
    codes, errors = train_in_processes(out)
    if "EADDRINUSE" in errors:  # another program took the free port
        out = tmp_path_factory.mktemp("again")
        codes, errors = train_in_processes(out)
    return out, codes, errors


def test_two_processes_learn_the_weights_of_one(trained: tuple[Path, list[int], str], tmp_path: Path) -> None:
    out, codes, errors = trained
    assert codes[1:] == [0], errors
    expected_weights, _ = train(tmp_path, SHARED_SCHEDULE, norm=False)
    for rank in range(2):
        weights = load_arrays(out / f"rank{rank}.safetensors")
        assert weights["count"] == 2
        for name, expected in expected_weights.items():
            torch.testing.assert_close(torch.from_numpy(weights[name]), expected, atol=1e-6, rtol=1e-5)


def test_training_resumes_after_sigkill(trained: tuple[Path, list[int], str], tmp_path: Path) -> None:
    expected, curve = train(tmp_path)
    out, codes, errors = trained
    assert codes[:1] == [-signal.SIGKILL], errors
    epochs: list[int] = []
    weights, resumed_curve = train(out / "killed", report=lambda curve, _: epochs.append(len(curve)))
    assert epochs == [3, 4, 5, 6]
    assert resumed_curve == curve
    assert all((weights[name] == expected[name]).all() for name in expected)


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
