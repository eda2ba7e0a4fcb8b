"""From reviewers' answers to the final splits: everything that is written, against the rules worked out again here."""

import hashlib
import math
import random
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from fastapi.testclient import TestClient

from hfv_builder.manifest import Manifests
from hfv_builder.schema import CLIPS, LABELS, REVIEWS, SPLITS
from pipelines.cli import main
from review_ui.app import create_app
from tests.review_ui.conftest import Person

NAMES = ["spatial", "appearance", "motion", "real"]
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
        made = self.people[name].decide(clip, said, blind=first, final=not first, seconds=2.5, **reason)
        self.note(made, clip, name, said, blind=first, seconds=2.5)
        return made

    def adjudicate(self, name: str, clip: str, said: str) -> str:
        body = {"decision_id": secrets.token_hex(16), "clip_id": clip, "answer": said}
        body |= {"reason": "broken"} if said == "reject" else {}
        kept = self.people[name].send("POST", "/api/adjudications", body)
        assert kept.status_code == 200, kept.text
        self.note(body["decision_id"], clip, f"adjudicator:{name}", said, reason=body.get("reason"))
        return body["decision_id"]

    def undo(self, name: str, *made: str) -> None:
        undo = secrets.token_hex(16)
        taken = self.people[name].send("POST", "/api/undo", {"decision_id": undo, "undoes": made})
        assert taken.status_code == 200, taken.text
        for row in self.journal:
            if row["decision_id"] in made:
                row["undone_by"] = undo

    def note(self, made: str, clip: str, reviewer: str, said: str, **more: Any) -> None:
        label = NAMES.index(said) if said in NAMES else None
        kind = said if label is None else "confirm" if label == self.auto[clip] else "relabel"
        row = {"decision_id": made, "clip_id": clip, "reviewer": reviewer, "decision": kind, "label": label}
        row |= {"reason": "watermark" if said == "reject" else None, "blind": False, "seconds": None, "undone_by": None}
        self.journal.append(row | more)


def review(script: Script) -> None:
    """Up to three answers a clip, some after a blind one, some taken back; then an adjudicator, who errs once."""
    rng = random.Random(11)
    work = [(clip, name) for clip in script.auto for name in rng.sample(["anna", "ben", "chiara"], rng.randrange(4))]
    rng.shuffle(work)
    for clip, name in work:
        likely = NAMES[script.auto[clip]]
        said = [rng.choice([likely, likely, *NAMES, "reject", "unsure"]) for _ in range(3)]
        made = [script.answer(name, clip, said[0], first=True)] if rng.random() < 0.4 else []
        made.append(script.answer(name, clip, said[1]))
        if rng.random() < 0.2:
            script.undo(name, *made)
            if rng.random() < 0.5:
                script.answer(name, clip, said[2])
    cases = [case["item"]["clip_id"] for case in script.people["zoe"].get("/api/cases")["cases"]]
    assert len(cases) > 8
    last = [script.adjudicate("zoe", clip, rng.choice([*NAMES, "reject"])) for clip in cases[3:]]
    script.undo("zoe", last[0])
    script.adjudicate("zoe", cases[3], "motion")
    script.undo("zoe", last[1])  # and leaves it at that
    script.adjudicate("anna", cases[5], "real")  # the later of two adjudicators is right


def final_label(own: pd.DataFrame, auto: int) -> tuple[int | None, str | None]:
    """An adjudicator's label, else the majority's, else the automatic one; none for a rejected clip."""
    standing = own[own["undone_by"].isna()].drop_duplicates("reviewer", keep="last")
    standing = standing[standing["decision"] != "unsure"]
    said = standing["label"].astype("object").where(standing["decision"] != "reject", "reject")
    judged = said[standing["reviewer"].str.startswith("adjudicator:")]
    votes = said.drop(judged.index).value_counts()
    found: Any = None
    if len(judged):
        found = judged.iloc[-1]
    elif len(votes) and votes.iloc[0] / votes.sum() > 0.5:
        found = votes.index[0]
    if found is None:
        return auto, "auto"
    return (None, None) if found == "reject" else (int(found), "review")


