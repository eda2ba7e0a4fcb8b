"""Read the entries of generators in `sources.toml`, and compare clips with them."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, NonNegativeInt, PositiveFloat, PositiveInt, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from hfv_builder.records import UsageError
from hfv_builder.storage.places import Place
from hfv_builder.storage.toml_file import read_toml
from hfv_builder.storage.validation import first_problem

CHECKOUT = Path(__file__).parents[2] / "manifests" / "sources.toml"
INSTALLED = Path(__file__).parent / "sources.toml"
"""The same file in a package that was installed from a wheel."""
NAME = re.compile(r"[a-z][a-z0-9._-]{0,63}")
MIN_SIDE = 224
"""Smallest side in pixels that HFV accepts (paper, §3.2.1)."""


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class Source:
    """The entry of a generator in `sources.toml`; missing fields are None."""

    name: str
    real: bool = False
    role: Literal["train", "eval"] | None = None
    train: PositiveInt | None = None
    quantity: NonNegativeInt | None = None
    duration_s: PositiveFloat | None = None
    fps: PositiveFloat | None = None
    num_frames: PositiveInt | None = None
    width: PositiveInt | None = None
    height: PositiveInt | None = None
    min_side: PositiveInt = MIN_SIDE
    licence: str | None = None
    terms: str | None = None
    url: str | None = None


def check_name(name: str, kind: Literal["generator", "profile"] = "generator") -> str:
    """Return the name if it is valid as the name of a folder of a manifest.

    Raises:
        UsageError: it is invalid.
    """
    if not NAME.fullmatch(name):
        example = "kling or gen-3" if kind == "generator" else "mine or paper-16"
        raise UsageError(
            f"{name!r} is not a valid name of a {kind}: use lower-case letters, digits, '.', '_' and '-', "
            f"starting with a letter, such as {example}"
        )
    return name


def load_sources(manifests: Place) -> dict[str, Source]:
    """Return the sources of the project, updated by those in a `sources.toml` of the manifests folder.

    Raises:
        UsageError: a file cannot be read or is invalid; the message names the field.
    """
    sources: dict[str, Source] = {}
    for path in dict.fromkeys([INSTALLED, CHECKOUT, manifests / "sources.toml"]):
        sources.update(_read(path))
    return sources


def differences(
    source: Source, clips: Iterable[Mapping[str, Any]], *, quantity: int | None = None
) -> list[dict[str, Any]]:
    """Return the differences between a source and its readable clips.

    Args:
        source: the source.
        clips: rows of the clips manifest with status `ok`.
        quantity: how many clips there are; None counts the rows.

    Returns:
        A row for every field that differs: `field`, the `expected` value, the most frequent other value as `found`, and
        the number of `clips` that differ.
    """
    rows = list(clips)
    different: list[dict[str, Any]] = []
    count = len(rows) if quantity is None else quantity
    if source.quantity is not None and count != source.quantity:
        different.append({"field": "quantity", "expected": source.quantity, "found": count, "clips": None})
    for field, tolerance in (("width", 0), ("height", 0), ("num_frames", 0), ("fps", 0.05), ("duration_s", 1.0)):
        expected = getattr(source, field)
        if expected is None:
            continue
        other = [row[field] for row in rows if row[field] is None or abs(row[field] - expected) > tolerance]
        if other:
            different.append({"field": field, "expected": expected, "found": _commonest(other), "clips": len(other)})
    small = [min(row["width"], row["height"]) for row in rows if min(row["width"], row["height"]) < source.min_side]
    if small:
        expected = f"≥ {source.min_side}"
        different.append({"field": "shorter side", "expected": expected, "found": min(small), "clips": len(small)})
    return different


def _commonest(values: list[Any]) -> Any:
    value = Counter(values).most_common(1)[0][0]
    return round(value, 3) if isinstance(value, float) else value


def _read(path: Place) -> dict[str, Source]:
    try:
        tables = read_toml(path)
    except FileNotFoundError:
        return {}
    sources = {}
    for generator, fields in tables.items():
        try:
            sources[check_name(generator)] = TypeAdapter(Source).validate_json(json.dumps(fields, default=str))
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from None
        except ValidationError as error:
            problem = first_problem(error, unknown="is not a field of a source", within=generator)
            raise UsageError(f"{path}: {problem}") from None
        if sources[generator].train is not None and not sources[generator].real:
            raise UsageError(f"{path}: {generator}.train: only a real source can give some of its clips to train")
    return sources
