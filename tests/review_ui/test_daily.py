"""The summary of days, on decisions few enough to be worked out by hand."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from hfv_builder.records import UsageError
from hfv_builder.storage.manifest import Manifests
from pipelines.cli import main
from pipelines.review import add_user
from review_ui.clips import Clips
from review_ui.daily import days
from review_ui.people import sittings
from review_ui.settings import Settings
from review_ui.shares import share_of
from review_ui.users import UsersFile, read_users
from tests.review_ui.conftest import Person
from tests.review_ui.test_stats import said

DAY = 86_400_000_000


@pytest.fixture(scope="module")
def clips(sample: Manifests) -> Clips:
    return Clips(sample)


def test_a_day_counts_answers_pace_and_agreement_on_doubles(clips: Clips) -> None:
    at = [number * 10_000_000 for number in range(4)]
    made = [said(clips, row, "anna", 0, created_at=at[row]) for row in range(3)]
    made += [said(clips, 3, "anna", None, decision="unsure", created_at=at[3])]
    made += [said(clips, 0, "ben", 0, created_at=DAY), said(clips, 1, "ben", 1, created_at=DAY + 20_000_000)]
    made += [said(clips, 3, "ben", None, created_at=DAY + 40_000_000)]
    # Of two others with different answers none is the most frequent one.
    made += [said(clips, 0, "carl", 2, created_at=2 * DAY), said(clips, 2, "carl", 0, created_at=2 * DAY + 1)]
    rows = {(row["day"], row["reviewer"]): row for row in days(list(sittings(made, clips)))}
    assert list(rows) == [("1970-01-03", "carl"), ("1970-01-02", "ben"), ("1970-01-01", "anna")]
    anna, ben, carl = (rows[key] for key in sorted(rows))
    assert (anna["answers"], anna["clips"], anna["unsure"], anna["per_hour"]) == (4, 4, 1, 360.0)
    assert anna["agreement"] == share_of(1, 2)  # clip 1: ben says another; clip 2: carl says the same; clip 0: a tie
    assert (ben["rejected"], ben["per_hour"], ben["agreement"]) == (1, 180.0, share_of(0, 1))
    assert (carl["per_hour"], carl["agreement"]) == (None, share_of(1, 2))


def test_the_summary_is_printed_written_and_served(
    start: Callable[..., TestClient], manifests: Manifests, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client = start(settings=Settings(shown=1.0))
    anna = Person(client, "anna")
    anna.decide(anna.hand(1, "calibration")[0]["clip_id"], "motion")
    served = anna.send("GET", "/api/days.csv").text
    client.__exit__(None, None, None)
    file = tmp_path / "days.csv"
    root = ["--manifests", str(manifests.root)]
    assert main(["reviews", "daily", "--csv", str(file), *root]) == 0
    assert "anna" in capsys.readouterr().out
    assert file.read_text() == served
    (row,) = csv.DictReader(io.StringIO(served))
    assert (row["reviewer"], row["answers"], row["doubles"], row["agreement"]) == ("anna", "1", "0", "")
    assert main(["reviews", "daily", "--json", *root]) == 0
    assert json.loads(capsys.readouterr().out)["days"][0]["agreement"]["n"] == 0
    assert main(["reviews", "daily", "--db", str(tmp_path / "none.sqlite"), *root]) == 2
    client.__enter__()


def test_assignments_are_written_read_and_checked(
    tmp_path: Path, manifests: Manifests, start: Callable[..., TestClient]
) -> None:
    file = tmp_path / "team.toml"
    add_user("anna", file, generators=["alpha", "gamma-2"], queues=["labels"])
    add_user("ben", file)
    users = read_users(file)
    assert (users["anna"].generators, users["anna"].queues) == (("alpha", "gamma-2"), ("labels",))
    assert (users["ben"].generators, users["ben"].queues) == (None, None)
    with pytest.raises(UsageError, match="anna is assigned to the generator 'gamma-2'; the manifests have alpha, beta"):
        start(users=UsersFile(file))
    with pytest.raises(UsageError, match="not a valid name of a generator"):
        add_user("carl", file, generators=["😀"])
    with pytest.raises(UsageError, match="no queue 'label'; choose from labels, calibration"):
        add_user("carl", file, queues=["label"])
    before = file.read_text()
    for wrong, told in (
        ('["label"]', "has queue 'label'"),
        ("[]", "must be a list of names"),
        ('"labels"', "must be a list"),
    ):
        file.write_text(before.replace('["labels"]', wrong))
        with pytest.raises(UsageError, match=told):
            read_users(file)
