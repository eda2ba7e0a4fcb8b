"""The state of a training on disk, after every epoch and inside long ones."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hfv_builder.detectors.arrays import load_arrays, save_arrays
from hfv_builder.detectors.base import Curve
from hfv_builder.records import UsageError

STATE = "state.safetensors"
BEST = "best-{epoch}.safetensors"
COLUMNS = ("epoch", "loss", "val_accuracy")
NOW, OPTIMIZER = "now.", "optimizer."


class TrainingState:
    """The trainable parameters of a network, its optimizer, and the files of both.

    `state.safetensors` holds everything to resume at a step; `best-EPOCH.safetensors` holds the trainable parameters
    after the best epoch. A kill between the two leaves a file of an incomplete epoch, which is repeated and rewritten.
    """

    def __init__(
        self, folder: Path, network: nn.Module, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler
    ) -> None:
        self._folder, self._optimizer, self._scaler = folder, optimizer, scaler
        self.learnt = {name: value for name, value in network.named_parameters() if value.requires_grad}
        kept = network.state_dict(keep_vars=True)
        self.buffers = {name: value for name, value in network.named_buffers() if name in kept}

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The trainable parameters and the buffers by name."""
        return {**self.learnt, **self.buffers}

    def write(self, curve: Curve, losses: list[float]) -> None:
        """Write the state after these epochs, and these losses of the steps of the next one."""
        arrays = {NOW + name: _numpy(tensor) for name, tensor in self.tensors.items()}
        for name, value in self.learnt.items():
            own = self._optimizer.state.get(value, {})
            arrays |= {f"{OPTIMIZER}{key}.{name}": _numpy(tensor) for key, tensor in own.items() if _is_tensor(tensor)}
        scaler = self._scaler.state_dict()
        arrays |= {
            "curve": np.array([[*row.values()] for row in curve]).reshape(-1, len(COLUMNS)),
            "losses": np.array(losses, np.float64),
            "scaler": np.array([scaler["scale"], scaler["_growth_tracker"]] if scaler else []),
        }
        save_arrays(self._folder / STATE, arrays)

    def read(self) -> tuple[Curve, list[float]]:
        """Set everything to the state on disk and return what `write` was given; nothing for a new training.

        Raises:
            UsageError: the file is damaged.
        """
        if not (path := self._folder / STATE).is_file():
            return [], []
        arrays = self._load(path)
        self._set({name: arrays[NOW + name] for name in self.tensors})
        for name, value in self.learnt.items():
            keys = [key.removeprefix(OPTIMIZER).split(".")[0] for key in arrays if _is_state_of(key, name)]
            state = {key: torch.from_numpy(arrays[f"{OPTIMIZER}{key}.{name}"].copy()) for key in keys}
            if state:
                self._optimizer.state[value] = {
                    key: tensor if key == "step" else tensor.to(value.device) for key, tensor in state.items()
                }
        if len(arrays["scaler"]):
            scale, tracker = arrays["scaler"].tolist()
            self._scaler.load_state_dict(self._scaler.state_dict() | {"scale": scale, "_growth_tracker": int(tracker)})
        curve = [dict(zip(COLUMNS, map(float, row), strict=True)) for row in arrays["curve"]]
        return curve, arrays["losses"].tolist()

    def write_best(self, epoch: int) -> None:
        """Write the trainable parameters after this epoch."""
        save_arrays(self._folder / BEST.format(epoch=epoch), {name: _numpy(own) for name, own in self.tensors.items()})

    def remove_other_bests(self, epoch: int) -> None:
        """Delete the files of `write_best` except that of this epoch. Call after `write`."""
        for path in self._bests():
            if path.name != BEST.format(epoch=epoch):
                path.unlink(missing_ok=True)

    def read_best(self, epoch: int) -> None:
        """Set the trainable parameters to their values after this epoch.

        Raises:
            UsageError: the file is damaged.
        """
        self._set(self._load(self._folder / BEST.format(epoch=epoch)))

    def _load(self, path: Path) -> dict[str, Any]:
        try:
            return load_arrays(path)
        except UsageError:
            raise UsageError(f"{path} is damaged: delete {self._folder}, and the training begins again") from None

    def _bests(self) -> Iterator[Path]:
        yield from sorted(self._folder.glob(BEST.format(epoch="*")))

    def _set(self, arrays: dict[str, Any]) -> None:
        with torch.no_grad():
            for name, tensor in self.tensors.items():
                tensor.copy_(torch.from_numpy(arrays[name]))


def _is_state_of(key: str, name: str) -> bool:
    """Return whether the array belongs to the optimizer's state of this parameter; names of states have no dot."""
    return key.startswith(OPTIMIZER) and key.removeprefix(OPTIMIZER).partition(".")[2] == name


def _is_tensor(value: object) -> bool:
    return isinstance(value, Tensor)


def _numpy(tensor: Tensor) -> Any:
    return tensor.detach().cpu().numpy()
