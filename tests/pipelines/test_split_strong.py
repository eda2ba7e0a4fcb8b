"""`hfv split --strong-only`: val has only anomalies that reviewers called strong."""

from collections import Counter
from typing import Any

import pyarrow as pa
import pytest

from hfv_builder.records import UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import LABELS, REVIEWS, SPLITS
from pipelines.split.stage import split
from tests.pipelines.test_label_and_split import decision
from tests.pipelines.test_split_protocols import fill_sources, give_prompts


def confirm_val_clips(manifests: Manifests, *, strong: int) -> dict[str, str]:
    """Confirm the val clips of `seed`: the first `strong` as strong, others as weak, the last without strength.

    Returns the strengths by clip id.
    """
    auto_label_of = {row["clip_id"]: row["auto_label"] for row in manifests.read(LABELS).to_pylist()}
    val = sorted(r["clip_id"] for r in rows_of(manifests) if r["generator"] == "seed" and r["split"] == "val")
    strengths = {clip: "strong" if position < strong else "weak" for position, clip in enumerate(val[:-1])}
    rows = [
        decision(c, "anna", "confirm", auto_label_of[c], n) | {"strength": strengths.get(c)} for n, c in enumerate(val)
    ]
    manifests.replace(REVIEWS, [pa.Table.from_pylist(rows, schema=REVIEWS.schema)])
    return strengths


def rows_of(manifests: Manifests) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = manifests.read(SPLITS).to_pylist()
    return sorted(rows, key=lambda row: str(row["clip_id"]))


def test_weak_anomalies_move_to_train_and_nothing_else_moves(manifests: Manifests) -> None:
    fill_sources(manifests)
    with pytest.raises(UsageError, match="--strong-only is about what reviewers say"):
        split(manifests, strong_only=True)
    split(manifests, protocol="hfv")
    strengths = confirm_val_clips(manifests, strong=2)
    split(manifests, protocol="hfv", labels="final")
    before = {row["clip_id"]: row for row in rows_of(manifests)}
    outcome = split(manifests, protocol="hfv", labels="final", strong_only=True)
    after = {row["clip_id"]: row for row in rows_of(manifests)}
    strong = {clip for clip, strength in strengths.items() if strength == "strong"}
    for clip, row in after.items():
        val = before[clip]["split"] == "val"
        moved = val and row["label"] != 3 and clip not in strong
        assert row["split"] == ("train" if moved else before[clip]["split"])
        assert {**row, "split": 0, "policy": 0} == {**before[clip], "split": 0, "policy": 0}
    policies = Counter((row["generator"], row["policy"]) for row in after.values())
    film = ("film", "train6-hash20-seed0-by-prompt")
    assert policies == {("seed", "top20-strong"): 30, ("other", "test"): 30, film: 10}
    weak = len(strengths) - 2
    assert outcome.summary["strong_only"] == {"weak": weak, "not_judged": 1, "val": 2}
    line = f"strong anomalies only: {weak + 1} clips moved from val to train ({weak} weak, 1 not judged); 2 generated"
    assert line in outcome.text
    again = split(manifests, protocol="hfv", labels="final", strong_only=True)
    assert {row["clip_id"]: row for row in rows_of(manifests)} == after
    assert again.text == outcome.text


def test_grouping_by_prompt_moves_no_weak_anomaly_to_val(manifests: Manifests) -> None:
    fill_sources(manifests)
    give_prompts(manifests, "seed")
    split(manifests)
    strengths = confirm_val_clips(manifests, strong=4)
    split(manifests, labels="final", group="prompt", strong_only=True)
    rows = [row for row in rows_of(manifests) if row["generator"] == "seed"]
    assert {row["policy"] for row in rows} == {"top20-strong-by-prompt"}
    assert all(strengths.get(row["clip_id"]) == "strong" for row in rows if row["split"] == "val")
