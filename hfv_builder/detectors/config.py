"""The configuration of a run: the keys that all detectors share, and those of one detector."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from hfv_builder.detectors.targets import Target
from hfv_builder.records import UsageError
from hfv_builder.storage.toml_file import read_toml
from hfv_builder.storage.validation import first_problem

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
HIGHEST_SEED = 2**32 - 1
"""Of scikit-learn."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Config:
    """The configuration keys of every detector."""

    target: Target = "anomaly"
    """The classes: real and fake, the four labels, or the generators."""
    seed: int = Field(default=0, ge=0, le=HIGHEST_SEED)
    generators: tuple[str, ...] = ()
    """Train with the clips of these generators and all real ones; empty: with all."""


C = TypeVar("C", bound=Config)


def read_config(path: Path | None, settings: list[str]) -> dict[str, Any]:
    """Return the keys of a TOML file, replaced by single settings.

    Args:
        path: the file; None for none.
        settings: texts such as `kernel="rbf"`; a value that is not TOML is a text.

    Raises:
        UsageError: the file cannot be read, or a setting is not KEY=VALUE.
    """
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = read_toml(path)
        except FileNotFoundError:
            raise UsageError(f"{path} cannot be read: there is no such file") from None
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"--set {setting!r} is not KEY=VALUE, such as --set kernel=linear")
        try:
            values[key.strip()] = tomllib.loads(f"value = {text}")["value"]
        except (ValueError, RecursionError):
            values[key.strip()] = text
    return values


def config_of(kind: type[C], values: Mapping[str, Any], where: str) -> C:
    """Return the configuration of a detector.

    Args:
        kind: its class.
        values: by key.
        where: what error messages call the place of the values.

    Raises:
        UsageError: a key is unknown, or a value is wrong.
    """
    try:
        config: C = TypeAdapter(kind).validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        unknown = f"is unknown; known are {', '.join(kind.__dataclass_fields__)}"
        raise UsageError(f"{where}: {first_problem(error, unknown=unknown)}") from None
    return config


def config_values(config: Config) -> dict[str, Any]:
    """Return the configuration as it can be written to JSON and read by `config_of`."""
    values: dict[str, Any] = json.loads(json.dumps(asdict(config)))
    return values
