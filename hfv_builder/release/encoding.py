"""The encoding of the clips of a release: the package's encoding.toml, and the values that a release.toml replaces."""

import tomllib
from importlib import resources
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

FILE = "encoding.toml"
CONFIG = ConfigDict(extra="forbid", strict=True)
Preset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"]
Ratio = Annotated[int, Field(ge=1, le=100)]


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Encoding:
    """Parameters of x264."""

    quantiser: Annotated[int, Field(ge=1, le=51)]
    """Constant quantiser; 0 is not allowed, because few players support the H.264 profile that it needs."""
    preset: Preset


@dataclass(frozen=True, kw_only=True, config=CONFIG)
class Uniform(Encoding):
    """The format of every clip with `--media uniform`."""

    short_side: Annotated[int, Field(ge=16, le=4320, multiple_of=2)]
    """Pixels."""
    aspect: tuple[Ratio, Ratio]
    """Width to height."""
    fps: Annotated[int, Field(ge=1, le=240)]
    frames: Annotated[int, Field(ge=2, le=100_000)]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, both even."""
        wide, high = self.aspect
        long_side = 2 * round(self.short_side * max(wide, high) / min(wide, high) / 2)
        return (long_side, self.short_side) if wide > high else (self.short_side, long_side)


def with_defaults(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a release.toml with the tables of encoding.toml where it leaves out tables or values."""
    defaults = tomllib.loads(resources.files("hfv_builder.release").joinpath(FILE).read_text(encoding="utf-8"))
    own = {name: content.get(name, {}) for name in defaults}
    tables = {name: defaults[name] | table if isinstance(table, dict) else table for name, table in own.items()}
    return content | tables
