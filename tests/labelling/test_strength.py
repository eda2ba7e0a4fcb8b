"""How strong an anomaly is by those who gave its label, and val with strong ones only."""

import pandas as pd

from hfv_builder.labelling.decisions import ADJUDICATOR, Decision, Kind
from hfv_builder.labelling.final_labels import final_labels
from hfv_builder.labelling.strength import agreed_strength, only_strong


def said(number: int, strength: str | None, *, label: int = 0, role: str = "reviewer", clip: str = "a") -> Decision:
    ids = {"decision_id": str(number), "clip_id": clip, "reviewer": f"r{number}", "created_at": number}
    return Decision(decision="relabel", label=label, strength=strength, role=role, **ids)  # type: ignore[arg-type]


def test_the_adjudicator_decides_else_the_majority_of_those_who_gave_one() -> None:
    strong, weak, nothing = said(1, "strong"), said(2, "weak"), said(3, None)
    assert agreed_strength([nothing]) is agreed_strength([]) is None
    assert agreed_strength([strong, nothing]) == "strong"
    assert agreed_strength([strong, weak]) == "weak"  # as many as for strong
    assert agreed_strength([strong, weak, said(4, "strong")]) == "strong"
    assert agreed_strength([strong, strong, said(5, "weak", role=ADJUDICATOR)]) == "weak"
    assert agreed_strength([weak, said(5, None, role=ADJUDICATOR)]) == "weak"


def test_only_those_who_gave_the_final_label_count() -> None:
    labels = pd.DataFrame({"clip_id": [*"abcd"], "kind": int(Kind.GENERATED), "auto_label": 0})
    decisions = [
        *(said(1, "weak"), said(2, "weak"), said(3, "strong", label=1)),
        *(said(4, "strong", clip="b"), said(5, "strong", label=1, clip="b")),  # disputed
        *(said(6, "strong", clip="c"), said(7, "weak", label=1, clip="c"), said(8, None, role=ADJUDICATOR, clip="c")),
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
    kept = ["val", "train", "train", "val", "train", "test"]
    assert only_strong(rows, strength).tolist()[:6] == kept
    assert pd.isna(only_strong(rows, strength)[6])
    groups = pd.Series(["p", "p", None, None, "q", None, None], dtype="str")
    assert only_strong(rows, strength, groups).tolist()[:6] == ["train", *kept[1:]]
    footage = pd.Series([None, "p", None, "p", None, None, None], dtype="str")
    assert only_strong(rows, strength, footage).tolist()[:6] == ["val", "train", "train", "train", "train", "test"]
