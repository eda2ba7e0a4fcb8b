"""The name and version of a release."""

import re
from dataclasses import dataclass

from hfv_builder.records import UsageError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?")
"""Semantic versions, without build metadata."""
ACTIONS = ("init", "verify", "attach", "push")
"""The other actions of `hfv release`; no release can have such a name."""


@dataclass(frozen=True, kw_only=True)
class ReleaseName:
    """The name and version of a release."""

    name: str
    version: str

    def __post_init__(self) -> None:
        """Check both.

        Raises:
            UsageError: one of them is not right.
        """
        if not NAME.fullmatch(self.name) or self.name in ACTIONS:
            raise UsageError(
                f"{self.name!r} cannot name a release: use letters, digits, '_' and '-', such as hfv or my-set"
            )
        if not VERSION.fullmatch(self.version):
            raise UsageError(
                f"{self.version!r} is not a semantic version: give --version 1.0.0, and raise the first number if "
                "clips move or labels change"
            )

    @property
    def folder(self) -> str:
        """The name of its folder."""
        return f"{self.name}-{self.version}"
