"""The column dictionary explains exactly the columns of the schema module, with their types."""

import re
from pathlib import Path

from hfv_builder.storage.schema import TABLES

DICTIONARY = Path(__file__).parents[2] / "manifests" / "README.md"
TYPES = {"string": "text", "timestamp[us, tz=UTC]": "UTC time", "double": "float64", "bool": "true/false"}


def documented() -> dict[str, dict[str, str]]:
    tables: dict[str, dict[str, str]] = {}
    for line in DICTIONARY.read_text().splitlines():
        if heading := re.match(r"## `(\w+)`", line):
            tables[heading[1]] = {}
        elif row := re.match(r"\| `(\w+)` \| ([^|]+) \|", line):
            tables[next(reversed(tables))][row[1]] = row[2].strip()
    return tables


def test_every_table_and_column_is_explained() -> None:
    assert {name: list(columns) for name, columns in documented().items()} == {
        table.name: table.schema.names for table in TABLES
    }


def test_documented_types_are_those_of_the_schema() -> None:
    explained = documented()
    for table in TABLES:
        for field in table.schema:
            type_text = explained[table.name][field.name]
            if str(field.type) in TYPES or str(field.type).startswith("int"):
                assert type_text == TYPES.get(str(field.type), str(field.type)), (table.name, field.name)


def test_partitions_are_columns() -> None:
    for table in TABLES:
        assert set(table.partition) <= set(table.schema.names)
