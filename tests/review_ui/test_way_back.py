"""From reviewers' answers to the final splits: everything that is written, against the rules worked out again here."""

import hashlib
import math
import random
import re
import secrets
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from fastapi.testclient import TestClient

from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import CLIPS, FINAL, LABELS, REVIEWS, SPLITS
from pipelines.cli import main
from review_ui.app import create_app
from review_ui.settings import Settings
from tests.review_ui.conftest import Person

NAMES = ["spatial", "appearance", "motion", "real"]
ANSWERS = [*NAMES[:3], "none"]
SIZES = {"kling": 37, "pika": 26}


@pytest.fixture
def labelled(tmp_path: Path) -> Manifests:
    """Two generators with automatic labels; equal scores are common, so that ties are settled."""
    manifests = Manifests(tmp_path / "manifests")
    write_labels(manifests, SIZES)
    return manifests


def write_labels(manifests: Manifests, sizes: dict[str, int]) -> None:
    """Generators of so many clips each, with scores that mean nothing."""
    rng = random.Random(7)
    for generator, size in sizes.items():
        ids = [hashlib.sha256(f"{generator} {number}".encode()).hexdigest()[:16] for number in range(size)]
        clips = [{"clip_id": clip, "path": f"/{clip}.mp4", "is_real": False, "status": "ok"} for clip in ids]
        labels = [
            {"clip_id": clip, "auto_label": rng.randrange(3), "margin": rng.randrange(9), "group_size": size}
            | {name: rng.randrange(12) / 12 for name in NAMES[:3]}
            | {f"rank_{name}": rng.randrange(1, size) for name in NAMES[:3]}
            for clip in ids
        ]
        for table, rows in ((CLIPS, clips), (LABELS, labels)):
            whole = [dict.fromkeys(table.schema.names) | row for row in rows]
            manifests.replace(table, [pa.Table.from_pylist(whole, schema=table.schema)], generator=generator)


class Script:
    """Reviewers at work through the API, and a journal of what they did, in the columns of `reviews`."""

    def __init__(self, client: TestClient, auto: dict[str, int]) -> None:
        self.people = {name: Person(client, name) for name in ("anna", "ben", "chiara", "zoe")}
        self.auto = auto
        self.journal: list[dict[str, Any]] = []

    def answer(self, name: str, clip: str, said: str, *, first: bool = False) -> str:
        reason = {"reason": "watermark"} if said == "reject" else {}
        blind = not any(row["clip_id"] == clip and row["reviewer"] == name for row in self.journal)
        made = self.people[name].decide(clip, said, final=not first, seconds=2.5, **reason)
        self.note(made, clip, name, said, blind=blind, final=not first, seconds=2.5)
        return made

    def adjudicate(self, name: str, clip: str, said: str) -> str:
        body = {"decision_id": secrets.token_hex(16), "clip_id": clip, "answer": said}
        body |= {"reason": "broken"} if said == "reject" else {}
        kept = self.people[name].send("POST", "/api/adjudications", body)
        assert kept.status_code == 200, kept.text
        more = {"role": "adjudicator", "queue": "adjudication", "seconds": None}
        self.note(
            str(body["decision_id"]), clip, name, said, **({"reason": "broken"} if said == "reject" else {}), **more
        )
        return str(body["decision_id"])

    def undo(self, name: str, *made: str) -> None:
        undo = secrets.token_hex(16)
        taken = self.people[name].send("POST", "/api/undo", {"decision_id": undo, "undoes": made})
        assert taken.status_code == 200, taken.text
        undone = next(row for row in self.journal if row["decision_id"] == made[-1])
        said = {"decision": None, "label": None, "reason": None, "blind": False, "final": False, "seconds": None}
        self.journal.append(undone | said | {"decision_id": undo, "undoes": list(made)})

    def note(self, made: str, clip: str, reviewer: str, said: str, **more: Any) -> None:
        label = NAMES.index(said) if said in NAMES else None
        reasons = {"none": "no anomaly", "reject": "watermark"}
        kind = "confirm" if label == self.auto[clip] else "relabel"
        row: dict[str, Any] = {"decision_id": made, "clip_id": clip, "reviewer": reviewer, "role": "reviewer"}
        row |= {"queue": "calibration"}
        row |= {"decision": {"none": "reject"}.get(said, said) if label is None else kind, "label": label}
        row |= {"reason": reasons.get(said), "blind": False, "final": True, "undoes": None}
        self.journal.append(row | more)


