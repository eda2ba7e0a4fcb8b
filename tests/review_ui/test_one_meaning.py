"""Queue, dashboard, export and split make the same of any decisions, also when two databases come together."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hfv_builder.labelling.decisions import ADJUDICATOR, REVIEWER, Decision, Kind
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, FINAL, LABELS, SPLITS, Table
from pipelines.review import export_reviews
from pipelines.split.stage import split
from review_ui.board import Board
from review_ui.clips import Clips
from review_ui.filter import Filter
from review_ui.settings import Settings
from review_ui.stats import statistics
from review_ui.store import DecisionLog
from tests.oracle import final_row

KINDS = {"a0": 0, "a1": 0, "a2": 0, "f0": 2, "f1": 2, "r0": 1, "r1": 1}
AUTO = {"a0": 0, "a1": 1, "a2": 2, "f0": None, "f1": None, "r0": 3, "r1": 3}


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Manifests:
    """Generated clips, one unreadable, one without scores, and footage."""
    manifests = Manifests(tmp_path_factory.mktemp("catalogue"))
    for generator, letters in (("kling", "af"), ("k400", "r")):
        ids = [clip for clip in KINDS if clip[0] in letters]
        facts = [
            {"clip_id": clip, "is_real": generator == "k400", "status": "failed" if clip == "f0" else "ok"}
            for clip in ids
        ]
        labels = [
            {"clip_id": clip, "auto_label": AUTO[clip], "spatial": 0.1, "appearance": 0.2, "motion": 0.3}
            for clip in ids
            if clip != "f0"
        ]
        write(manifests, CLIPS, facts, generator)
        write(manifests, LABELS, labels, generator)
    return manifests


def write(manifests: Manifests, table: Table, rows: list[dict[str, Any]], generator: str) -> None:
    whole = [dict.fromkeys(table.schema.names) | {"generator": generator} | row for row in rows]
    manifests.replace(table, [pa.Table.from_pylist(whole, schema=table.schema)], generator=generator)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[int, Decision]]:
    """Decisions and undos, each with the database that it was made in, as each database got them."""
    made: list[tuple[int, Decision]] = []
    for number in range(draw(st.integers(0, 25))):
        common: dict[str, Any] = {"decision_id": f"{draw(st.integers(0, 9))}-{number}", "created_at": number // 2}
        database = draw(st.integers(0, 1))
        if database and draw(st.booleans()):
            common["created_at"] += draw(st.integers(-5, 5))  # its clock is another
        if made and draw(st.integers(0, 3)) == 0:
            where, undone = draw(st.sampled_from(made))
            who: dict[str, Any] = {"clip_id": undone.clip_id, "reviewer": undone.reviewer, "role": undone.role}
            undo = Decision(decision=None, final=False, undoes=(undone.decision_id,), **who, **common)
            made.append((where, undo))
            continue
        said = draw(st.sampled_from(["label", "label", "label", "reject", "unsure"]))
        answer = Decision(
            clip_id=draw(st.sampled_from([*KINDS, "gone"])),
            reviewer=draw(st.sampled_from(["anna", "ben", "chiara"])),
            role=draw(st.sampled_from([REVIEWER, REVIEWER, REVIEWER, ADJUDICATOR])),
            decision="relabel" if said == "label" else said,
            label=draw(st.integers(0, 3)) if said == "label" else None,
            reason="broken" if said == "reject" else None,
            final=draw(st.sampled_from([True, True, False])),
            **common,
        )
        made.append((database, answer))
    return made


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=histories(), overlap=st.integers(1, 3), deals=st.lists(st.sampled_from(["anna", "ben"]), max_size=4))
def test_any_history_means_the_same_everywhere(
    catalogue: Manifests, made: list[tuple[int, Decision]], overlap: int, deals: list[str]
) -> None:
    decisions = [decision for _, decision in made]
    wanted = {clip: final_row(decisions, clip, kind, AUTO[clip], overlap) for clip, kind in KINDS.items()}
    rules = Settings(overlap=overlap, repeats=0)
    clips = Clips(catalogue)
    assert [clips.kinds[clips.row[clip]] for clip in KINDS] == [Kind(kind) for kind in KINDS.values()]

    # The queue: decisions as they came in, with clips dealt in between.
    board = Board(clips, rules)
    for number, decision in enumerate(decisions):
        if number < len(deals):
            board.deal(deals[number], "labels", Filter(), 2)
        board.apply(decision)
    in_dispute = {clip for clip, row in wanted.items() if row["disputed"]}
    assert {clips.ids[row] for row in board.disputed(Filter())} == in_dispute
    assert {clip: int(board.votes()[clips.row[clip]]) for clip in KINDS} == {c: r["votes"] for c, r in wanted.items()}

    # The dashboard.
    figures = statistics(clips, sorted(decisions, key=lambda each: each.order), rules, 0.0)
    assert figures["disputed"] == len(in_dispute)
    assert figures["rejected"] == sum(row["rejected"] for row in wanted.values())

    with tempfile.TemporaryDirectory() as folder:
        # The export of both databases, one after the other, as they would come from two servers.
        manifests = Manifests(Path(folder) / "manifests")
        shutil.copytree(catalogue.local_root, manifests.local_root)
        for number in range(2):
            store = DecisionLog(Path(folder) / f"{number}.sqlite")
            for where, decision in made:
                if where == number:
                    store.add(decision).result()
            store.put_overlap(overlap).result()
            store.close()
            export_reviews(manifests, db=store.path, into=manifests)
        found = {row["clip_id"]: row for row in manifests.read(FINAL).to_pylist()}
        for clip, row in wanted.items():
            assert (clip in found) == bool(row["votes"] or row["adjudicated"])
            if clip in found:
                names = ("label", "votes", "disputed", "adjudicated", "rejected")
                assert {name: found[clip][name] for name in names} == {name: row[name] for name in names}

        # The split.
        if not decisions:
            return
        split(manifests, labels="final")
        rows = {row["clip_id"]: row for row in manifests.read(SPLITS).to_pylist()}
        assert rows.keys() == KINDS.keys() - {"f0"}
        for clip, row in rows.items():
            taken = wanted[clip]["label"] is not None
            assert row["label"] == wanted[clip]["label"]
            assert row["label_source"] == (wanted[clip]["label_source"] if taken else None)
            assert (row["split"] is not None) == taken
            assert row["label"] != 3 or KINDS[clip] == Kind.REAL
            assert row["label"] in (None, 3) or row["class_rank"] is not None


def test_a_board_made_anew_knows_what_the_old_one_knew(catalogue: Manifests) -> None:
    clips = Clips(catalogue)
    made = [
        Decision(decision_id=f"d{n}", clip_id=clip, reviewer=name, decision="relabel", label=n % 3, created_at=100 - n)
        for n, (clip, name) in enumerate([("a0", "anna"), ("a0", "ben"), ("a1", "anna"), ("a0", "anna")])
    ]
    boards = [Board(clips, Settings()) for _ in range(2)]
    for decision in made:
        boards[0].apply(decision)
    for decision in sorted(made, key=lambda each: each.order):
        boards[1].apply(decision)
    assert boards[0].disputed(Filter()) == boards[1].disputed(Filter())
    votes = [{name: board.reviewer(name).answered for name in ("anna", "ben")} for board in boards]
    assert votes[0] == votes[1]
    assert pd.Series(boards[0].votes()).equals(pd.Series(boards[1].votes()))
