"""Verification finds every kind of damage, with the checksums made anew where those alone would tell."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hfv_builder.records import UsageError
from hfv_builder.release.checksums import checksums_text
from hfv_builder.release.verification import verify_release
from hfv_builder.storage.checksum import file_sha256
from pipelines.release.verify import verify
from tests.conftest import moving_square, write_clip
from tests.release.sample import no_utf8

TRAIN, VAL, EVAL = (Path(name, "metadata.parquet") for name in ("data/train", "data/validation", "eval/other"))
Damage = Callable[[Path], object]


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / made.name))


def a_clip(folder: Path, *, below: str = "data/train/seed") -> Path:
    return sorted((folder / below).rglob("*.mp4"))[0]


def edit(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Change the rows of a metadata.parquet and nothing else of it."""
    table = pq.read_table(path)
    rows = change(table.to_pandas())
    pq.write_table(pa.Table.from_pandas(rows, table.schema, preserve_index=False), path)


def swap_label(rows: pd.DataFrame) -> pd.DataFrame:
    fake = rows.index[rows["label"] < 3][0]
    rows.loc[fake, "label"] = (rows.loc[fake, "label"] + 1) % 3
    return rows


def put(rows: pd.DataFrame, column: str, value: Any) -> pd.DataFrame:
    rows.loc[rows.index[rows["label"] < 3][0], column] = value
    return rows


def on_two_sides(folder: Path) -> None:
    clip = a_clip(folder)
    below = clip.relative_to(folder / "data/train")
    (folder / "data/validation" / below).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(clip, folder / "data/validation" / below)
    row = pd.read_parquet(folder / TRAIN)
    row = row[row["file_name"] == below.as_posix()]
    edit(folder / VAL, lambda rows: pd.concat([rows, row], ignore_index=True))


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    shutil.copy(write_clip(path.with_name("short.mp4"), moving_square(4)), path)
    path.with_name("short.mp4").unlink()


def csv(name: str) -> Callable[[Path], Path]:
    return lambda folder: folder / "humansam" / name


def written(name: str, text: str) -> Damage:
    return lambda folder: (folder / name).write_text(text)


def names_of_classes(text: str) -> Damage:
    return lambda folder: pq.write_table(
        pq.read_table(folder / EVAL).replace_schema_metadata({"huggingface": text}), folder / EVAL
    )


