"""Sources: the paper's Table 1, the user's own sources, and reported differences."""

from pathlib import Path

import pytest

from hfv_builder.clips.sources import Source, check_name, differences, load_sources
from hfv_builder.records import UsageError

# Paper, Table 1: quantity, duration in s, fps, frames, width, height.
TABLE_1 = {
    "MiniMax": (730, 5, 25, 141, 1280, 720),
    "Gen-3": (701, 10, 24, 255, 1280, 768),
    "Vchitect-2.0 (VEnhancer)": (706, 4, 16, 79, 1920, 1080),
    "Kling": (720, 5, 30, 153, 1280, 720),
    "CogVideoX-5B": (728, 6, 8, 49, 720, 480),
    "Vchitect-2.0": (725, 5, 8, 40, 768, 342),
    "CogVideoX-2B": (720, 6, 8, 49, 720, 480),
    "Pika": (725, 3, 24, 72, 1280, 720),
    "Gen-2": (725, 4, 24, 96, 1408, 768),
    "Kinetics-400": (810, None, None, None, None, None),
}

DEEPACTION = "deepaction-"


def test_shipped_sources_equal_table_1(tmp_path: Path) -> None:
    sources = load_sources(tmp_path)
    paper = {name: source for name, source in sources.items() if not name.startswith(DEEPACTION)}
    values = {
        source.name: (source.quantity, source.duration_s, source.fps, source.num_frames, source.width, source.height)
        for source in paper.values()
    }
    assert values == TABLE_1
    assert {name for name, source in paper.items() if source.real} == {"k400"}
    assert {name for name, source in paper.items() if source.role == "train"} == {"cogvideox-2b", "k400"}
    others = {name: source for name, source in sources.items() if name.startswith(DEEPACTION)}
    assert len(others) == 7
    assert {name for name, source in others.items() if source.real} == {f"{DEEPACTION}pexels"}
    assert {source.licence for source in others.values() if not source.real} == {"CC-BY-4.0"}
    assert all(check_name(name) == name and source.licence and source.url for name, source in sources.items())


def test_sources_of_a_user_are_added_or_replace_others(tmp_path: Path) -> None:
    (tmp_path / "sources.toml").write_text('\ufeff[mine]\nname = "Mine"\n[kling]\nname = "Kling 2"\nquantity = 3\n')
    sources = load_sources(tmp_path)
    assert sources["mine"] == Source(name="Mine")
    assert (sources["kling"].name, sources["kling"].quantity, sources["kling"].fps) == ("Kling 2", 3, None)
    assert "pika" in sources


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[mine\n", "not valid TOML: .*line 1"),
        ('[mine]\nname = "M"\nframes = 3', r"mine\.frames: is not a field of a source"),
        ("[mine]\nquantity = 3", r"mine\.name: field required"),
        ('[mine]\nname = "M"\nfps = "fast"', r"mine\.fps: "),
        ('[Mine]\nname = "M"', r"sources\.toml: 'Mine' is not a valid name of a generator"),
        ('[mine]\nname = "M"\nfps = inf', r"mine\.fps: input should be a finite number"),
        (f"[mine]\nquantity = {'9' * 5000}", "not valid TOML: Exceeds the limit"),
        (f"a = {'[' * 5000}", "not valid TOML: it is nested too deeply"),
    ],
)
def test_errors_name_the_wrong_field(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "sources.toml").write_text(text)
    with pytest.raises(UsageError, match=sentence):
        load_sources(tmp_path)


@pytest.mark.parametrize("name", ["", "Kling", "a/b", "../up", "1st", "kling 2", "a=b", ".hidden", "k" * 65, "kling\n"])
def test_names_that_cannot_be_a_folder_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is not a valid name of a generator"):
        check_name(name)


def test_differences_from_the_source_are_reported() -> None:
    source = Source(name="Kling", quantity=4, fps=30, num_frames=153, width=1280, height=720, duration_s=5)
    as_expected = {"width": 1280, "height": 720, "fps": 30.0, "num_frames": 153, "duration_s": 5.1}
    small = as_expected | {"width": 200, "height": 112, "fps": 24.0}
    unknown = as_expected | {"fps": None}
    rows = {row["field"]: row for row in differences(source, [as_expected, small, small, unknown, as_expected])}
    assert rows["quantity"] == {"field": "quantity", "expected": 4, "found": 5, "clips": None}
    assert rows["width"] == {"field": "width", "expected": 1280, "found": 200, "clips": 2}
    assert rows["fps"] == {"field": "fps", "expected": 30.0, "found": 24.0, "clips": 3}
    assert rows["shorter side"] == {"field": "shorter side", "expected": "≥ 224", "found": 112, "clips": 2}
    assert "num_frames" not in rows
    assert differences(Source(name="Mine"), [as_expected]) == []
