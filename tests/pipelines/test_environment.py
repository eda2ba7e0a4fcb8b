"""Rows record the environment that made them; mixed environments are reported or refused."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from hfv_builder.profiles.profile import load_profile
from hfv_builder.records import UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.schema import SCORES
from pipelines.environment import described, environment, keep
from pipelines.label.stage import label
from pipelines.versions import packages
from tests.pipelines.conftest import rows
from tests.pipelines.quick import IDS, Quick, catalogue

LITE = load_profile("lite")


@pytest.fixture
def quick(manifests: Manifests, monkeypatch: pytest.MonkeyPatch) -> Quick:
    catalogue(manifests)
    return Quick(manifests, monkeypatch)


def set_other_environment(manifests: Manifests, clips: list[str], **versions: str) -> str:
    """Give the motion scores of these clips another environment, with these versions, and return its key."""
    key = keep(manifests, dict(environment("pyav", "cpu")) | versions)
    set_environment_key(manifests, clips, key)
    return key


def set_environment_key(manifests: Manifests, clips: list[str], key: str | None) -> None:
    keys = {"profile": "lite", "metric": "motion", "generator": "kling"}
    changed = [
        row | ({"environment": key} if row["clip_id"] in clips else {}) for row in rows(manifests, SCORES, **keys)
    ]
    manifests.replace(SCORES, [pa.Table.from_pylist(changed, schema=SCORES.schema)], **keys)


def test_every_row_records_its_environment(quick: Quick) -> None:
    quick.run(LITE, failing=IDS[:1])
    (key,) = {row["environment"] for row in rows(quick.manifests, SCORES)}
    assert len(key) == 16
    versions = described(quick.manifests, key)
    assert versions["device"] == "cpu"
    assert versions["decoder"] == "pyav"
    assert versions["libavcodec"].count(".") == 2
    assert {name: versions[name] for name in packages()} == packages()
    assert {"hfv-builder", "av", "numpy", "opencv-python-headless", "open_clip_torch", "torch", "torchvision"} < {
        *versions
    }
    assert [path.stem for path in (quick.manifests.local_root / "runs" / "environments").iterdir()] == [key]


def test_the_environment_names_only_the_decoder_in_use() -> None:
    pytest.importorskip("decord")
    versions = environment("decord", "cpu")
    assert "decord" in versions
    assert "av" not in versions


def test_mixed_environments_are_reported_with_counts(quick: Quick) -> None:
    quick.run(LITE)
    key = set_other_environment(quick.manifests, IDS[:1], numpy="1.0.0")
    outcome = label(quick.manifests)
    (warning,) = outcome.summary["warnings"]
    assert f"{key}: 1 clip with numpy 1.0.0" in warning
    assert "3 clips with numpy" in warning
    assert "motion scores of kling" in warning
    assert warning in outcome.text


@pytest.mark.parametrize(
    ("versions", "name"),
    [({"av": "1.2.3"}, "av"), ({"device": "cuda", "gpu": "H100"}, "device"), ({"libavcodec": "1.2.3"}, "libavcodec")],
)
def test_mixed_decoders_or_devices_are_refused(quick: Quick, versions: dict[str, str], name: str) -> None:
    quick.run(LITE)
    set_other_environment(quick.manifests, IDS[:1], **versions)
    with pytest.raises(UsageError, match=rf"motion scores of kling .*1 clip with .*{name} .*--allow-mixed"):
        label(quick.manifests)
    assert len(label(quick.manifests, allow_mixed=True).summary["warnings"]) == 1


def test_a_minor_version_of_the_decoder_is_a_warning(quick: Quick) -> None:
    quick.run(LITE)
    major = packages()["av"].split(".")[0]
    set_other_environment(quick.manifests, IDS[:1], av=f"{major}.999.0")
    assert len(label(quick.manifests).summary["warnings"]) == 1


@pytest.mark.parametrize("key", [None, "0123456789abcdef", "../../sources"])
def test_unknown_environments_are_reported(quick: Quick, key: str | None) -> None:
    quick.run(LITE)
    set_environment_key(quick.manifests, IDS[:2], key)
    (warning,) = label(quick.manifests).summary["warnings"]
    assert f"{key or 'not recorded'}: 2 clips with unknown versions" in warning


def test_failed_rows_do_not_count_as_mixed(quick: Quick) -> None:
    quick.run(LITE, failing=IDS[:1])
    set_other_environment(quick.manifests, IDS[:1], device="cuda")
    assert label(quick.manifests).summary["warnings"] == []


def test_a_damaged_description_is_an_unknown_environment(quick: Quick) -> None:
    quick.run(LITE)
    key = set_other_environment(quick.manifests, IDS[:1], device="cuda")
    Path(quick.manifests.local_root, "runs", "environments", f"{key}.json").write_text("{")
    description: Any = described(quick.manifests, key)
    assert description == {}
    assert "unknown versions" in label(quick.manifests).text
