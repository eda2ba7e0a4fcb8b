"""The device that model tests run on: `HFV_TEST_DEVICE=cuda pytest tests/backends tests/scoring`."""

import os

DEVICE = os.environ.get("HFV_TEST_DEVICE", "cpu")
ROUNDING = 1 if DEVICE == "cpu" else 500
"""Factor of tolerances: a GPU resizes and sums in another order than the reference, which runs on the CPU."""
