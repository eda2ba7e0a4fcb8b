"""`hfv weights pull --profile audit`: the network comes out of a wheel, and both hashes are compared."""

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
    """The wheel of a tiny network, which pip finds in a folder and nowhere else."""
    network = pose_network(tmp_path / "network.tflite")
    path = wheel_with(network, tmp_path / "index")
    pin_pose(monkeypatch, network, path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    return path


def test_pip_downloads_the_wheel_and_the_network_comes_out_of_it(
    wheel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pull(tmp_path / "weights") == 0
    files = json.loads(capsys.readouterr().out)["files"]
    assert [(each["model"], each["state"]) for each in files] == [("pose", "ok")]
    found = {path.name for path in (tmp_path / "weights" / "pose").iterdir()}
    assert found == {"pose_detection.tflite", "verified.json"}
    wheel.unlink()
    assert pull(tmp_path / "weights") == 0  # nothing is downloaded again


def test_a_wheel_put_there_by_hand_needs_no_index(wheel: Path, tmp_path: Path) -> None:
    folder = tmp_path / "weights" / "pose"
    folder.mkdir(parents=True)
    wheel.rename(folder / wheel.name)
    assert pull(tmp_path / "weights") == 0
    assert (folder / wheel.name).is_file()


def test_without_the_wheel_it_says_so(wheel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel.unlink()
    assert pull(tmp_path / "weights") == 2
    said = capsys.readouterr().err
    assert "the weights of pose cannot be downloaded (mediapipe==0.10.21: " in said
    assert "PROFILE=lite" not in said
    assert main(["weights", "check", "--profile", "audit", "--dir", str(tmp_path / "weights"), "--json"]) == 2
    assert "run `hfv weights pull --profile audit`" in capsys.readouterr().err


@pytest.mark.parametrize("changed", ["wheel", "member", "missing"])
def test_another_file_is_not_taken(
    changed: str, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    network = tmp_path / "network.tflite"
    if changed == "wheel":
        other = pose_network(tmp_path / "other.tflite")
        other.write_bytes(other.read_bytes() + b"\0")
        wheel_with(other, wheel.parent)
        expected = f"{wheel.name} does not have the published SHA-256"
    elif changed == "member":  # the wheel is the published one, what it holds is not
        pin_pose(monkeypatch, _longer(network, tmp_path), wheel)
        expected = "pose_detection.tflite does not have the published SHA-256"
    else:
        spec = DETECTORS["pose"].wheel
        assert spec is not None
        wheel.write_bytes(wheel.read_bytes().replace(spec.member.encode(), spec.member.encode()[::-1]))
        pin_pose(monkeypatch, network, wheel)
        expected = "holds no mediapipe/modules/pose_detection/pose_detection.tflite"
    assert pull(tmp_path / "weights") == 2
    assert expected in capsys.readouterr().err
    assert not (tmp_path / "weights" / "pose" / "pose_detection.tflite").exists()


def _longer(network: Path, folder: Path) -> Path:
    path = folder / "longer.tflite"
    path.write_bytes(network.read_bytes() + b"\0")
    return path


def test_there_is_nothing_to_try(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "try", "--profile", "audit", "--dir", str(tmp_path)]) == 2
    assert "has no scores to try" in capsys.readouterr().err
