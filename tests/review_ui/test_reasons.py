"""The reasons for rejections, which a project can name in its settings."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from hfv_builder.records import UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import FINAL
from pipelines.review import export_reviews
from review_ui.settings import Settings, load_settings
from tests.review_ui.conftest import Person


def settings_of(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "review.toml"
    file.write_text(text, encoding="utf-8")
    return load_settings(file)


def test_own_reasons_are_offered_taken_and_exported(
    start: Callable[..., TestClient], manifests: Manifests, tmp_path: Path
) -> None:
    own = settings_of(tmp_path, '[reasons]\ngenerated = ["two people", "text über dem Bild"]\n')
    client = start(settings=own)
    anna = Person(client, "anna")
    one, two = anna.hand(2)
    assert one["reasons"] == ["two people", "text über dem Bild"]
    body: dict[str, Any] = {"decision_id": "a" * 16, "clip_id": one["clip_id"], "answer": "reject"}
    for reason in ("broken", None, "", "Two people"):  # the usual ones are replaced
        assert anna.send("POST", "/api/decisions", body | {"reason": reason}).status_code == 422
    anna.decide(one["clip_id"], "reject", reason="text über dem Bild")
    anna.decide(two["clip_id"], "none")
    failed = anna.hand(1, queue="failed")[0]
    assert failed["reasons"] == ["broken", "duplicate", "other"]  # not named, so as usual
    client.__exit__(None, None, None)
    export_reviews(manifests)
    reasons = {row["clip_id"]: row["reason"] for row in manifests.read(FINAL).to_pylist()}
    assert reasons == {one["clip_id"]: "text über dem Bild", two["clip_id"]: "no anomaly"}
    client.__enter__()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('generated = ["a", "a"]', "'a' is given twice"),
        ('generated = ["no anomaly"]', "'no anomaly' is an answer, not a reason"),
        ("generated = []", "reasons.generated"),
        (f"real = {list('abcdefghij')}", "reasons.real"),
        (f'failed = ["{"x" * 41}"]', "reasons.failed"),
        ('failed = ["a\\u0085b"]', "reasons.failed"),
        ('failed = [" a"]', "reasons.failed"),
        ("failed = [1]", "reasons.failed"),
        ('fake = ["a"]', "reasons.fake"),
    ],
)
def test_reasons_that_cannot_be_offered(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UsageError, match=r"review\.toml") as refused:
        settings_of(tmp_path, f"[reasons]\n{text}\n")
    assert told in str(refused.value)