FOUR = csv("train_data/hfv/train_4.csv")
DAMAGE: dict[str, tuple[Damage, str]] = {
    # Seen from the checksums.
    "flipped byte": (lambda f: flip(a_clip(f)), "its bytes are not those of its checksum"),
    "missing clip": (lambda f: a_clip(f).unlink(), "is missing"),
    "missing table": (lambda f: (f / EVAL).unlink(), "is missing"),
    "extra file": (lambda f: (f / "notes.txt").write_text("x"), "is not in SHA256SUMS"),
    "hidden extra file": (lambda f: (f / "data/.x").write_text("x"), "is not in SHA256SUMS"),
    "link": (lambda f: (f / "data/link.mp4").symlink_to(a_clip(f)), "is a link or no regular file"),
    "broken line": (lambda f: rewrite(f / "SHA256SUMS", "  README.md", " README.md"), "is no checksum"),
    "empty clip": (lambda f: a_clip(f).write_bytes(b""), "its bytes are not those"),
    # The checksums say that all is well.
    "another clip's bytes": (
        lambda f: shutil.copy(a_clip(f, below="eval/film"), a_clip(f)),
        "it is not the file that its id names",
    ),
    "truncated clip": (lambda f: os.truncate(a_clip(f), 200), "it cannot be opened"),
    "clip without its last frames": (lambda f: cut(a_clip(f)), "it has 4 frames, and its metadata says 8"),
    "clip that is text": (lambda f: a_clip(f).write_text("no clip"), "it cannot be opened"),
    "swapped label": (lambda f: edit(f / TRAIN, swap_label), "not that of its smallest rank"),
    "swapped label of a reviewed clip": (
        lambda f: edit(f / TRAIN, lambda rows: swap_label(put(rows, "label_source", "review"))),
        "lines contradict the metadata",
    ),
    "label of nothing": (lambda f: edit(f / TRAIN, lambda rows: put(rows, "label", 7)), "none of the four"),
    "fake called real": (lambda f: edit(f / EVAL, lambda rows: put(rows, "is_real", True)), "contradict each other"),
    "other r_hat": (lambda f: edit(f / TRAIN, lambda rows: put(rows, "r_hat", 0.123)), "r_hat is not class_rank"),
    "other weight": (
        lambda f: edit(f / TRAIN, lambda rows: put(rows, "confidence_weight", 1.1)),
        "log\\(e \\+ r_hat\\)",
    ),
    "other score": (
        lambda f: edit(
            f / EVAL, lambda rows: rows.assign(**{m: rows[m] * -1 for m in ("spatial", "appearance", "motion")})
        ),
        "class rank contradicts",
    ),
    "row without an id": (lambda f: edit(f / EVAL, lambda rows: put(rows, "clip_id", None)), "rows without clip_id"),
    "row of no clip": (lambda f: edit(f / TRAIN, lambda rows: put(rows, "file_name", "seed/ab/x.mp4")), "no such file"),
    "clip without a row": (lambda f: edit(f / TRAIN, lambda rows: rows.iloc[1:]), "is in no metadata"),
    "row twice": (lambda f: edit(f / TRAIN, lambda rows: pd.concat([rows, rows.iloc[:1]])), "is listed twice"),
    "clip on two sides": (on_two_sides, "stands in data/train, data/validation"),
    "wrong generator": (
        lambda f: edit(f / EVAL, lambda rows: put(rows, "generator", "seed")),
        "split, generator and id",
    ),
    "ids that are no text": (lambda f: no_utf8(f / EVAL, "clip_id"), "cannot be read: .*Invalid UTF8"),
    "truncated table": (lambda f: os.truncate(f / EVAL, 300), "cannot be read"),
    "lost column": (lambda f: pq.write_table(pq.read_table(f / EVAL).drop_columns("box"), f / EVAL), "differ: box"),
    "lost class names": (
        lambda f: pq.write_table(pq.read_table(f / EVAL).replace_schema_metadata(None), f / EVAL),
        "does not name the classes",
    ),
    "their ids not swapped": (lambda f: rewrite(FOUR(f), ",1,", ",0,"), "lines contradict the metadata"),
    "two columns": (
        lambda f: FOUR(f).write_text(FOUR(f).read_text().replace(",0.0\n", "\n")),
        "contradict the metadata",
    ),
    "lost csv": (lambda f: FOUR(f).unlink(), "is missing"),
    "csv of no set": (
        lambda f: shutil.copytree(f / "humansam/eval_data/other_human_dim", f / "humansam/eval_data/x"),
        "belongs to no split",
    ),
    "lost licence": (lambda f: rewrite(f / "licences.csv", "Apache-2.0", ""), "gives no licence of seed"),
    "other count": (lambda f: rewrite(f / "licences.csv", ",6\n", ",7\n"), "and there are 6"),
    "broken croissant": (lambda f: os.truncate(f / "croissant.json", 500), "is not valid JSON"),
    "croissant of other tables": (
        lambda f: rewrite(f / "croissant.json", '"sha256": "', '"sha256": "0'),
        "another checksum",
    ),
    "croissant without limits": (
        lambda f: rewrite(f / "croissant.json", "rai:dataLimitations", "x"),
        "rai:dataLimitations",
    ),
    **{
        f"croissant that is {text}": (written("croissant.json", text), sentence)
        for text, sentence in (
            ("[]", "is not a JSON object"),
            ("5", "is not a JSON object"),
            ('{"distribution": ["a"]}', "another checksum"),
            ('{"distribution": 3}', "another checksum"),
        )
    },
    **{
        f"class names that are {text}": (names_of_classes(text), "does not name the classes")
        for text in ("{", "[]", '{"info": null}')
    },
    **{
        f"card with {block}": (written("README.md", f"---\n{block}\n---\n"), sentence)
        for block, sentence in (
            ("configs: [", "its block of YAML is not valid"),
            ("configs: 3", "configuration default"),
            ("configs: [{config_name: [a]}]", "configuration default"),
        )
    },
    "file listed as attached": (
        lambda f: (f / "ATTACHED.SHA256SUMS").write_text(f"{'0' * 64}  README.md\n"),
        "is not in SHA256SUMS",
    ),
    "card without a set": (
        lambda f: rewrite(f / "README.md", "config_name: other", "config_name: x"),
        "configuration other",
    ),
    "card without its block": (lambda f: (f / "README.md").write_text("# Hello"), "configuration default"),
}
BY_CHECKSUM = 8
"""The first of them are left to the checksums."""


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_found(copy: Path, kind: str) -> None:
    damage, sentence = DAMAGE[kind]
    damage(copy)
    if [*DAMAGE].index(kind) >= BY_CHECKSUM:
        files = [path for path in copy.rglob("*") if path.is_file() and not path.name.endswith("SHA256SUMS")]
        sums = {path.relative_to(copy).as_posix(): file_sha256(path) for path in files}
        (copy / "SHA256SUMS").write_text(checksums_text(sums))
    problems = verify_release(copy, threads=2).problems
    assert problems
    assert any(re.search(sentence, each.problem) for each in problems), problems


