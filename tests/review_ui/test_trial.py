"""Where decisions go: those of a trial do not become real votes unasked."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import FINAL, REVIEWS
from pipelines.cli import main
from pipelines.review import database, destination
from review_ui.app import create_app
from tests.review_ui.conftest import Person


def test_a_trial_is_exported_beside_its_database(
    manifests: Manifests, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trial = tmp_path / "trial.sqlite"
    into = destination(manifests, trial)
    with TestClient(create_app(manifests, trial, into=into), base_url="http://127.0.0.1") as client:
        anna = Person(client, "anna")
        anna.decide(anna.hand()[0]["clip_id"], "motion")
    assert not manifests.parts(REVIEWS)
    beside = Manifests(tmp_path / "trial-manifests")
    assert len(beside.read(REVIEWS)) == len(beside.read(FINAL)) == 1
    assert main(["reviews", "export", "--db", str(trial), "--manifests", str(manifests.root)]) == 0
    assert "they do not count in" in capsys.readouterr().out
    assert not manifests.parts(REVIEWS)
    whole = ["--db", str(trial), "--into", str(manifests.root), "--manifests", str(manifests.root)]
    assert main(["reviews", "export", *whole]) == 0
    assert len(manifests.read(REVIEWS)) == len(manifests.read(FINAL)) == 1


def test_the_usual_database_is_exported_to_the_manifests_however_it_is_named(manifests: Manifests) -> None:
    assert destination(manifests).root == manifests.root
    assert destination(manifests, database(manifests)).root == manifests.root
    dotted = manifests.local_root / ".." / manifests.local_root.name / "review" / "decisions.sqlite"
    assert destination(manifests, dotted).root == manifests.root
