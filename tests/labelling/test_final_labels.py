"""Final labels against a brute-force reading of the rules."""

import random
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfv_builder.labelling.decisions import ADJUDICATOR, REVIEWER, Decision, Kind, answer_code, clip_kinds
from hfv_builder.labelling.final_labels import ADDED, final_labels
from hfv_builder.labelling.reviews import as_table, from_table
from tests.oracle import final_row

KINDS = {"a": Kind.GENERATED, "b": Kind.GENERATED, "r": Kind.REAL, "f": Kind.FAILED}


@st.composite
def decision_lists(draw: st.DrawFn) -> list[Decision]:
    """Answers that reviewers give, some of them impossible, and undos of a few."""
    made: list[Decision] = []
    for number in range(draw(st.integers(0, 16))):
        common: dict[str, Any] = {"decision_id": f"{draw(st.integers(0, 99)):02}-{number}"}
        common["created_at"] = draw(st.integers(0, 9))  # clocks of two servers: times come twice and go back
        if made and draw(st.integers(0, 4)) == 0:
            undone = draw(st.sampled_from(made))
            who: dict[str, Any] = {"clip_id": undone.clip_id, "reviewer": undone.reviewer, "role": undone.role}
            made.append(Decision(decision=None, final=False, undoes=(undone.decision_id,), **who, **common))
            continue
        kind = draw(st.sampled_from(["label", "label", "label", "reject", "unsure"]))
        label = draw(st.integers(0, 3)) if kind == "label" else None
        reason = draw(st.sampled_from(["broken", "no anomaly"])) if kind == "reject" else None
        blind = draw(st.booleans())
        made.append(
            Decision(
                clip_id=draw(st.sampled_from([*KINDS, "elsewhere"])),
                reviewer=draw(st.sampled_from(["anna", "ben", "chiara"])),
                role=draw(st.sampled_from([REVIEWER, REVIEWER, REVIEWER, ADJUDICATOR])),
                decision="relabel" if kind == "label" else kind,
                label=label,
                reason=reason,
                blind=blind,
                final=not blind or draw(st.booleans()),
                **common,
            )
        )
    return made


@given(made=decision_lists(), autos=st.tuples(*[st.integers(0, 2)] * 2), overlap=st.integers(1, 3), seed=st.integers())
def test_final_labels_are_those_of_the_rules(
    made: list[Decision], autos: tuple[int, int], overlap: int, seed: int
) -> None:
    auto = dict(zip("abrf", [*autos, 3, None], strict=True))
    labels = pd.DataFrame({"clip_id": list(KINDS), "kind": list(KINDS.values()), "more": [1.5] * 4})
    labels["auto_label"] = pd.array([auto[clip] for clip in KINDS], "Int32")
    shuffled = random.Random(seed).sample(made, len(made))  # the order of rows must not matter
    found = final_labels(labels, shuffled, overlap=overlap)
    assert set(found.columns) == {*labels.columns, *ADDED}
    for record in found.to_dict("records"):
        clip = str(record["clip_id"])
        wanted = final_row(made, clip, int(KINDS[clip]), auto[clip], overlap)
        got = {name: None if pd.isna(record[name]) else record[name] for name in wanted}
        assert got == wanted


@given(decision_lists())
def test_the_manifest_holds_all_that_was_decided(made: list[Decision]) -> None:
    assert from_table(as_table(made)) == made


def labelled(decisions: list[Decision], *, kind: Kind = Kind.GENERATED, overlap: int = 1) -> dict[str, Any]:
    labels = pd.DataFrame({"clip_id": ["c"], "kind": [kind], "auto_label": pd.array([0], "Int32")})
    row = final_labels(labels, decisions, overlap=overlap).to_dict("records")[0]
    return {str(name): None if pd.isna(value) else value for name, value in row.items()}


