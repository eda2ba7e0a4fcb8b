"""The store of tiny checkpoints that the tests of the learnt backends share; made once, in the true formats."""

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

from benchmarks.checkpoints import make
from hfv_builder.backends.weights import WeightsDir

SIZES = {"depth_pro": "tiny", "clip": "tiny", "dinov2": "tiny", "raft_small": "true", "raft_large": "true"}


@functools.cache
def tiny_store() -> WeightsDir:
    """Random weights of every learnt backend; RAFT has only its true size."""
    root = Path(tempfile.mkdtemp(prefix="hfv-weights-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    return make(root, SIZES)