@pytest.mark.parametrize("name", ["README.md", "croissant.json", "humansam/train_data/hfv/train_4.csv"])
def test_a_file_that_cannot_be_read_is_a_problem(copy: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def refusing(method: Callable[..., Any]) -> Callable[..., Any]:
        def read(path: Path, *args: Any, **options: Any) -> Any:
            if path == copy / name:
                raise PermissionError(13, "Permission denied", str(path))
            return method(path, *args, **options)

        return read

    for method in ("open", "read_text"):
        monkeypatch.setattr(Path, method, refusing(getattr(Path, method)))
    problems = verify_release(copy, threads=1).problems
    assert (name, "it cannot be read: permission denied") in [(each.file, each.problem) for each in problems]


def test_a_whole_release_has_no_problem(made: Path) -> None:
    outcome = verify(made)
    assert (outcome.exit_code, outcome.summary["problems"], outcome.summary["not_checked"]) == (0, [], [])
    assert "nothing is wrong" in outcome.text


def test_what_a_download_from_the_hub_adds_is_no_problem(copy: Path) -> None:
    for name in (".gitattributes", ".git/config", ".cache/huggingface/download/README.md.metadata"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text("x")
    (copy / ".cache/other").write_text("x")
    assert [each.file for each in verify_release(copy, threads=1).problems] == [".cache/other"]


def test_a_release_in_the_cache_of_the_hub_is_whole(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hfv_builder.release.verification.try_others", lambda *_: None)  # they follow links anyway
    snapshot = tmp_path / "datasets--me--set/snapshots/abc"
    for number, path in enumerate(sorted(path for path in copy.rglob("*") if path.is_file())):
        blob, link = tmp_path / f"datasets--me--set/blobs/{number}", snapshot / path.relative_to(copy)
        for each in (blob, link):
            each.parent.mkdir(parents=True, exist_ok=True)
        path.rename(blob)
        link.symlink_to(os.path.relpath(blob, link.parent))
    assert verify_release(snapshot, threads=1).problems == []


@pytest.mark.parametrize("name", ["my[1]", "my::1"])
def test_the_path_of_a_release_is_no_fault_of_it(
    copy: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hfv_builder.release.other_tools._try_mlcroissant", lambda *_: None)  # it takes a while
    report = verify_release(copy.rename(tmp_path / name), threads=1)
    assert report.problems == []
    (skipped,) = report.skipped
    assert f"{name} for a pattern or a chain of URLs" in skipped


def test_problems_are_a_table_and_exit_code_3(copy: Path) -> None:
    (copy / "notes.txt").write_text("x")
    outcome = verify(copy)
    assert outcome.exit_code == 3
    assert "notes.txt" in outcome.text
    assert outcome.summary["problems"] == [{"file": "notes.txt", "problem": "is not in SHA256SUMS"}]
    json.dumps(outcome.summary)


def test_a_folder_that_is_no_release(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no release: it has no SHA256SUMS"):
        verify(tmp_path)


def test_torch_is_not_imported(made: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from hfv_builder.release.verification import verify_release; "
        f"report = verify_release(Path({str(made)!r}), threads=1); "
        "print(report.problems, report.skipped, 'datasets' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[-2] == "[] [] True False"
