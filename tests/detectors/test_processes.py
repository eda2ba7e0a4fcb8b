"""Several processes train what one does, and write one run."""

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import torch

from hfv_builder.backends.weights import WeightsDir
from hfv_builder.detectors.arrays import load_arrays
from hfv_builder.detectors.run_folder import read_run
from tests.detectors.test_training import SCHEDULE, train

ALIKE = replace(SCHEDULE, epochs=3, batches_per_step=4, rate=0.01)
TRAIN = """
import os, pickle, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from hfv_builder.detectors.arrays import save_arrays
from hfv_builder.detectors.video_transformer import SIZES
from pipelines.detect.prepare import Workplace
from pipelines.detect import train as stage
from tests.detectors.test_processes import ALIKE, train
from tests.detectors.weights import BACKBONE, TINY
folder, out, weights = pickle.loads(bytes.fromhex(sys.argv[1]))
(out / "state").mkdir(exist_ok=True)
learnt, _ = train(out / "state", ALIKE, norm=False)
save_arrays(out / f"rank{os.environ['RANK']}.safetensors", {name: own.numpy() for name, own in learnt.items()})
SIZES[BACKBONE] = TINY
values = {"backbone": BACKBONE, "epochs": 1, "batches_per_step": 2, "temporal_views": 1, "spatial_views": 1}
place = Workplace(device="cpu", threads=1, weights=weights, cache=out / "cache")
done = stage.train("humansam", folder, values=values, out=out / "run", place=place)
assert done.summary["clips"] == 16
"""


def test_two_processes_train_what_one_does(folder: Path, weights: WeightsDir, tmp_path: Path) -> None:
    import pickle

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = pickle.dumps((folder, tmp_path, weights)).hex()
    common = {"WORLD_SIZE": "2", "ACCELERATE_USE_CPU": "true", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", TRAIN, given],
            env=os.environ | common | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            cwd=Path(__file__).parents[2],
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in running:
        _, errors = process.communicate(timeout=280)
        assert process.returncode == 0, errors
    (tmp_path / "one").mkdir()
    one, _ = train(tmp_path / "one", ALIKE, norm=False)
    for rank in range(2):
        two = load_arrays(tmp_path / f"rank{rank}.safetensors")
        for name, expected in one.items():
            torch.testing.assert_close(torch.from_numpy(two[name]), expected, atol=1e-6, rtol=1e-5)
    run = read_run(tmp_path / "run")
    assert run.done
    assert len(run.curve()) == 1
    assert not run.state.exists()