def expected_splits(
    labels: pd.DataFrame, reviews: pd.DataFrame, *, seed: int = 0, first_id_first: bool = True
) -> pd.DataFrame:
    """The `splits` manifest by the definitions, or by others that it must be told from."""
    rows = labels[["clip_id", "generator"]].copy()
    by_clip = dict(list(reviews.groupby("clip_id")))
    finals = [
        final_label(by_clip.get(clip, reviews[:0]), auto)
        for clip, auto in zip(labels["clip_id"], labels["auto_label"], strict=True)
    ]
    rows["label"], rows["label_source"] = zip(*finals, strict=True)
    for _, own in labels.assign(label=rows["label"]).groupby(["generator", "label"]):
        size, label = len(own), int(own["label"].iloc[0])
        val = math.floor(0.2 * size + 0.5)
        if label == 3:
            # Real clips: those of the smallest hash, so many as a fifth.
            key = [hashlib.sha256(f"{seed}:{clip}".encode()).hexdigest()[:16] for clip in own["clip_id"]]
            order = own.assign(key=key).sort_values("key").index
        else:
            order = own.sort_values([NAMES[label], "clip_id"], ascending=[False, first_id_first]).index
            rows.loc[order, "class_rank"] = range(1, size + 1)
        rows.loc[order, "class_size"] = size
        rows.loc[order, "split"] = ["val"] * val + ["train"] * (size - val)
    rows["r_hat"] = (rows["class_rank"] / rows["class_size"]).mask(rows["label"] == 3, 0.0)
    rows["confidence_weight"] = rows["r_hat"].map(lambda r_hat: math.log(math.e + r_hat))
    return rows


def test_what_reviewers_said_is_what_is_split(labelled: Manifests, capsys: pytest.CaptureFixture[str]) -> None:
    labels = labelled.read(LABELS).to_pandas()
    db = labelled.local_root / "review" / "decisions.sqlite"
    with TestClient(create_app(labelled, db, export_on_exit=False), base_url="http://127.0.0.1") as client:
        script = Script(client, dict(zip(labels["clip_id"], labels["auto_label"], strict=True)))
        review(script)
    assert not labelled.parts(REVIEWS)
    manifests = ["--manifests", str(labelled.root)]
    assert main(["reviews", "export", *manifests]) == 0
    assert main(["split", "--labels", "final", *manifests]) == 0
    capsys.readouterr()

    rows = labelled.read(REVIEWS).to_pylist()
    times = [row.pop("created_at") for row in rows]
    assert rows == script.journal
    assert times == sorted(set(times))
    assert (datetime.now(UTC) - times[0]).total_seconds() < 600

    wanted = expected_splits(labels, pd.DataFrame(script.journal))
    same(labelled, wanted)
    # The script meets every rule.
    assert wanted["label"].isna().any()
    assert set(wanted["label"].dropna()) == {0, 1, 2, 3}
    assert set(wanted["label_source"].dropna()) == {"auto", "review"}
    assert set(wanted["split"].dropna()) == {"train", "val"}


def same(manifests: Manifests, wanted: pd.DataFrame) -> None:
    found = manifests.read(SPLITS).to_pandas()[wanted.columns]
    pd.testing.assert_frame_equal(found, wanted, check_dtype=False, check_exact=False, rtol=1e-12)


def test_hundreds_of_clips_leave_no_rule_to_chance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifests, rng = Manifests(tmp_path / "manifests"), random.Random(13)
    write_labels(manifests, {"kling": 260, "pika": 140})
    labels = manifests.read(LABELS).to_pandas()
    rows: list[dict[str, Any]] = []
    for clip, auto in zip(labels["clip_id"], labels["auto_label"], strict=True):
        for name in rng.choices(["anna", "ben", "chiara", "adjudicator:zoe"], k=rng.randrange(4)):
            said = rng.choice([NAMES[auto], *NAMES, "real", "reject", "unsure"])
            label = NAMES.index(said) if said in NAMES else None
            kind = said if label is None else "confirm" if label == auto else "relabel"
            row = {"decision_id": f"{len(rows):016}", "clip_id": clip, "reviewer": name, "decision": kind}
            row |= {"label": label, "reason": "other" if said == "reject" else None, "blind": False}
            row |= {"undone_by": "an undo" if rng.random() < 0.1 else None}
            rows.append(row | {"created_at": datetime.fromtimestamp(1_800_000_000 + len(rows), UTC)})
    whole = [dict.fromkeys(REVIEWS.schema.names) | row for row in rows]
    manifests.replace(REVIEWS, [pa.Table.from_pylist(whole, schema=REVIEWS.schema)])
    assert main(["split", "--labels", "final", "--manifests", str(tmp_path / "manifests")]) == 0
    capsys.readouterr()
    reviews = pd.DataFrame(rows)
    wanted = expected_splits(labels, reviews)
    same(manifests, wanted)
    # Rules that are nearly right would have been found out.
    for nearly in (expected_splits(labels, reviews, seed=1), expected_splits(labels, reviews, first_id_first=False)):
        assert (nearly["split"] != wanted["split"]).sum() > 5
