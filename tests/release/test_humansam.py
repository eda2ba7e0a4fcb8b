"""HumanSAM's files, read by a reader of their own, written from what is known of its loader."""

from pathlib import Path

import pandas as pd

from hfv_builder.frames.video import frames
from hfv_builder.release.humansam import SETS, set_name, set_names
from hfv_builder.release.metadata import NAMES

THEIRS = {"appearance": 0, "spatial": 1, "motion": 2, "real": 3}


def read(prefix: Path, file: Path) -> list[tuple[str, int, float]]:
    """The lines as their loader takes them: three columns, joined to the prefix, known by the stem up to a dot."""
    found = []
    for line in file.read_text().splitlines():
        path, label, confidence = line.split(",")
        assert (prefix / path).is_file()
        assert path.endswith(".mp4")
        assert not any(each in path for each in " ()[]")
        found.append((Path(path).name.split(".")[0], int(label), float(confidence)))
    stems = [stem for stem, _, _ in found]
    assert len(stems) == len({*stems})
    return found


def metadata(made: Path) -> pd.DataFrame:
    tables = [pd.read_parquet(path).assign(at=path.parent.name) for path in made.rglob("metadata.parquet")]
    rows = pd.concat(tables, ignore_index=True)
    return rows.set_index(rows["file_name"].map(lambda name: Path(name).stem))


def test_every_line_resolves_and_has_their_ids(made: Path) -> None:
    rows = metadata(made)
    files = sorted((made / "humansam").rglob("*.csv"))
    assert [file.relative_to(made / "humansam").as_posix() for file in files] == [
        *(f"eval_data/{name}_human_dim/test_{classes}.csv" for name in ("other", "third-2") for classes in (2, 4)),
        *(f"train_data/hfv/{split}_{classes}.csv" for split in ("train", "val") for classes in (2, 4)),
    ]
    for file in files:
        four = file.stem.endswith("4")
        for stem, label, confidence in read(made, file):
            name = NAMES[rows["label"][stem]]
            assert label == (THEIRS[name] if four else int(name == "real"))
            assert confidence == (0.0 if name == "real" else rows.loc[stem, "r_hat"])
            assert 0 <= confidence <= 1


def test_every_clip_is_in_the_set_of_its_split(made: Path) -> None:
    rows = metadata(made)

    def stems(name: str) -> set[str]:
        return {stem for stem, _, _ in read(made, made / "humansam" / name)}

    assert stems("train_data/hfv/train_4.csv") == {*rows.index[rows["at"] == "train"]}
    assert stems("train_data/hfv/val_4.csv") == {*rows.index[rows["at"] == "validation"]}
    footage = {*rows.index[rows["at"] == "film"]}
    assert stems("eval_data/other_human_dim/test_4.csv") == {*rows.index[rows["at"] == "other"]} | footage
    assert stems("eval_data/third-2_human_dim/test_2.csv") == {*rows.index[rows["at"] == "third.2"]} | footage


def test_the_listed_files_decode(made: Path) -> None:
    for line in (made / "humansam/eval_data/other_human_dim/test_2.csv").read_text().splitlines()[:4]:
        assert len(list(frames(made / line.split(",")[0]))) == 8


def test_the_papers_sets_have_their_names() -> None:
    assert len({*SETS.values()}) == 8
    assert set_name("minimax") == "MinMax_human_dim"
    assert set_name("vchitect-2.0-venhancer") == "Vchitect-2.0-2B+VEnhancer_human_dim"
    assert set_name("kling@blur3") == "Kling_human_dim@blur3"
    assert set_name("my.own") == "my-own_human_dim"
    names = set_names(["gen3", "gen-3", "my-own", "my.own", "my.own_2"])
    assert {name: folder.removesuffix("_human_dim") for name, folder in names.items()} == {
        "gen-3": "gen3",
        "gen3": "gen3_human_dim_2",
        "my-own": "my-own",
        "my.own": "my-own_human_dim_2",
        "my.own_2": "my-own_2",
    }
