"""The weights directory finds missing and damaged files, and records revisions."""

import dataclasses
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from hfv_builder.backends import registry
from hfv_builder.backends.specs import File, Pin
from hfv_builder.backends.weights import PINS, RECORD, WeightsDir
from hfv_builder.profiles.profile import load_profile
from hfv_builder.records import Metric, UsageError
from hfv_builder.scoring.scorer import Scorer
from hfv_builder.storage.checksum import file_sha256
from pipelines.cli import main

BODY = bytes(range(256)) * 2000


def pin_of(body: bytes, tmp_path: Path, *, revision: str | None = "abc") -> Pin:
    """Return a pin of the file `x.pth` with these contents; without a revision it has no hash."""
    path = tmp_path / "expected"
    path.write_bytes(body)
    sha256 = file_sha256(path) if revision else None
    return Pin(source="Raft_X", revision=revision, licence="mit", files=(File(name="x.pth", sha256=sha256),))


def test_missing_weights_are_reported_without_heavy_imports(tmp_path: Path) -> None:
    code = (
        "import sys, time; start = time.perf_counter()\n"
        "from hfv_builder.backends import registry\nfrom hfv_builder.profiles.profile import load_profile\n"
        "try: registry.require(load_profile('paper'))\n"
        "except Exception as error: print(error)\n"
        "registry.resolve(load_profile('paper'))\n"
        "heavy = {'torch', 'transformers', 'open_clip', 'torchvision', 'huggingface_hub'} & set(sys.modules)\n"
        "print('heavy', sorted(heavy))\n"
    )
    start = time.perf_counter()
    process = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"HFV_WEIGHTS": str(tmp_path)},
        check=True,
    )
    sentence, heavy = process.stdout.strip().splitlines()
    assert heavy == "heavy []"
    assert str(tmp_path) in sentence
    for file in ("raft_large/raft_large_C_T_SKHT_V2-ff5fadd5.pth", "depth_pro/model.safetensors", "dinov2/config.json"):
        assert file in sentence
    assert "`hfv weights pull`" in sentence
    assert "--profile lite" in sentence
    assert time.perf_counter() - start < 20  # generous: the machine may be busy


def test_the_command_for_missing_weights_names_the_profile(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HFV_WEIGHTS", str(tmp_path))
    mine = tmp_path / "mine.toml"
    mine.write_text('[flow]\nbackend = "raft_small"\n')
    with pytest.raises(UsageError, match=r"raft_small/.*: run `hfv weights pull --profile mine\.toml`, or choose"):
        registry.require(load_profile(str(mine)))
    assert main(["weights", "check", "--profile", str(mine)]) == 2
    assert f"run `hfv weights pull --profile {mine}`" in capsys.readouterr().err


def test_only_the_models_of_the_wanted_metrics_are_required(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="raft_large") as raised:
        registry.require(load_profile("paper"), [Metric.MOTION], WeightsDir(root=tmp_path))
    assert "clip" not in str(raised.value)
    registry.require(load_profile("lite"), store=WeightsDir(root=tmp_path))


def test_the_default_place_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HFV_WEIGHTS", str(tmp_path))
    assert WeightsDir().root == tmp_path
    monkeypatch.delenv("HFV_WEIGHTS")
    assert WeightsDir().root.parts[-3:] == (".cache", "hfv-builder", "weights")


def test_classical_models_need_no_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    lite = load_profile("lite")
    registry.require(lite)
    assert Scorer(registry.resolve(lite))
    with pytest.raises(UsageError, match=r"weights in ~/\.cache/hfv-builder"):
        registry.require(load_profile("paper"))


@pytest.mark.parametrize("model", sorted(PINS))
def test_pins_are_complete(model: str) -> None:
    pin = PINS[model]
    assert pin.licence
    for file in pin.files:
        assert file.sha256 is None or len(file.sha256) == 64
        if file.name.endswith(".pth"):
            assert file.sha256 is not None
            assert file.name.endswith(f"-{file.sha256[:8]}.pth")
    assert pin.licence in WeightsDir(root=Path("nowhere")).revision(model)


@pytest.mark.parametrize(
    "header", ["[" * 100_000, "[]", '{"a": {"data_offsets": [0, "x"]}}', '{"a": {"data_offsets": []}}']
)
def test_a_header_that_makes_no_sense_is_that_of_a_damaged_file(header: str, tmp_path: Path) -> None:
    pin = replace(pin_of(BODY, tmp_path), files=(File(name="x.safetensors"),))
    store = WeightsDir(root=tmp_path, pins={"x": pin})
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "x.safetensors").write_bytes(len(header).to_bytes(8, "little") + header.encode())
    assert [file.state for file in store.look("x")] == ["truncated"]


def test_states_of_files(tmp_path: Path) -> None:
    store = WeightsDir(root=tmp_path, pins={"x": pin_of(BODY, tmp_path)})
    (tmp_path / "x").mkdir()
    path = tmp_path / "x" / "x.pth"

    def state() -> str:
        (file,) = store.look("x", hashed=True)
        return file.state

    assert state() == "missing"
    path.write_bytes(b"")
    assert state() == "truncated"
    path.write_bytes(BODY[:-1])
    assert state() == "damaged"
    path.write_bytes(BODY)
    assert state() == "ok"
    assert store.open("x") == tmp_path / "x"


def test_an_unpinned_model_must_match_what_was_recorded(tmp_path: Path) -> None:
    store = WeightsDir(root=tmp_path, pins={"x": pin_of(BODY, tmp_path, revision=None)})
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "x.pth").write_bytes(BODY)
    with pytest.raises(UsageError, match=RECORD):
        store.require(["x"])
    before = store.revision("x")
    store.record("x", "commit1")
    store.require(["x"])
    assert store.recorded_revision("x") == "commit1"
    assert "commit1" in store.revision("x") != before
    record = (tmp_path / "x" / RECORD).read_text()
    for damaged in ('{"files": null}', '{"files": {"x.pth": 3}}', '{"files": {"x.pth": {"sha256": "a", "size": "b"}}}'):
        (tmp_path / "x" / RECORD).write_text(damaged)
        with pytest.raises(UsageError, match=RECORD):
            store.require(["x"])
    (tmp_path / "x" / RECORD).write_text(record)
    (tmp_path / "x" / "x.pth").write_bytes(BODY[::-1])
    with pytest.raises(UsageError, match="damaged"):
        store.open("x")


def test_a_file_without_a_pinned_hash_changes_the_revision(tmp_path: Path) -> None:
    """CLIP's configuration is such a file, beside weights whose hash is pinned."""
    pin = pin_of(BODY, tmp_path)
    pin = dataclasses.replace(pin, files=(File(name="config.json"), *pin.files))
    store = WeightsDir(root=tmp_path, pins={"x": pin})
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "x.pth").write_bytes(BODY)
    revisions = []
    for config in ("{}", '{"a": 1}'):
        (tmp_path / "x" / "config.json").write_text(config)
        store.record("x", "abc")
        revisions.append(store.revision("x"))
    assert revisions[0] != revisions[1]
