"""What made a row is known by its environment; a mix of environments is named, or refused."""

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


def made_elsewhere(manifests: Manifests, clips: list[str], **versions: str) -> str:
    """Let the motion scores of these clips be of another environment, which differs in these versions."""
    key = keep(manifests, dict(environment("pyav", "cpu")) | versions)
    write(manifests, clips, key)
    return key


def write(manifests: Manifests, clips: list[str], key: str | None) -> None:
    keys = {"profile": "lite", "metric": "motion", "generator": "kling"}
    changed = [
        row | ({"environment": key} if row["clip_id"] in clips else {}) for row in rows(manifests, SCORES, **keys)
    ]
    manifests.replace(SCORES, [pa.Table.from_pylist(changed, schema=SCORES.schema)], **keys)


def test_every_row_says_what_made_it(quick: Quick) -> None:
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


def test_the_decoder_that_does_not_decode_is_no_part_of_it() -> None:
    pytest.importorskip("decord")
    found = environment("decord", "cpu")
    assert "decord" in found
    assert "av" not in found


def test_a_mix_is_named_with_counts(quick: Quick) -> None:
    quick.run(LITE)
    key = made_elsewhere(quick.manifests, IDS[:1], numpy="1.0.0")
    outcome = label(quick.manifests)
    (warning,) = outcome.summary["warnings"]
    assert f"{key}: 1 clips with numpy 1.0.0" in warning
    assert "3 clips with numpy" in warning
    assert "motion scores of kling" in warning
    assert warning in outcome.text


@pytest.mark.parametrize(
    ("versions", "what"),
    [({"av": "1.2.3"}, "av"), ({"device": "cuda", "gpu": "H100"}, "device"), ({"libavcodec": "1.2.3"}, "libavcodec")],
)
def test_a_mix_of_decoders_or_devices_is_refused(quick: Quick, versions: dict[str, str], what: str) -> None:
    quick.run(LITE)
    made_elsewhere(quick.manifests, IDS[:1], **versions)
    with pytest.raises(UsageError, match=rf"motion scores of kling .*1 clips with .*{what} .*--allow-mixed"):
        label(quick.manifests)
    assert len(label(quick.manifests, allow_mixed=True).summary["warnings"]) == 1


def test_a_minor_version_of_the_decoder_is_a_warning(quick: Quick) -> None:
    quick.run(LITE)
    major = packages()["av"].split(".")[0]
    made_elsewhere(quick.manifests, IDS[:1], av=f"{major}.999.0")
    assert len(label(quick.manifests).summary["warnings"]) == 1


@pytest.mark.parametrize("key", [None, "0123456789abcdef", "../../sources"])
def test_an_environment_that_nobody_knows_is_named(quick: Quick, key: str | None) -> None:
    quick.run(LITE)
    write(quick.manifests, IDS[:2], key)
    (warning,) = label(quick.manifests).summary["warnings"]
    assert f"{key or 'not recorded'}: 2 clips with unknown versions" in warning


def test_a_failed_row_makes_no_mix(quick: Quick) -> None:
    quick.run(LITE, failing=IDS[:1])
    made_elsewhere(quick.manifests, IDS[:1], device="cuda")
    assert label(quick.manifests).summary["warnings"] == []


def test_a_damaged_description_is_an_unknown_one(quick: Quick) -> None:
    quick.run(LITE)
    key = made_elsewhere(quick.manifests, IDS[:1], device="cuda")
    Path(quick.manifests.local_root, "runs", "environments", f"{key}.json").write_text("{")
    found: Any = described(quick.manifests, key)
    assert found == {}
    assert "unknown versions" in label(quick.manifests).text
