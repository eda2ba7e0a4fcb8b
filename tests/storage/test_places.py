"""Places: the same for whoever gets them, and no fault of ours laid on a store."""

from pathlib import Path

import pytest

from hfv_builder.storage.places import answering, place


def test_a_local_place_is_the_same_in_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to("elsewhere")
    for name in ("manifests", "link"):
        assert place(name) == place(f"file://{name}") == place(f"{tmp_path}/{name}") == tmp_path / name


def test_a_fault_of_ours_is_not_laid_on_the_store() -> None:
    with pytest.raises(ValueError, match="ours"), answering("it cannot be read"):
        raise ValueError("ours")
