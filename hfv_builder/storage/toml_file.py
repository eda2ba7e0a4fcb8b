"""Read TOML files."""

import tomllib
from typing import Any

from hfv_builder.records import UsageError
from hfv_builder.storage.places import Place, read


def read_toml(path: Place) -> dict[str, Any]:
    """Return the content of a TOML file, which may start with a byte order mark.

    Raises:
        FileNotFoundError: the file does not exist.
        UsageError: the file cannot be read or is not valid TOML.
    """
    try:
        text = read(path).decode("utf-8-sig")
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return parse_toml(text, str(path))


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """Return the content of a TOML text.

    Args:
        text: the text.
        where: the name of its file, for error messages.

    Raises:
        UsageError: the text is not valid TOML.
    """
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise UsageError(f"{where} is not valid TOML: it is nested too deeply") from None
    except ValueError as error:  # also of an integer with thousands of digits
        raise UsageError(f"{where} is not valid TOML: {error}") from None
