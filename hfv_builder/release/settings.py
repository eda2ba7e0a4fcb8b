"""release.toml: what a release says in its maintainers' words."""

import json
from collections.abc import Iterator
from datetime import date
from importlib import resources
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from hfv_builder.records import UsageError
from hfv_builder.release.encoding import Encoding, Uniform, with_defaults
from hfv_builder.storage.places import Place
from hfv_builder.storage.toml_file import read_toml
from hfv_builder.storage.validation import first_problem

FILE = "release.toml"
FORBID = ConfigDict(extra="forbid", strict=True)


@dataclass(frozen=True, kw_only=True, config=FORBID)
class Creator:
    """A person or group that made the data set."""

    name: str
    affiliation: str = ""
    url: str = ""


@dataclass(frozen=True, kw_only=True, config=FORBID)
class ResponsibleAI:
    """What conferences ask for beyond what the manifests know."""

    limitations: str
    biases: str
    personal_sensitive_information: str
    use_cases: str
    social_impact: str


@dataclass(frozen=True, kw_only=True, config=FORBID)
class Settings:
    """The file's content."""

    title: str
    description: str
    licence: str
    licence_url: str
    url: str
    date_published: str
    citation: str
    creators: tuple[Creator, ...]
    rai: ResponsibleAI
    uniform: Uniform
    variants: Encoding
    language: tuple[str, ...] = ("en",)
    keywords: tuple[str, ...] = ()


def template() -> str:
    """Return the commented file that `hfv release init` writes."""
    return resources.files("hfv_builder.release").joinpath("templates", FILE).read_text(encoding="utf-8")


def load_settings(path: Place) -> Settings:
    """Read the file.

    Raises:
        UsageError: it is not there or not right, or a value is missing; the sentence names it.
    """
    try:
        content = read_toml(path)
    except FileNotFoundError:
        raise UsageError(
            f"{path} is not there: run `hfv release init`, fill it in, and run the same command again"
        ) from None
    for missing in _missing(content):
        raise UsageError(f"{path}: {missing} is missing: fill it in; the comments there say what belongs in it")
    try:
        settings = TypeAdapter(Settings).validate_json(json.dumps(with_defaults(content), default=str))
        date.fromisoformat(settings.date_published)
    except ValidationError as error:
        raise UsageError(f"{path}: {first_problem(error, unknown='unknown field')}") from None
    except ValueError:
        raise UsageError(f"{path}: date_published is no date: write it as 2026-11-26") from None
    return settings


def _missing(content: dict[str, Any]) -> Iterator[str]:
    """Yield the fields without a value, in the order of the template; empty ones that may stay empty are none."""
    rai = content.get("rai")
    creators = content.get("creators")
    for name in ("title", "description", "licence", "licence_url", "url", "date_published", "citation"):
        if _is_empty(content.get(name)):
            yield name
    named = isinstance(creators, list) and [
        isinstance(each, dict) and not _is_empty(each.get("name")) for each in creators
    ]
    if not named or not all(named):
        yield "creators.name"
    for name in ResponsibleAI.__dataclass_fields__:
        if not isinstance(rai, dict) or _is_empty(rai.get(name)):
            yield f"rai.{name}"


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
