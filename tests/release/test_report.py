"""The report and the card: everything in one file, and what the manifests say in both."""

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest
from huggingface_hub import DatasetCard

from hfv_builder.clips.sources import Source
from hfv_builder.release import card, report
from hfv_builder.release.composition import sources_table
from hfv_builder.release.figures import style, svg
from hfv_builder.storage.manifest import Manifests
from pipelines.release.gather import gather
from pipelines.release.stage import release
from tests.release.conftest import NAME
from tests.release.inline import inline


@pytest.fixture(scope="module")
def made(filled: Manifests, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release with the drawings of its report; nobody may change it."""
    with inline(drawn=True) as cluster:
        return Path(release(filled, NAME, out=tmp_path_factory.mktemp("drawn"), cluster=cluster).summary["release"])


def test_the_report_needs_no_other_file(made: Path) -> None:
    page = (made / "report.html").read_text()
    assert not re.search(r'(src|href)="(?!data:|https://|#)', page)
    assert (
        page.count("data:image/jpeg;base64,") == 3 * 3 + 3
    )  # three labels of three generators, three clips of footage
    assert page.count("<svg") == 3
    assert ">0.1</text>" in page  # a label of an axis of scores
    assert "mathdefault" not in page
    for text in (
        "Small set",
        "Nobody is in it.",
        "CC-BY-4.0",
        "@misc{small}",
        "Scores are compared only inside a generator",
    ):
        assert text in page


def test_the_same_clips_are_drawn_the_same(made: Path) -> None:
    clips = pd.concat(map(pd.read_parquet, sorted(made.rglob("metadata.parquet"))))
    page = (made / "report.html").read_text()
    with matplotlib.rc_context({"axes.grid": True, "font.family": ["monospace"]}), style():  # the first is a user's
        for draw in (report._composition, report._scores, report._facts):
            again = svg(draw(clips))
            assert again in page
            assert len(again) > 1000


def test_footage_may_have_scores_of_some_metrics(made: Path) -> None:
    clips = pd.concat(map(pd.read_parquet, sorted(made.rglob("metadata.parquet"))))
    clips["spatial"] = clips["spatial"].mask(clips["is_real"], 0.5)
    clips["motion"] = clips["motion"].mask(clips["generator"].eq("seed"))
    axes = report._scores(clips).axes
    assert [len(each.lines) for each in axes] == [3 * 4, 3 * 3, 3 * 2]
    assert [name.get_text() for name in axes[0].get_yticklabels()] == ["other", "seed", "third.2", "film"]


def test_a_fact_that_no_file_states_differs_from_the_expected_one() -> None:
    facts = {"width": 300, "height": 300, "fps": [24.0, np.nan], "num_frames": 8, "duration_s": 1.0}
    clips = pd.DataFrame({"generator": "a", "label": 0, "media": "original", "split": "train"} | facts)
    (row,) = sources_table(clips, {"a": Source(name="A", fps=24.0)})
    assert row["differs"] == "fps None instead of 24.0 in 1 clip"


def test_the_card_says_what_the_manifests_say(made: Path) -> None:
    text = (made / "README.md").read_text()
    block: Any = DatasetCard(text).data
    assert block["license"] == "cc-by-4.0"
    assert block["size_categories"] == ["n<1K"]
    assert [config["config_name"] for config in block["configs"]] == ["default", "other", "third.2"]
    assert [bool(config.get("default")) for config in block["configs"]] == [True, False, False]
    assert "24 clips of 4 sources" in text
    assert re.search(r"\| Seed +\| seed +\| generated +\| 6 +\|", text)
    assert "Nobody has reviewed the labels" in text
    for path in made.rglob("metadata.parquet"):
        for column in pd.read_parquet(path).columns:
            assert f"| `{column}` |" in text


def test_the_card_says_what_reviewers_decided(filled: Manifests) -> None:
    dataset = gather(filled, NAME, media="original", allow_lite=False, settings=None)
    assert "called strong" not in card.card(dataset)
    rows = dataset.rows.assign(policy="top20-strong", label_source="review")
    votes = pd.DataFrame([[2, 0, 0, 0, 0], [3, 2, 0, 0, 0]], rows["clip_id"][:2])  # 1 of 1 pairs, 4 of 10 pairs
    text = card.card(replace(dataset, rows=rows, votes=votes))
    assert "Only anomalies that reviewers called strong are validation" in text
    assert f"Reviewers looked at {len(rows)} clips." in text  # adjudicators alone
    assert "2 clips have two answers or more. 70.0 % of the pairs of answers agree, as a mean over clips" in text


def test_tables_of_the_card_stand_by_themselves(made: Path) -> None:
    """A heading or a table that follows a line without a blank one between them is no heading and no table."""
    lines = (made / "README.md").read_text().splitlines()
    for before, line in pairwise(lines):
        if line.startswith("#") or (line.startswith("|") and not before.startswith("|")):
            assert before in ("", "---"), (before, line)


def test_a_cell_of_a_table_is_one_line_of_one_cell() -> None:
    _, _, row = card._table([{"licence": "MIT | Apache\nor both", "clips": 3}]).splitlines()
    assert [cell.strip() for cell in re.split(r"(?<!\\)\|", row)] == ["", r"MIT \| Apache or both", "3", ""]
