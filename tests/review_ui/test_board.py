"""Queues and leases, with a clock that the tests turn."""

import itertools
import random
from typing import Any

import pyarrow as pa
import pytest

from hfv_builder.labelling.decisions import Decision
from hfv_builder.records import Split
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS
from review_ui.board import Board, shown_from_start
from review_ui.clips import Clips
from review_ui.filter import Filter
from review_ui.settings import HAND, Settings

ALL = Filter()


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clips(sample: Manifests) -> Clips:
    return Clips(sample)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def board(clips: Clips, clock: Clock) -> Board:
    return Board(clips, Settings(lease_s=600, repeats=0), clock=clock)


numbers = itertools.count(1)


def said(board: Board, row: int, reviewer: str, label: int | None, **more: object) -> Decision:
    number = next(numbers)
    decision = "unsure" if label is None else "relabel"
    fields: dict[str, Any] = {"decision": decision, "label": label, "reason": None, "blind": False}
    fields |= {"seconds": 1.0, "created_at": number, "queue": "labels", "final": True} | more
    return Decision(decision_id=f"d{number}", clip_id=board.clips.ids[row], reviewer=reviewer, **fields)


def undo(board: Board, *undone: Decision) -> Decision:
    number = next(numbers)
    who: dict[str, Any] = {"clip_id": undone[0].clip_id, "reviewer": undone[0].reviewer, "role": undone[0].role}
    ids = tuple(decision.decision_id for decision in undone)
    return Decision(decision_id=f"u{number}", decision=None, final=False, created_at=number, undoes=ids, **who)


def test_validation_candidates_come_first_then_the_closest_calls(board: Board, clips: Clips) -> None:
    rows = board.view("labels", ALL).tolist()
    val = list(Split).index(Split.VAL)
    keys = [(clips.split[row] != val, clips.margin[row], clips.ids[row]) for row in rows]
    assert keys == sorted(keys)
    assert len(rows) == 10  # all but the broken one


def test_the_filter_chooses(board: Board, clips: Clips) -> None:
    rows = board.view("labels", Filter(generator="beta", split="train"))
    assert {clips.generators[clips.generator[row]] for row in rows} == {"beta"}
    assert all(clips.split_name(row) == "train" for row in rows)
    assert len(board.view("labels", Filter(generator="nobody"))) == 0
    assert len(board.view("failed", ALL)) == 1


def test_nobody_gets_what_another_has(board: Board) -> None:
    dealt = [row for name in ("anna", "ben", "chiara") for row in board.deal(name, "labels", ALL, 3)]
    assert len(set(dealt)) == 9
    assert len(board.deal("dmitri", "labels", ALL, 3)) == 1


def test_a_hand_survives_a_reload(board: Board) -> None:
    assert board.deal("anna", "labels", ALL, 3) == board.deal("anna", "labels", ALL, 3)


def test_leases_run_out(board: Board, clock: Clock) -> None:
    hand = board.deal("anna", "labels", ALL, 2)
    clock.now += 599
    assert set(hand).isdisjoint(board.deal("ben", "labels", ALL, 2))
    clock.now += 2
    assert board.deal("chiara", "labels", ALL, 2) == hand


def test_dealing_again_renews_a_lease(board: Board, clock: Clock) -> None:
    hand = board.deal("anna", "labels", ALL, 2)
    clock.now += 500
    board.deal("anna", "labels", ALL, 2)
    clock.now += 500
    assert set(hand).isdisjoint(board.deal("ben", "labels", ALL, 2))


def test_what_is_answered_is_done_and_undo_brings_it_back(board: Board) -> None:
    row = board.deal("anna", "labels", ALL, 1)[0]
    decision = said(board, row, "anna", 1)
    board.apply(decision)
    assert row not in board.deal("ben", "labels", ALL, 8)
    for other in list(board.reviewer("ben").hand):
        board.hands.release("ben", other)
    board.apply(undo(board, decision))
    assert board.deal("ben", "labels", ALL, 1) == [row]


def test_overlap_asks_for_as_many_reviewers(clips: Clips, clock: Clock) -> None:
    board = Board(clips, Settings(overlap=2, repeats=0), clock=clock)
    row = board.deal("anna", "labels", ALL, 1)[0]
    assert board.deal("ben", "labels", ALL, 1) == [row]
    assert board.deal("chiara", "labels", ALL, 1) != [row]
    board.apply(said(board, row, "anna", 1))
    assert board.deal("anna", "labels", ALL, 1) != [row]
    board.apply(said(board, row, "ben", 1))
    assert row not in board.deal("dmitri", "labels", ALL, 8)


