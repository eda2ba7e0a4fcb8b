"""Proxies, film strips, frame times, and how they are served."""

import asyncio
import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pytest

from hfv_builder.records import ClipError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.places import place, put
from hfv_builder.storage.schema import CLIPS
from review_ui.cache import Cache
from review_ui.clips import Clips
from review_ui.media import Media
from review_ui.pages import Sent
from review_ui.proxies import plays_everywhere
from tests.review_ui.browser import until
from tests.review_ui.conftest import Person
from tests.review_ui.sample import make_clip
from tests.review_ui.test_proxies import facts, times_of


def test_an_original_with_several_videos_is_shown_as_a_proxy(tmp_path: Path) -> None:
    good = make_clip(tmp_path / "good.mp4")
    about = facts(good)
    with av.open(str(tmp_path / "two.mp4"), "w", options={"movflags": "faststart"}) as container:
        streams: Any = [container.add_stream("libx264", rate=12) for _ in range(2)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for _ in range(4):
            for stream in streams:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 96, 3), np.uint8), "rgb24")))
        for stream in streams:
            container.mux(stream.encode())
    assert plays_everywhere(good, about)
    assert not plays_everywhere(tmp_path / "two.mp4", facts(tmp_path / "two.mp4"))


def test_the_index_must_be_in_front(tmp_path: Path) -> None:
    good = make_clip(tmp_path / "good.mp4")
    about = facts(good)
    assert plays_everywhere(good, about)
    data = good.read_bytes()
    at = data.index(b"moov") - 4
    size = int.from_bytes(data[at : at + 4], "big")
    late = tmp_path / "late.mp4"
    late.write_bytes(data[:at] + data[at + size :] + data[at : at + size])
    assert not plays_everywhere(late, about)
    assert not plays_everywhere(good, about | {"pix_fmt": "yuv420p10le"})
    assert not plays_everywhere(good, about | {"codec": "hevc"})
    assert not plays_everywhere(good, about | {"rotation": 90})
    (tmp_path / "text.mp4").write_bytes(b"\0\0\0\1free")
    assert not plays_everywhere(tmp_path / "text.mp4", about)


def rows(manifests: Manifests, generator: str) -> dict[str, dict[str, Any]]:
    return {Path(row["path"]).name: row for row in manifests.read(CLIPS, generator=generator).to_pylist()}


def test_ranges(manifests: Manifests, anna: Person) -> None:
    row = rows(manifests, "alpha")["a0.mp4"]
    data = Path(row["path"]).read_bytes()
    path = f"/media/{row['clip_id']}.mp4"
    whole = anna.send("GET", path)
    assert (whole.status_code, whole.headers["accept-ranges"], whole.content) == (200, "bytes", data)
    assert whole.headers["content-type"] == "video/mp4"
    for given, start, end in (
        ("0-99", 0, 100),
        ("100-", 100, len(data)),
        ("-50", len(data) - 50, len(data)),
        ("5-5", 5, 6),
    ):
        part = anna.send("GET", path, Range=f"bytes={given}")
        assert (part.status_code, part.content) == (206, data[start:end])
        assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{len(data)}"
    beyond = anna.send("GET", path, Range=f"bytes={len(data)}-")
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(data)}")
    head = anna.send("HEAD", path)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(data)))


def test_what_browsers_cannot_play_is_made_playable_and_kept(manifests: Manifests, db: Path, anna: Person) -> None:
    for name in ("old.avi", "uneven.mkv"):
        row = rows(manifests, "beta")[name]
        response = anna.send("GET", f"/media/{row['clip_id']}.mp4", Range="bytes=0-11")
        assert (response.status_code, response.content[4:8]) == (206, b"ftyp")
        assert (db.parent / "proxies" / f"{row['clip_id']}.mp4").is_file()
        times = anna.get(f"/api/clips/{row['clip_id']}/frames")["frame_times"]
        np.testing.assert_allclose(times, times_of(Path(row["path"])), atol=1e-3)


def test_what_cannot_be_played_says_why_and_can_be_rejected(manifests: Manifests, anna: Person) -> None:
    item = anna.hand(1, "failed")[0]
    assert item["clip_id"] == rows(manifests, "beta")["broken.mp4"]["clip_id"]
    response = anna.send("GET", f"/media/{item['clip_id']}.mp4")
    assert response.status_code == 409
    assert "cannot be shown: FFmpeg cannot read it" in response.json()["error"]
    assert "FFmpeg" in anna.get(f"/api/clips/{item['clip_id']}/evidence")["unplayable"]
    anna.decide(item["clip_id"], "reject", reason="broken", queue="failed")
    assert anna.hand(1, "failed") == []


