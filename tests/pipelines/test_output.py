"""The output of a command: texts in tables, and what happens if it cannot be written."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hfv_builder.storage.manifest import Manifests
from pipelines.catalog.stage import catalog
from pipelines.cli import main
from pipelines.outcome import table
from pipelines.workers.cluster import Cluster


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_output_to_a_full_disk_is_one_sentence(
    manifests: Manifests,
    clips_folder: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    catalog(manifests, "kling", clips_folder(count=1, frames=2), cluster=Cluster(workers=0))
    with Path("/dev/full").open("w", encoding="utf-8") as full, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", full)
        assert main(["status", "--manifests", str(manifests.root)]) == 2
    assert capsys.readouterr().err.endswith("it is done, but its output cannot be written: No space left on device\n")


def test_texts_that_look_like_numbers_are_printed_as_they_are() -> None:
    lines = table([{"reviewer": "007", "clip": "12345678901234e6", "n": 1.5}, {"reviewer": "1e3", "clip": None}])
    assert [line.split() for line in lines.splitlines()[2:]] == [["007", "12345678901234e6", "1.5"], ["1e3", "–", "–"]]


def test_tables_are_wrapped_to_the_terminal_and_whole_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"/{'x' * 50}/a.mp4"
    rows: list[dict[str, object]] = [
        {"clip": "007", "n": 1.5, "error": "a sentence " * 9},
        {"clip": None, "n": 2, "error": f"see {path}"},
    ]
    whole = table(rows, "errors:")
    assert whole.count("\n") == 4
    monkeypatch.setenv("COLUMNS", "80")
    assert table(rows, "errors:") == whole
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    lines = table(rows, "errors:").splitlines()
    assert max(len(line) for line in lines) <= 80
    assert path in lines[-1]
    assert " ".join(" ".join(lines).split()).count("a sentence") == 9


def test_commands_with_closed_streams_and_their_workers_use_the_null_device(tmp_path: Path) -> None:
    worker = 'files=$(readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2); echo "$files" > "$0"'
    code = (
        "import os, sys; from pipelines.streams import open_streams; open_streams()\n"
        "print('out'); print('err', file=sys.stderr, flush=True)\n"
        "os.execlp('sh', 'sh', '-c', *sys.argv[1:])"
    )
    said = tmp_path / "streams"
    command = [sys.executable, "-c", code, worker, str(said)]
    subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command], check=True)
    assert said.read_text().split() == [os.devnull] * 3
