"""The strength of an anomaly by the reviewers who gave its label, and val with strong anomalies only."""

import pandas as pd

from hfv_builder.labelling.decisions import ADJUDICATOR, Decision, Kind
from hfv_builder.labelling.final_labels import final_labels
from hfv_builder.labelling.strength import agreed_strength, only_strong


def labelled(index: int, strength: str | None, *, label: int = 0, role: str = "reviewer", clip: str = "a") -> Decision:
    ids = {"decision_id": str(index), "clip_id": clip, "reviewer": f"r{index}", "created_at": index}
    return Decision(decision="relabel", label=label, strength=strength, role=role, **ids)  # type: ignore[arg-type]


def test_strength_is_the_adjudicators_or_the_majority_of_reviewers() -> None:
    strong, weak, nothing = labelled(1, "strong"), labelled(2, "weak"), labelled(3, None)
    assert agreed_strength([nothing]) is agreed_strength([]) is None
    assert agreed_strength([strong, nothing]) == "strong"
    assert agreed_strength([strong, weak]) == "weak"  # as many as for strong
    assert agreed_strength([strong, weak, labelled(4, "strong")]) == "strong"
    assert agreed_strength([strong, strong, labelled(5, "weak", role=ADJUDICATOR)]) == "weak"
    assert agreed_strength([weak, labelled(5, None, role=ADJUDICATOR)]) == "weak"


def test_only_reviewers_who_gave_the_final_label_count() -> None:
    labels = pd.DataFrame({"clip_id": [*"abcd"], "kind": int(Kind.GENERATED), "auto_label": 0})
    decisions = [
        *(labelled(1, "weak"), labelled(2, "weak"), labelled(3, "strong", label=1)),
        *(labelled(4, "strong", clip="b"), labelled(5, "strong", label=1, clip="b")),  # disputed
        *(
            labelled(6, "strong", clip="c"),
            labelled(7, "weak", label=1, clip="c"),
            labelled(8, None, role=ADJUDICATOR, clip="c"),
        ),
    ]
    strength = final_labels(labels, decisions)["strength"]
    assert strength.isna().tolist() == [False, True, False, True]
    assert strength.dropna().tolist() == ["weak", "strong"]
    assert final_labels(labels, decisions[:1], overlap=2)["strength"].isna().all()


def test_val_keeps_strong_anomalies_and_all_footage() -> None:
    rows = pd.DataFrame(
        {
            "label": pd.array([0, 1, 2, 3, 0, 0, None], "Int32"),
            "split": pd.array(["val", "val", "val", "val", "train", "test", None], "str"),
        }
    )
    strength = pd.Series(["strong", "weak", None, None, "strong", "weak", None], dtype="str")
    sides = ["val", "train", "train", "val", "train", "test"]
    assert only_strong(rows, strength).tolist()[:6] == sides
    assert pd.isna(only_strong(rows, strength)[6])
    groups = pd.Series(["p", "p", None, None, "q", None, None], dtype="str")
    assert only_strong(rows, strength, groups).tolist()[:6] == ["train", *sides[1:]]
    footage = pd.Series([None, "p", None, "p", None, None, None], dtype="str")
    assert only_strong(rows, strength, footage).tolist()[:6] == ["val", "train", "train", "train", "train", "test"]
