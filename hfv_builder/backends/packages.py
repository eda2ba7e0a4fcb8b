"""Which packages are not installed, without importing them."""

from collections.abc import Iterable
from importlib import metadata


def missing_packages(packages: Iterable[str]) -> list[str]:
    """Return those of the packages, by their names on the index, that are not installed."""
    return [package for package in packages if not _is_installed(package)]


def _is_installed(package: str) -> bool:
    try:
        metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return False
    return True