def review(script: Script) -> None:
    """Three answers a clip, some after a first one, some taken back; then an adjudicator, who errs once."""
    rng = random.Random(11)
    for name in rng.sample(["anna", "ben", "chiara"], 3):
        while hand := script.people[name].hand(1, "calibration"):
            clip = hand[0]["clip_id"]
            likely = NAMES[script.auto[clip]]
            said = [rng.choice([likely, likely, *ANSWERS, "reject", "unsure"]) for _ in range(3)]
            made = [script.answer(name, clip, said[0], first=True)] if rng.random() < 0.4 else []
            made.append(script.answer(name, clip, said[1]))
            if rng.random() < 0.2:
                script.undo(name, *made)
                script.answer(name, clip, said[2])
    for row in [row for row in script.journal if row["final"]]:
        undone = {each for other in script.journal for each in other["undoes"] or ()}
        if row["decision_id"] not in undone and rng.random() < 0.3:
            script.undo(row["reviewer"], row["decision_id"])
    cases = [case["item"]["clip_id"] for case in script.people["zoe"].get("/api/cases")["cases"]]
    assert len(cases) > 8
    last = [script.adjudicate("zoe", clip, rng.choice([*ANSWERS, "reject"])) for clip in cases[3:]]
    script.undo("zoe", last[0])
    script.adjudicate("zoe", cases[3], "motion")
    script.undo("zoe", last[1])  # and leaves it at that
    script.adjudicate("anna", cases[5], "none")  # the later of two adjudicators is right


def final_label(own: list[dict[str, Any]], auto: int, overlap: int) -> tuple[int | None, str | None]:
    """An adjudicator's label, else that of more than half, else the automatic one; none for a clip that is left out."""
    gone = {each for row in own for each in row["undoes"] or ()}
    latest: dict[tuple[str, str], dict[str, Any]] = {}
    for row in own:
        if row["final"] and row["decision_id"] not in gone:
            latest.pop((row["reviewer"], row["role"]), None)
            latest[row["reviewer"], row["role"]] = row
    said = [(row["role"], row["label"] if row["label"] is not None else row["decision"]) for row in latest.values()]
    said = [(role, "reject" if answer == 3 else answer) for role, answer in said]  # only footage is real
    judged = [answer for role, answer in said if role == "adjudicator" and answer != "unsure"]
    votes = Counter(answer for role, answer in said if role == "reviewer")
    most, count = votes.most_common(1)[0] if votes else ("unsure", 0)
    found: Any = None
    if judged:
        found = judged[-1]
    elif votes.total() >= overlap and count / max(votes.total(), 1) > 0.5 and most != "unsure":
        found = most
    if found is None:
        return auto, "auto"
    return (None, None) if found == "reject" else (found, "review")


def expected_splits(
    labels: pd.DataFrame, reviews: list[dict[str, Any]], *, overlap: int = 1, first_id_first: bool = True
) -> pd.DataFrame:
    """The `splits` manifest by the definitions, or by others that it must be told from."""
    rows = labels[["clip_id", "generator"]].copy()
    by_clip: dict[str, list[dict[str, Any]]] = {clip: [] for clip in labels["clip_id"]}
    for row in reviews:
        by_clip[row["clip_id"]].append(row)
    finals = [
        final_label(by_clip[clip], auto, overlap)
        for clip, auto in zip(labels["clip_id"], labels["auto_label"], strict=True)
    ]
    rows["label"], rows["label_source"] = zip(*finals, strict=True)
    for _, own in labels.assign(label=rows["label"]).groupby(["generator", "label"]):
        size, label = len(own), int(own["label"].iloc[0])
        val = math.floor(0.2 * size + 0.5)
        order = own.sort_values([NAMES[label], "clip_id"], ascending=[False, first_id_first]).index
        rows.loc[order, "class_rank"] = range(1, size + 1)
        rows.loc[order, "class_size"] = size
        rows.loc[order, "split"] = ["val"] * val + ["train"] * (size - val)
    rows["r_hat"] = rows["class_rank"] / rows["class_size"]
    rows["confidence_weight"] = rows["r_hat"].map(lambda r_hat: math.log(math.e + r_hat))
    return rows


def test_an_export_at_exit_that_is_refused_is_one_sentence(
    labelled: Manifests, capsys: pytest.CaptureFixture[str]
) -> None:
    app = create_app(labelled, labelled.local_root / "review" / "decisions.sqlite")
    with labelled.lock("reviews"), TestClient(app, base_url="http://127.0.0.1"):
        pass
    assert re.fullmatch(
        r"the decisions are in .* \(another hfv is at work on reviews in .*\): run `hfv reviews export`\n",
        capsys.readouterr().err,
    )


