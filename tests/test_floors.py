"""Modules import only from their own floor or floors below, and imports have no cycle."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = (
    ("hfv_builder.records", "hfv_builder.wording"),
    ("hfv_builder.storage", "hfv_builder.frames", "hfv_builder.clips"),
    ("hfv_builder.backends.specs", "hfv_builder.profiles"),
    ("hfv_builder.backends", "hfv_builder.metrics", "hfv_builder.people"),
    ("hfv_builder.scoring", "hfv_builder.labelling"),
    ("hfv_builder.samples", "hfv_builder.release"),
    ("hfv_builder.audit", "hfv_builder.evaluation", "hfv_builder.trial"),
    ("hfv_builder.detectors",),
    ("pipelines",),
    ("pipelines.cli",),
)
"""Floors from the lowest up. A module belongs to the longest of these names that it begins with."""
TRAINING = re.compile(r"^\s*(from|import) (accelerate|timm)\b", re.MULTILINE)
LEVELS = {name: level for level, floor in enumerate(FLOORS) for name in floor}


def modules() -> dict[str, Path]:
    """Return the files of all modules of the three packages, by module name."""
    files = (file for top in ("hfv_builder", "pipelines", "review_ui") for file in (ROOT / top).rglob("*.py"))
    names = {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}
    return dict(sorted(names.items()))


MODULES = modules()


@cache
def imports(name: str) -> frozenset[str]:
    """Return the modules of the project that a module imports anywhere, except under `if TYPE_CHECKING`."""
    return frozenset(_imports(name))


def _imports(name: str) -> Iterator[str]:
    tree = ast.parse(MODULES[name].read_text())
    for statement in tree.body:
        if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING":
            statement.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        if isinstance(node, ast.ImportFrom) and node.module in MODULES:
            below = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (candidate if candidate in MODULES else str(node.module) for candidate in below)


def level(name: str) -> int | None:
    """Return the floor of a module, or None if it has none."""
    prefixes = [prefix for prefix in LEVELS if name == prefix or name.startswith(f"{prefix}.")]
    return LEVELS[max(prefixes, key=len)] if prefixes else None


@pytest.mark.parametrize("name", [name for name in MODULES if level(name) is not None])
def test_no_module_imports_from_a_floor_above(name: str) -> None:
    above = {imported for imported in imports(name) if (level(imported) or 0) > (level(name) or 0)}
    assert above == set()


def test_the_review_app_imports_only_the_library() -> None:
    imported = {module for name in MODULES if name.startswith("review_ui") for module in imports(name)}
    assert {module.split(".")[0] for module in imported} == {"hfv_builder", "review_ui"}


def test_training_libraries_stay_in_the_detectors() -> None:
    """They take a second to import, which would slow down every other command."""
    users = {name for name, file in MODULES.items() if TRAINING.search(file.read_text())}
    assert "hfv_builder.detectors.processes" in users
    assert all(name.startswith("hfv_builder.detectors.") for name in users)


def test_imports_have_no_cycle() -> None:
    order = [*TopologicalSorter({name: imports(name) - {name} for name in MODULES}).static_order()]
    assert {*order} >= {*MODULES}


def test_levels_and_imports_of_known_modules() -> None:
    assert [level("hfv_builder.frames.video"), level("hfv_builder.scoring.scorer"), level("review_ui.app")] == [
        1,
        4,
        None,
    ]
    assert "hfv_builder.frames.video" in imports("hfv_builder.frames.prefetch")
