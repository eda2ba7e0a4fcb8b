"""Media made in advance: in which order, what is tried again, and what is never deleted."""

import threading
from pathlib import Path
from typing import Any

import pytest

from hfv_builder.records import ClipError
from hfv_builder.storage.manifest import Manifests
from review_ui import ahead, cache, media
from review_ui.ahead import Ahead
from review_ui.cache import Cache
from review_ui.clips import Clips
from review_ui.media import Media
from review_ui.workshop import Unfinished, Workshop
from tests.review_ui.browser import until
from tests.review_ui.test_cache import fill, left


def test_the_latest_request_comes_first_and_nothing_is_done_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    begun, free = threading.Event(), threading.Event()

    def work(row: int) -> None:
        begun.set()
        free.wait(60)
        done.append(row)

    monkeypatch.setattr(ahead, "MOST", 5)
    now = [0.0]
    line = Ahead(work, clock=lambda: now[0])
    line.want([0])
    begun.wait(60)
    line.want([1, 2, 3, 9, 8])
    line.want([5, 1, 0])  # 0 is being worked on; 8 does not fit any more
    free.set()
    until(lambda: len(done) == 6)
    line.want([3])
    now[0] = ahead.AGAIN_S  # its files may have been deleted since
    line.want([3])
    until(lambda: len(done) == 7)
    line.close()
    assert done == [0, 5, 1, 2, 3, 9, 3]


def test_a_proxy_that_was_not_finished_is_tried_again(
    sample: Manifests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = Clips(sample)
    row = next(row for row in range(len(clips)) if clips.media_facts(row)["codec"] == "mpeg4")
    served = Media(clips, Cache(tmp_path / "proxies", 10**9))
    tried: list[int] = []

    def slow(self: Workshop, *_: Any) -> None:
        tried.append(1)
        raise Unfinished("making it ready took more than 300 s")

    with monkeypatch.context() as patched:
        patched.setattr(Workshop, "run", slow)
        patched.setattr(media, "RETRY_S", 1e9)
        for _ in range(2):  # not at once: it would take as long again
            with pytest.raises(ClipError, match="more than 300 s"):
                served.video(row)
        assert (len(tried), served.has_video(row)) == (1, True)
    monkeypatch.setattr(media, "RETRY_S", 0.0)
    assert served.has_video(row) is False
    assert served.state(row) == {"state": "waiting", "seconds": None}
    assert served.video(row).path.is_file()
    assert served.state(row)["state"] == "ready"
    served.close()


def test_a_clip_in_a_hand_keeps_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "IN_USE_S", 0.0)
    for number in range(4):
        fill(tmp_path, number, age_s=100 - number)
    Cache(tmp_path, 200, held=lambda name: name.startswith(f"{0:016x}"))
    assert left(tmp_path) == {0, 3}
