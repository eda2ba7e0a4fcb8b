"""Final labels equal those of a plain loop over the decisions."""

import random
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfv_builder.labelling.decisions import ADJUDICATOR, REVIEWER, Decision, Kind, answer_code, clip_kinds
from hfv_builder.labelling.final_labels import final_labels
from hfv_builder.labelling.reviews import as_table, from_table
from tests.oracle import final_row

KINDS = {"a": Kind.GENERATED, "b": Kind.GENERATED, "r": Kind.REAL, "f": Kind.FAILED}


@st.composite
def decision_lists(draw: st.DrawFn) -> list[Decision]:
    """Draw answers of reviewers, some of them invalid, and undos of some answers."""
    decisions: list[Decision] = []
    for index in range(draw(st.integers(0, 16))):
        common: dict[str, Any] = {"decision_id": f"{draw(st.integers(0, 99)):02}-{index}"}
        common["created_at"] = draw(st.integers(0, 9))  # clocks of two servers: times repeat and go back
        if decisions and draw(st.integers(0, 4)) == 0:
            undone = draw(st.sampled_from(decisions))
            answerer: dict[str, Any] = {"clip_id": undone.clip_id, "reviewer": undone.reviewer, "role": undone.role}
            decisions.append(Decision(decision=None, final=False, undoes=(undone.decision_id,), **answerer, **common))
            continue
        kind = draw(st.sampled_from(["label", "label", "label", "reject", "unsure"]))
        label = draw(st.integers(0, 3)) if kind == "label" else None
        reason = draw(st.sampled_from(["broken", "no anomaly"])) if kind == "reject" else None
        blind = draw(st.booleans())
        decisions.append(
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
    return decisions


@given(
    decisions=decision_lists(),
    auto_labels=st.tuples(*[st.integers(0, 2)] * 2),
    overlap=st.integers(1, 3),
    seed=st.integers(),
)
def test_final_labels_equal_those_of_the_rules(
    decisions: list[Decision], auto_labels: tuple[int, int], overlap: int, seed: int
) -> None:
    auto_label_of = dict(zip("abrf", [*auto_labels, 3, None], strict=True))
    labels = pd.DataFrame({"clip_id": list(KINDS), "kind": list(KINDS.values()), "more": [1.5] * 4})
    labels["auto_label"] = pd.array([auto_label_of[clip] for clip in KINDS], "Int32")
    shuffled = random.Random(seed).sample(decisions, len(decisions))  # the order of rows must not matter
    final = final_labels(labels, shuffled, overlap=overlap)
    added = {"label", "label_source", "votes", "disputed", "adjudicated", "rejected", "reason", "outcome", "invalid"}
    assert set(final.columns) == {*labels.columns, *added, "strength"}
    for record in final.to_dict("records"):
        clip = str(record["clip_id"])
        expected = final_row(decisions, clip, int(KINDS[clip]), auto_label_of[clip], overlap)
        actual = {name: None if pd.isna(record[name]) else record[name] for name in expected}
        assert actual == expected


@given(decision_lists())
def test_decisions_are_restored_from_their_manifest(decisions: list[Decision]) -> None:
    assert from_table(as_table(decisions)) == decisions


def labelled(decisions: list[Decision], *, kind: Kind = Kind.GENERATED, overlap: int = 1) -> dict[str, Any]:
    labels = pd.DataFrame({"clip_id": ["c"], "kind": [kind], "auto_label": pd.array([0], "Int32")})
    row = final_labels(labels, decisions, overlap=overlap).to_dict("records")[0]
    return {str(name): None if pd.isna(value) else value for name, value in row.items()}


def answered(number: int, reviewer: str, answer: str | int, **fields_given: Any) -> Decision:
    label = answer if isinstance(answer, int) else None
    fields: dict[str, Any] = {"decision": answer if label is None else "relabel", "label": label}
    return Decision(
        decision_id=f"d{number}", clip_id="c", reviewer=reviewer, created_at=number, **(fields | fields_given)
    )


def test_a_blind_answer_that_is_not_final_changes_nothing() -> None:
    row = labelled([answered(1, "anna", 2, blind=True, final=False)])
    assert (row["label"], row["label_source"], row["votes"], row["outcome"]) == (0, "auto", 0, None)
    row = labelled([answered(1, "anna", 1), answered(2, "anna", 2, blind=True, final=False)])
    assert (row["label"], row["votes"]) == (1, 1)


def test_fewer_votes_than_the_overlap_change_nothing() -> None:
    rejected = [answered(1, "anna", "reject", reason="broken")]
    assert labelled(rejected, overlap=2)["rejected"] is False
    assert labelled(rejected, overlap=2)["outcome"] == "too few votes"
    assert labelled(rejected, overlap=1)["rejected"] is True
    both = [
        *rejected,
        answered(2, "ben", "reject", reason="watermark"),
        answered(3, "chiara", "reject", reason="watermark"),
    ]
    assert labelled(both, overlap=2)["reason"] == "watermark"
    assert labelled(both, overlap=2)["label"] is None
    assert labelled([answered(1, "zoe", 2, role=ADJUDICATOR)], overlap=2)["label"] == 2


@pytest.mark.parametrize("answers", [["unsure", 2], ["unsure", "unsure"], ["unsure"], [1, 2], [1, "reject"]])
def test_different_or_unsure_answers_are_a_dispute(answers: list[str | int]) -> None:
    votes = [answered(number, f"r{number}", answer) for number, answer in enumerate(answers)]
    row = labelled(votes, overlap=len(votes))
    assert (row["disputed"], row["label"], row["outcome"]) == (True, 0, "disputed")
    adjudicated = labelled([*votes, answered(9, "zoe", 2, role=ADJUDICATOR)])
    assert (adjudicated["disputed"], adjudicated["adjudicated"], adjudicated["label"]) == (False, True, 2)


def test_a_majority_is_more_than_half_of_all_votes() -> None:
    two_of_three = [answered(1, "anna", 2), answered(2, "ben", 2), answered(3, "chiara", "unsure")]
    assert (labelled(two_of_three)["label"], labelled(two_of_three)["disputed"]) == (2, True)
    assert labelled(two_of_three[1:])["label"] == 0


def test_only_footage_can_be_labelled_real() -> None:
    real = [answered(1, "anna", 3), answered(2, "ben", "reject", reason="no anomaly")]
    row = labelled(real, overlap=2)
    # Older versions offered `real` for generated clips without an anomaly.
    assert (row["rejected"], row["reason"], row["label"], row["disputed"]) == (True, "no anomaly", None, False)
    row = labelled([answered(1, "anna", 0)], kind=Kind.REAL)
    assert (row["label_source"], row["votes"], row["invalid"]) == ("auto", 0, 1)
    assert labelled([answered(1, "anna", 3)], kind=Kind.REAL)["label"] == 3


def test_failed_media_can_only_be_rejected() -> None:
    row = labelled([answered(1, "anna", 0)], kind=Kind.FAILED)
    assert (row["label"], row["label_source"], row["invalid"]) == (None, "auto", 1)
    assert labelled([answered(1, "anna", "reject", reason="broken")], kind=Kind.FAILED)["rejected"] is True


def test_clip_kinds_depend_on_status_footage_and_label() -> None:
    flags = [(ok, real, labelled) for ok in (True, False) for real in (True, False) for labelled in (True, False)]
    ok, real, labels = (pd.array(column, "bool").to_numpy() for column in zip(*flags, strict=True))
    kinds = clip_kinds(ok=ok, real=real, labelled=labels)
    assert kinds.tolist() == [Kind.REAL, Kind.REAL, Kind.GENERATED, *[Kind.FAILED] * 5]
    assert answer_code(answered(1, "anna", "unsure"), Kind.FAILED) == -1