def test_disagreement_asks_for_a_second_look(board: Board) -> None:
    row = int(board.view("calibration", ALL)[0])
    board.apply(said(board, row, "anna", 1))
    assert board.disputed(ALL) == []
    other = said(board, row, "ben", 2)
    board.apply(other)
    assert board.disputed(ALL) == [row]
    assert board.deal("anna", "disagreements", ALL, 1) == []
    assert board.deal("chiara", "disagreements", ALL, 1) == [row]
    final = said(board, row, "zoe", 1, role="adjudicator")
    board.apply(final)
    assert board.disputed(ALL) == []
    board.apply(undo(board, final))
    assert board.disputed(ALL) == [row]
    board.apply(undo(board, other))
    assert board.disputed(ALL) == []


def test_unsure_asks_for_a_second_look(board: Board) -> None:
    board.apply(said(board, 0, "anna", None))
    assert board.disputed(ALL) == [0]
    board.apply(said(board, 0, "ben", 2))
    assert board.disputed(ALL) == [0]
    board.apply(said(board, 0, "anna", 2))
    assert board.disputed(ALL) == []


def test_a_first_answer_that_is_not_kept_is_no_vote(board: Board) -> None:
    row = board.deal("anna", "labels", ALL, 1)[0]
    board.apply(said(board, row, "anna", 1, blind=True, final=False))
    assert board.votes()[row] == 0
    assert board.deal("anna", "labels", ALL, 1) == [row]
    board.apply(said(board, row, "ben", 2))
    assert board.disputed(ALL) == []


def test_what_two_generators_share_is_one_clip_and_what_has_no_content_is_none(manifests: Manifests) -> None:
    rows = manifests.read(CLIPS, generator="alpha").to_pylist()
    shared, lost = rows[0] | {"generator": "gamma"}, rows[1] | {"generator": "gamma", "clip_id": None}
    table = pa.Table.from_pylist([shared, lost | {"status": "failed"}], schema=CLIPS.schema)
    manifests.replace(CLIPS, [table], generator="gamma")
    clips = Clips(manifests)
    assert len(set(clips.ids)) == len(clips) == 11
    assert clips.generators == ["alpha", "beta"]
    board = Board(clips, Settings(repeats=0))
    for _ in range(10):
        board.apply(said(board, board.deal("anna", "labels", ALL, 1)[0], "anna", 1))
    assert board.deal("anna", "labels", ALL, 1) == []


def test_what_is_left_counts_for_each_reviewer(clips: Clips, clock: Clock) -> None:
    board = Board(clips, Settings(overlap=2, repeats=0), clock=clock)
    assert board.left("chiara", "labels", ALL) == 10
    for name in ("anna", "ben"):
        board.apply(said(board, board.deal(name, "labels", ALL, 1)[0], name, 1))
    clock.now -= 3600  # the clock was set back
    # One clip has both its answers; nobody has seen the others.
    assert [board.left(name, "labels", ALL) for name in ("anna", "ben", "chiara")] == [9, 9, 9]
    board.apply(said(board, board.deal("anna", "labels", ALL, 1)[0], "anna", 1))
    assert [board.left(name, "labels", ALL) for name in ("anna", "ben", "chiara")] == [8, 9, 9]
    assert [board.left(name, "calibration", ALL) for name in ("anna", "chiara")] == [8, 10]


def test_everybody_gets_the_calibration_set(clips: Clips, clock: Clock) -> None:
    board = Board(clips, Settings(calibration=4), clock=clock)
    hands = [board.deal(name, "calibration", ALL, 8) for name in ("anna", "ben")]
    assert hands[0] == hands[1]
    assert len(hands[0]) == 4


def test_repeats_come_back_once(board: Board) -> None:
    for row in board.deal("anna", "labels", ALL, 3):
        board.apply(said(board, row, "anna", 1))
    again = board.deal("anna", "repeats", ALL, 8)
    assert len(again) == 3
    board.apply(said(board, again[0], "anna", 2, queue="repeats"))
    assert board.deal("anna", "repeats", ALL, 8) == again[1:]
    assert board.left("anna", "repeats", ALL) == 2


