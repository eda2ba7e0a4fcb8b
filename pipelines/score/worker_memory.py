"""The memory that a worker needs to score."""

from hfv_builder.backends.registry import Resolved, learnt
from hfv_builder.backends.weights import WeightsDir

BASE_BYTES = 700 << 20
"""Of a worker of `lite`: 630 MB were measured with clips of 480 x 720, libraries included."""
COPIES = 3
"""Memory of learnt models for each byte of their files: they may be float16, and models and activations are float32."""


def worker_bytes(resolved: Resolved, store: WeightsDir | None = None) -> int:
    """Return how many bytes a worker needs to score under this profile. An estimate for clips of common sizes.

    Args:
        store: where the weights are; None looks in the default place.
    """
    names = learnt(resolved.profile, resolved.metrics)
    if not names:
        return BASE_BYTES
    store = store or WeightsDir()
    files = (file.path for name in names for file in store.look(name))
    return BASE_BYTES + COPIES * sum(path.stat().st_size for path in files if path.is_file())
