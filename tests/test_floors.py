"""The floors of the house: each imports from those below it, and there is no circle."""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = (
    ("hfv_builder.records",),
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
"""From the lowest up. A module belongs to the longest of these names that it begins with."""
TRAINING = re.compile(r"^\s*(from|import) (accelerate|timm)\b", re.MULTILINE)
LEVELS = {name: level for level, floor in enumerate(FLOORS) for name in floor}


def modules() -> dict[str, Path]:
    """All modules of the three packages, by name."""
    files = (file for top in ("hfv_builder", "pipelines", "review_ui") for file in (ROOT / top).rglob("*.py"))
    names = {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}
    return dict(sorted(names.items()))


MODULES = modules()


def imports(name: str) -> Iterator[str]:
    """The modules of ours that a module imports, wherever in it, but for those that only types need."""
    tree = ast.parse(MODULES[name].read_text())
    for statement in tree.body:
        if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING":
            statement.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        if isinstance(node, ast.ImportFrom) and node.module in MODULES:
            below = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (each if each in MODULES else str(node.module) for each in below)


def level(name: str) -> int | None:
    """The floor that a module is on."""
    found = [each for each in LEVELS if name == each or name.startswith(f"{each}.")]
    return LEVELS[max(found, key=len)] if found else None


@pytest.mark.parametrize("name", [name for name in MODULES if level(name) is not None])
def test_no_module_imports_from_a_floor_above(name: str) -> None:
    above = {each for each in imports(name) if (level(each) or 0) > (level(name) or 0)}
    assert above == set()


def test_the_review_app_stands_on_the_library_alone() -> None:
    seen = {each for name in MODULES if name.startswith("review_ui") for each in imports(name)}
    assert {each.split(".")[0] for each in seen} == {"hfv_builder", "review_ui"}


def test_training_libraries_stay_in_the_detectors() -> None:
    """They take a second to import, which no other command may pay."""
    users = {name for name, file in MODULES.items() if TRAINING.search(file.read_text())}
    assert "hfv_builder.detectors.processes" in users
    assert all(name.startswith("hfv_builder.detectors.") for name in users)


def test_there_is_no_circle() -> None:
    order = [*TopologicalSorter({name: set(imports(name)) - {name} for name in MODULES}).static_order()]
    assert {*order} >= {*MODULES}


def test_floors_and_imports_are_found() -> None:
    assert [level("hfv_builder.frames.video"), level("hfv_builder.scoring.scorer"), level("review_ui.app")] == [
        1,
        4,
        None,
    ]
    assert "hfv_builder.frames.video" in set(imports("hfv_builder.frames.prefetch"))