def test_what_reviewers_said_is_what_is_split(labelled: Manifests, capsys: pytest.CaptureFixture[str]) -> None:
    labels = labelled.read(LABELS).to_pandas()
    db = labelled.local_root / "review" / "decisions.sqlite"
    settings = Settings(overlap=2, shown=0.0, calibration=100)
    with TestClient(
        create_app(labelled, db, settings=settings, export_on_exit=False), base_url="http://127.0.0.1"
    ) as client:
        script = Script(client, dict(zip(labels["clip_id"], labels["auto_label"], strict=True)))
        review(script)
    assert not labelled.parts(REVIEWS)
    manifests = ["--manifests", str(labelled.root)]
    assert main(["reviews", "export", *manifests]) == 0
    assert main(["split", "--labels", "final", *manifests]) == 0
    told = capsys.readouterr().out

    rows = labelled.read(REVIEWS).to_pylist()
    times = [row["created_at"] for row in rows]
    assert [{name: row[name] for name in script.journal[0]} for row in rows] == script.journal
    assert times == sorted(set(times))
    assert (datetime.now(UTC) - times[0]).total_seconds() < 600
    names = {row["clip_id"]: row["generator"] for row in labels.to_dict("records")}
    assert all(row["generator"] == names[row["clip_id"]] for row in rows)

    wanted = expected_splits(labels, script.journal, overlap=2)
    same(labelled, wanted)
    # The script meets every rule.
    assert wanted["label"].isna().any()
    assert set(wanted["label"].dropna()) == {0, 1, 2}
    assert set(wanted["label_source"].dropna()) == {"auto", "review"}
    assert set(wanted["split"].dropna()) == {"train", "val"}

    # The manifest of final labels says the same, of the clips that were reviewed.
    final = labelled.read(FINAL).to_pandas()
    both = final.merge(wanted, on="clip_id", suffixes=("", "_wanted"))
    assert len(both) == len(final) > 50
    assert both["label"].astype("Float64").fillna(-1).eq(both["label_wanted"].astype("Float64").fillna(-1)).all()
    few = int((final["votes"].lt(2) & ~final["adjudicated"]).sum())
    assert few > 3
    assert f"{few} with too few votes: the automatic label stays" in told
    assert f"{final['adjudicated'].sum()} by an adjudicator" in told

    assert main(["split", "--labels", "final", "--allow-partial", *manifests]) == 0
    same(labelled, expected_splits(labels, script.journal, overlap=1))
    assert main(["split", "--labels", "final", "--overlap", "3", *manifests]) == 0
    same(labelled, expected_splits(labels, script.journal, overlap=3))
    capsys.readouterr()


def same(manifests: Manifests, wanted: pd.DataFrame) -> None:
    found = manifests.read(SPLITS).to_pandas()[wanted.columns]
    pd.testing.assert_frame_equal(found, wanted, check_dtype=False, check_exact=False, rtol=1e-12)


def test_hundreds_of_clips_leave_no_rule_to_chance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifests, rng = Manifests(tmp_path / "manifests"), random.Random(13)
    write_labels(manifests, {"kling": 260, "pika": 140})
    labels = manifests.read(LABELS).to_pandas()
    rows: list[dict[str, Any]] = []
    for clip, auto in zip(labels["clip_id"], labels["auto_label"], strict=True):
        for name in rng.choices(["anna", "ben", "chiara", "zoe"], k=rng.randrange(4)):
            said = rng.choice([NAMES[auto], *NAMES, "real", "reject", "unsure"])
            label = NAMES.index(said) if said in NAMES else None
            kind = said if label is None else "confirm" if label == auto else "relabel"
            row: dict[str, Any] = {
                "decision_id": f"{len(rows):016}",
                "clip_id": clip,
                "reviewer": name,
                "decision": kind,
            }
            row |= {"role": "adjudicator" if name == "zoe" else "reviewer", "label": label, "undoes": None}
            row |= {"reason": "other" if said == "reject" else None, "final": rng.random() < 0.9}
            row |= {"created_at": datetime.fromtimestamp(1_800_000_000 + len(rows), UTC)}
            rows.append(row)
            if rng.random() < 0.1:
                undo: dict[str, Any] = {
                    "decision_id": f"{len(rows):016}",
                    "decision": None,
                    "label": None,
                    "reason": None,
                }
                rows.append(row | undo | {"final": False, "undoes": [row["decision_id"]]})
    whole = [dict.fromkeys(REVIEWS.schema.names) | row for row in rows]
    manifests.replace(REVIEWS, [pa.Table.from_pylist(whole, schema=REVIEWS.schema)])
    assert main(["split", "--labels", "final", "--manifests", str(tmp_path / "manifests")]) == 0
    capsys.readouterr()
    wanted = expected_splits(labels, rows)
    same(manifests, wanted)
    # Rules that are nearly right would have been found out.
    for nearly in (expected_splits(labels, rows, overlap=2), expected_splits(labels, rows, first_id_first=False)):
        assert (nearly["split"] != wanted["split"]).sum() > 5
