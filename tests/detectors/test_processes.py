"""Several processes train what one does."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import torch

from hfv_builder.detectors.arrays import load_arrays

TRAIN = """
import sys
from dataclasses import replace
from pathlib import Path
import torch
torch.set_num_threads(1)
from hfv_builder.detectors.arrays import save_arrays

from tests.detectors.test_training import SCHEDULE, train
out, share = Path(sys.argv[1]), int(sys.argv[2])
weights, curve = train(out, replace(SCHEDULE, epochs=3, batches_per_step=share, rate=0.01), norm=False)
import os
rank = os.environ.get("RANK", "0")
save_arrays(out / f"rank{rank}.safetensors", {name: own.numpy() for name, own in weights.items()})
"""


def start(out: Path, share: int, rank: int, count: int, port: int) -> "subprocess.Popen[str]":
    where = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count), "ACCELERATE_USE_CPU": "true"}
    where |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}

    return subprocess.Popen(
        [sys.executable, "-c", TRAIN, str(out), str(share)],
        env=os.environ | (where if count > 1 else {}),
        cwd=Path(__file__).parents[2],
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_train_what_one_does(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = [start(tmp_path / "one", 4, 0, 1, port)]
    running += [start(tmp_path / "two", 4, rank, 2, port) for rank in range(2)]
    for process in running:
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors
    one = load_arrays(tmp_path / "one" / "rank0.safetensors")
    for rank in range(2):
        two = load_arrays(tmp_path / "two" / f"rank{rank}.safetensors")
        for name, expected in one.items():
            torch.testing.assert_close(torch.from_numpy(two[name]), torch.from_numpy(expected), atol=1e-6, rtol=1e-5)
