"""Convert decisions to database rows and back, and upgrade databases of older versions."""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from hfv_builder.labelling.decisions import Decision
from hfv_builder.labelling.reviews import older_decision, undo_of

VERSION = 2
"""Version of the tables; older databases are upgraded to it."""
TABLES = """
CREATE TABLE reviews (
    seq INTEGER PRIMARY KEY, decision_id TEXT NOT NULL UNIQUE, clip_id TEXT NOT NULL, generator TEXT,
    reviewer TEXT NOT NULL, role TEXT NOT NULL, queue TEXT, decision TEXT, label INTEGER, strength TEXT, reason TEXT,
    note TEXT, blind INTEGER NOT NULL, final INTEGER NOT NULL, t_start REAL, t_end REAL, box TEXT, seconds REAL,
    created_at INTEGER NOT NULL, undoes TEXT
) STRICT;
CREATE TRIGGER reviews_stay BEFORE DELETE ON reviews BEGIN SELECT RAISE(ABORT, 'decisions are append-only'); END;
CREATE TRIGGER reviews_keep BEFORE UPDATE ON reviews BEGIN SELECT RAISE(ABORT, 'decisions are append-only'); END;
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
"""
FIELDS = [field.name for field in fields(Decision)]
COLUMNS = ", ".join(FIELDS)
INSERT = f"""
INSERT INTO reviews ({COLUMNS}) VALUES ({", ".join("?" * len(FIELDS))}) ON CONFLICT (decision_id) DO NOTHING
"""  # noqa: S608 - the names come from this module
SELECT = f"SELECT {COLUMNS} FROM reviews"  # noqa: S608


def insert(connection: sqlite3.Connection, decision: Decision) -> Decision:
    """Insert a decision and return the one stored under its id, which is another decision if the id was taken."""
    if connection.execute(INSERT, as_row(decision)).rowcount:
        return decision
    return from_row(connection.execute(f"{SELECT} WHERE decision_id = ?", [decision.decision_id]).fetchone())


def insert_all(connection: sqlite3.Connection, decisions: Iterable[Decision]) -> None:
    """Insert decisions; those whose ids are stored already are ignored."""
    connection.executemany(INSERT, map(as_row, decisions))


def as_row(decision: Decision) -> list[Any]:
    """Return the values of a decision in the order of `FIELDS`."""
    values = {name: getattr(decision, name) for name in FIELDS}
    values |= {name: json.dumps(values[name]) if values[name] else None for name in ("box", "undoes")}
    return list(values.values())


def from_row(row: tuple[Any, ...]) -> Decision:
    """Return the decision of a row with the columns `FIELDS`."""
    values = dict(zip(FIELDS, row, strict=True))
    values |= {name: bool(values[name]) for name in ("blind", "final")}
    values["box"] = values["box"] and tuple(json.loads(values["box"]))
    values["undoes"] = tuple(json.loads(values["undoes"] or "[]"))
    return Decision(**values)


def upgrade(connection: sqlite3.Connection) -> None:
    """Upgrade a database of version 1 in one transaction. The old tables are kept beside the new ones."""
    if connection.execute("PRAGMA user_version").fetchone()[0] != 1:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in TABLES.strip().split(";\n"):
            connection.execute(statement)
        insert_all(connection, _older(connection))
        connection.execute(f"PRAGMA user_version = {VERSION}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _older(connection: sqlite3.Connection) -> list[Decision]:
    """Return the decisions and undos of version 1, in which an undo had a row per undone decision."""
    names = "decision_id, clip_id, reviewer, decision, label, reason, blind, seconds, created_at, queue, final"
    answers: dict[str, Decision] = {}
    for row in connection.execute(f"SELECT {names} FROM decisions"):  # noqa: S608
        values = dict(zip(names.split(", "), row, strict=True))
        values |= {"blind": bool(values["blind"]), "final": bool(values["final"])}
        if values["queue"] == "manifest":  # imported from a manifest, which did not record `final`
            values |= {"queue": None, "final": not values["blind"]}
        answers[values["decision_id"]] = older_decision(**values)
    undos: dict[str, tuple[int, list[Decision]]] = {}
    for undo_id, undoes, created_at in connection.execute("SELECT decision_id, undoes, created_at FROM undos"):
        if undoes in answers:
            undos.setdefault(undo_id, (created_at, []))[1].append(answers[undoes])
    return [*answers.values(), *(undo_of(undo_id, undone, time) for undo_id, (time, undone) in undos.items())]
