"""Arrays in a safetensors file: trained parameters are stored as data, and opening the file runs no code.

Loading a pickle, scikit-learn's own format, can run code and fails in other versions. Here its models are stored as a
few arrays, from which numpy computes the predictions.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hfv_builder.records import UsageError
from hfv_builder.storage.part_file import result_file


def save_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write the arrays, atomically; equal arrays give equal bytes.

    Raises:
        UsageError: they cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    with result_file(path) as part:
        try:
            save_file({name: np.asarray(array, order="C") for name, array in sorted(arrays.items())}, part)
        except SafetensorError as error:  # such as a full disk
            raise OSError(error) from None


def load_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays in the file.

    Raises:
        UsageError: it is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return dict(load(path.read_bytes()))
    except (OSError, SafetensorError, ValueError) as error:
        raise unreadable(path, error) from None


def unreadable(path: Path, error: Exception) -> UsageError:
    """Return the error for the file of a trained detector that is damaged or of another network."""
    return UsageError(f"{path} cannot be read ({str(error).splitlines()[0]}): train the detector again")