def test_no_clip_is_with_two_whatever_happens(clips: Clips, clock: Clock) -> None:
    board = Board(clips, Settings(lease_s=60, repeats=0), clock=clock)
    rng = random.Random(0)
    names = ["anna", "ben", "chiara", "dmitri"]
    for _ in range(3000):
        name = rng.choice(names)
        action = rng.random()
        clock.now += rng.random() * 10
        hand = board.reviewer(name).hand
        if action < 0.6:
            board.deal(name, "labels", ALL, rng.randint(1, 4))
        elif action < 0.8 and hand:
            decision = said(board, rng.choice(list(hand)), name, rng.randrange(4), final=rng.random() < 0.7)
            board.apply(decision)
        elif action < 0.9:
            for row in list(hand):
                board.hands.release(name, row)
        elif board.reviewer(name).answered:
            board.apply(undo(board, rng.choice(list(board.reviewer(name).answered.values()))))
        live = [row for each in names for row, lease in board.reviewer(each).hand.items() if lease.expires > clock.now]
        assert len(live) == len(set(live))
        for row in range(len(clips)):
            holders = {each for each in names if row in board.reviewer(each).hand}
            voters = {each for each in names if row in board.reviewer(each).answered}
            assert board._busy[row] == len(holders | voters)


def test_what_an_adjudicator_has_settled_needs_no_more_votes(clips: Clips, clock: Clock) -> None:
    board = Board(clips, Settings(overlap=2, repeats=0), clock=clock)
    row = int(board.view("labels", ALL)[0])
    judged = said(board, row, "zoe", 1, role="adjudicator")
    board.apply(judged)
    assert row not in board.deal("anna", "labels", ALL, HAND)
    assert board.left("anna", "labels", ALL) == 9
    assert row in board.deal("anna", "calibration", ALL, HAND + 2)  # which everybody answers
    board.apply(undo(board, judged))
    assert row in board.deal("ben", "labels", ALL, HAND)


def test_a_hand_has_a_limit_whatever_is_taken_back(board: Board) -> None:
    rows = board.deal("anna", "calibration", ALL, 4)
    for row in rows:
        board.apply(said(board, row, "anna", 1))
    board.deal("anna", "labels", ALL, HAND)
    for row in rows:
        last = board.reviewer("anna").answered[row]
        board.apply(undo(board, last))
        board.hands.hold_in_front("anna", row, "labels")
        hand = board.reviewer("anna").hand
        assert len(hand) == min(HAND, 6 + 1 + rows.index(row))
        assert min(hand, key=lambda each: hand[each].given) == row


def test_leases_that_ran_out_still_let_an_answer_in_for_a_day(board: Board, clock: Clock) -> None:
    row, other = board.deal("anna", "labels", ALL, 2)
    board.hands.release("anna", other, lapse=False)
    clock.now += 4000
    assert board.hands.right("anna", row) is not None
    assert board.hands.right("anna", other) is None
    assert board.hands.right("ben", row) is None
    clock.now += 90_000
    assert board.hands.right("anna", row) is None


def test_leases_that_nobody_may_answer_by_are_given_out_once_to_be_forgotten(board: Board, clock: Clock) -> None:
    first, again, answered = board.deal("anna", "labels", ALL, 3)
    board.apply(said(board, answered, "anna", 1))
    clock.now += 4000
    assert board.hands.ended() == []
    clock.now += 80_000
    board.hands.hold("anna", again, "labels")
    clock.now += 10_000
    assert board.hands.ended() == [(first, "anna")]
    assert board.hands.ended() == []
    assert set(board.reviewer("anna").lapsed) == {again}
    clock.now += 90_000
    assert board.hands.ended() == [(again, "anna")]


def test_who_asks_for_one_label_is_not_blind(clips: Clips, clock: Clock) -> None:
    board = Board(clips, Settings(shown=0.0), clock=clock)
    row = board.deal("anna", "labels", Filter(label=int(clips.auto_label[0])), 1)[0]
    lease = board.reviewer("anna").hand[row]
    assert not board.asks_blind("anna", row, lease)
    other = board.deal("ben", "labels", ALL, 1)[0]
    assert board.asks_blind("ben", other, board.reviewer("ben").hand[other])


def test_one_in_ten_is_shown_by_a_chance_that_stays() -> None:
    shown = [shown_from_start(f"{number:016x}", "anna", 0.1) for number in range(5000)]
    assert 0.08 < sum(shown) / len(shown) < 0.12
    assert shown == [shown_from_start(f"{number:016x}", "anna", 0.1) for number in range(5000)]
    assert shown != [shown_from_start(f"{number:016x}", "ben", 0.1) for number in range(5000)]