def test_a_file_that_is_gone_or_changed_is_not_served(manifests: Manifests, start: Any, tmp_path: Path) -> None:
    from tests.review_ui.sample import write_manifests

    own = make_clip(tmp_path / "own.mp4", seed=99)
    write_manifests(manifests, {"gamma": [own]})
    anna = Person(start(), "anna")
    clip_id = rows(manifests, "gamma")["own.mp4"]["clip_id"]
    whole = own.read_bytes()
    assert anna.send("GET", f"/media/{clip_id}.mp4").content == whole
    for changed in (whole + b"more", whole[:-1] + b"!"):  # of another size, of the same
        own.write_bytes(changed)
        assert "has changed" in anna.send("GET", f"/media/{clip_id}.mp4").json()["error"]
        assert "has changed" in anna.send("GET", f"/media/{clip_id}/strip.webp").json()["error"]
    own.write_bytes(whole)
    assert anna.send("GET", f"/media/{clip_id}.mp4").content == whole
    own.unlink()
    assert "not where it was catalogued" in anna.send("GET", f"/media/{clip_id}.mp4").json()["error"]


def test_clips_in_a_store_are_played_from_a_copy(manifests: Manifests, start: Any, db: Path) -> None:
    files = rows(manifests, "alpha") | rows(manifests, "beta")
    store = place("memory://review/clips")
    store.mkdir(parents=True)
    data: dict[str, bytes] = {}
    for generator in ("alpha", "beta"):
        own = manifests.read(CLIPS, generator=generator).to_pylist()
        for row in own:
            file = Path(row["path"])
            data[row["clip_id"]] = file.read_bytes()
            put(store / file.name, data[row["clip_id"]])
            row["path"] = str(store / file.name)
        manifests.replace(CLIPS, [pa.Table.from_pylist(own, schema=CLIPS.schema)], generator=generator)
    anna = Person(start(), "anna")
    playable, other, broken = (files[name]["clip_id"] for name in ("a0.mp4", "old.avi", "broken.mp4"))
    assert anna.send("GET", f"/media/{playable}.mp4").content == data[playable]
    assert anna.send("GET", f"/media/{other}.mp4").content[4:8] == b"ftyp"
    assert anna.send("GET", f"/media/{playable}/strip.webp").status_code == 200
    assert len(anna.get(f"/api/clips/{other}/frames")["frame_times"]) == 24
    assert "FFmpeg cannot read it" in anna.send("GET", f"/media/{broken}.mp4").json()["error"]
    assert not list((db.parent / "proxies").glob(".*"))
    (store / "a1.mp4").unlink()
    path = f"/media/{files['a1.mp4']['clip_id']}.mp4"
    assert "not where it was catalogued" in anna.send("GET", path).json()["error"]
    put(store / "a1.mp4", data[files["a1.mp4"]["clip_id"]])  # the store is back
    assert anna.send("GET", path).status_code == 200


def test_a_full_disk_is_told_and_tried_again(
    manifests: Manifests, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/media/{rows(manifests, 'beta')['old.avi']['clip_id']}.mp4"

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("review_ui.workshop.Workshop.run", full)
        response = anna.send("GET", path)
    assert (response.status_code, "No space left" in response.json()["error"]) == (409, True)
    assert anna.send("GET", path).status_code == 200


@pytest.mark.parametrize("header", [[], [(b"range", b"bytes=9-")]], ids=["whole", "range"])
@pytest.mark.parametrize(("leaves", "cancels"), [(True, 0), (False, 0), (False, 1), (False, 2)])
def test_a_file_is_closed_however_its_sending_ends(
    tmp_path: Path, leaves: bool, cancels: int, header: list[tuple[bytes, bytes]]
) -> None:
    clip = tmp_path / "long.mp4"
    clip.write_bytes(bytes(Sent.chunk_size * 3))

    async def sending() -> None:
        begun, left = asyncio.Event(), asyncio.Event()

        async def receive() -> Any:
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body":
                begun.set()
                await asyncio.Event().wait()  # a client that reads no further

        scope = {"type": "http", "method": "GET", "headers": header}
        task = asyncio.create_task(Sent(clip, media_type="video/mp4")(scope, receive, send))
        await begun.wait()
        if leaves:
            left.set()
            await task
        for _ in range(cancels):
            task.cancel()
            await asyncio.sleep(0)

    asyncio.run(sending())
    gc.collect()  # an open file would warn here, and warnings are errors


def test_what_goes_wrong_ahead_of_need_is_logged_and_stops_nothing(
    sample: Manifests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    media = Media(Clips(sample), Cache(tmp_path / "proxies", 10**9))

    def burst(*_: object) -> None:
        raise ZeroDivisionError("a fault of ours")

    with monkeypatch.context() as patch:
        patch.setattr("review_ui.workshop.Workshop.run", burst)
        media.prepare([0])
        until(lambda: "cannot be prepared" in caplog.text)
    media.prepare([1])
    until((tmp_path / "proxies" / f"{media._clips.ids[1]}.webp").is_file)
    assert media.strip(0).path.is_file()
    media.close()


def test_whoever_waits_for_media_of_a_stopping_server_is_told(sample: Manifests, tmp_path: Path) -> None:
    media = Media(Clips(sample), Cache(tmp_path / "proxies", 10**9))
    go = threading.Event()
    media._strips.submit(go.wait, 30)  # its thread is busy
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(media.strip, 0)
        while not media._strips._work_queue.qsize():
            time.sleep(0.01)
        closing = threading.Thread(target=media.close)
        closing.start()
        go.set()
        with pytest.raises(ClipError, match="stopping"):
            waiting.result(120)
        closing.join()
    with pytest.raises(ClipError, match="stopping"):
        media.strip(1)
    media.prepare([2])
