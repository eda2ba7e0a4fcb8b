"""Work in processes of its own: its errors come back, and it ends when its time is over or the server stops."""

import os
import threading
import time
from pathlib import Path

import pytest

from hfv_builder.records import ClipError
from review_ui.workshop import Workshop
from tests.review_ui.works import copy, die, fail, find_the_disk_full, hang, hang_in_the_middle, refuse


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_file_is_made(tmp_path: Path) -> None:
    (tmp_path / "source").write_text("content")
    Workshop().run(copy, tmp_path / "source", tmp_path / "target")
    assert (tmp_path / "target").read_text() == "content"


def test_errors_come_back(tmp_path: Path) -> None:
    workshop = Workshop()
    for work, error, match in (
        (refuse, ClipError, "a cannot be made into b"),
        (find_the_disk_full, OSError, "No space left"),
        (fail, RuntimeError, "ZeroDivisionError: an error of ours"),
        (die, ClipError, "crashed or ran out of memory"),
    ):
        with pytest.raises(error, match=match):
            workshop.run(work, tmp_path / "a", tmp_path / "b")


def test_what_takes_too_long_is_ended(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(ClipError, match=r"took more than 0\.5 s"):
        Workshop(deadline_s=0.5).run(hang, tmp_path / "a", tmp_path / "b")
    assert time.monotonic() - started < 60


def test_what_is_ended_leaves_no_unfinished_file(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match="took more than"):
        Workshop(deadline_s=1).run(hang_in_the_middle, tmp_path / "a", tmp_path / "b.mp4")
    assert not list(tmp_path.iterdir())


def test_a_server_that_stops_does_not_wait(tmp_path: Path) -> None:
    workshop = Workshop()
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            workshop.run(hang, tmp_path / "a", tmp_path / "b")
        except ClipError as error:
            errors.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    while not (tmp_path / "b").exists() or not (tmp_path / "b").read_text():
        time.sleep(0.01)
    workshop.close()
    waiting.join(10)
    assert [str(error) for error in errors] == ["the server is stopping"]
    assert not is_alive(int((tmp_path / "b").read_text()))
    with pytest.raises(ClipError, match="stopping"):
        workshop.run(copy, tmp_path / "a", tmp_path / "c")