def said(number: int, reviewer: str, answer: str | int, **more: Any) -> Decision:
    label = answer if isinstance(answer, int) else None
    fields: dict[str, Any] = {"decision": answer if label is None else "relabel", "label": label}
    return Decision(decision_id=f"d{number}", clip_id="c", reviewer=reviewer, created_at=number, **(fields | more))


def test_a_blind_answer_that_was_never_kept_changes_nothing() -> None:
    found = labelled([said(1, "anna", 2, blind=True, final=False)])
    assert (found["label"], found["label_source"], found["votes"], found["outcome"]) == (0, "auto", 0, None)
    found = labelled([said(1, "anna", 1), said(2, "anna", 2, blind=True, final=False)])
    assert (found["label"], found["votes"]) == (1, 1)


def test_fewer_votes_than_the_overlap_change_nothing() -> None:
    rejected = [said(1, "anna", "reject", reason="broken")]
    assert labelled(rejected, overlap=2)["rejected"] is False
    assert labelled(rejected, overlap=2)["outcome"] == "too few votes"
    assert labelled(rejected, overlap=1)["rejected"] is True
    both = [*rejected, said(2, "ben", "reject", reason="watermark"), said(3, "chiara", "reject", reason="watermark")]
    assert labelled(both, overlap=2)["reason"] == "watermark"
    assert labelled(both, overlap=2)["label"] is None
    assert labelled([said(1, "zoe", 2, role=ADJUDICATOR)], overlap=2)["label"] == 2


@pytest.mark.parametrize("others", [["unsure", 2], ["unsure", "unsure"], ["unsure"], [1, 2], [1, "reject"]])
def test_unsure_against_an_answer_is_a_dispute_and_so_is_all_else_that_differs(others: list[str | int]) -> None:
    votes = [said(number, f"r{number}", answer) for number, answer in enumerate(others)]
    found = labelled(votes, overlap=len(votes))
    assert (found["disputed"], found["label"], found["outcome"]) == (True, 0, "disputed")
    settled = labelled([*votes, said(9, "zoe", 2, role=ADJUDICATOR)])
    assert (settled["disputed"], settled["adjudicated"], settled["label"]) == (False, True, 2)


def test_a_majority_is_more_than_half_of_all_votes() -> None:
    two_of_three = [said(1, "anna", 2), said(2, "ben", 2), said(3, "chiara", "unsure")]
    assert (labelled(two_of_three)["label"], labelled(two_of_three)["disputed"]) == (2, True)
    assert labelled(two_of_three[1:])["label"] == 0


def test_only_footage_is_real() -> None:
    real = [said(1, "anna", 3), said(2, "ben", "reject", reason="no anomaly")]
    found = labelled(real, overlap=2)
    # Older versions offered `real` on generated clips: it meant that nothing is wrong.
    assert (found["rejected"], found["reason"], found["label"], found["disputed"]) == (True, "no anomaly", None, False)
    found = labelled([said(1, "anna", 0)], kind=Kind.REAL)
    assert (found["label_source"], found["votes"], found["invalid"]) == ("auto", 0, 1)
    assert labelled([said(1, "anna", 3)], kind=Kind.REAL)["label"] == 3


def test_failed_media_can_only_be_rejected() -> None:
    found = labelled([said(1, "anna", 0)], kind=Kind.FAILED)
    assert (found["label"], found["label_source"], found["invalid"]) == (None, "auto", 1)
    assert labelled([said(1, "anna", "reject", reason="broken")], kind=Kind.FAILED)["rejected"] is True


def test_what_a_clip_is() -> None:
    flags = [(ok, real, labelled) for ok in (True, False) for real in (True, False) for labelled in (True, False)]
    ok, real, labels = (pd.array(column, "bool").to_numpy() for column in zip(*flags, strict=True))
    kinds = clip_kinds(ok=ok, real=real, labelled=labels)
    assert kinds.tolist() == [Kind.REAL, Kind.REAL, Kind.GENERATED, *[Kind.FAILED] * 5]
    assert answer_code(said(1, "anna", "unsure"), Kind.FAILED) == -1
