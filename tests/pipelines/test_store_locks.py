"""Locks in a store admit one command at a time, also after kills and outages."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

import hfv_builder.storage.lock
from hfv_builder.records import UsageError
from hfv_builder.storage.manifest import Manifests
from hfv_builder.storage.places import Place, put, read
from hfv_builder.storage.processes import machine
from tests.pipelines.conftest import raising


def test_one_command_at_a_time_in_the_store(bucket: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    manifests = Manifests(bucket)
    with (
        manifests.lock("score-kling"),
        pytest.raises(UsageError, match="another hfv is at work"),
        manifests.lock("score-kling"),
    ):
        pass
    with manifests.lock("score-kling"):
        pass
    ended = subprocess.Popen(["true"])
    ended.wait()
    this_machine, other_machine = machine(), "another-machine"
    waited: list[float] = []
    monkeypatch.setattr(hfv_builder.storage.lock, "time", SimpleNamespace(time=time.time, sleep=waited.append))
    for machine_of_holder, pid in (
        (this_machine, ended.pid),
        (other_machine, 1),
    ):  # both holders were killed; the second is on another machine, so its lease is waited for
        holder = {"id": "1", "host": socket.gethostname(), "machine": machine_of_holder, "pid": pid, "at": time.time()}
        put(bucket / ".lock-x", json.dumps(holder))
        with manifests.lock("x"):
            assert json.loads(read(bucket / ".lock-x"))["pid"] == os.getpid()
        assert not (bucket / ".lock-x").exists()
    settling = hfv_builder.storage.lock.LEASE_S / 10
    assert waited == [settling, hfv_builder.storage.lock.LEASE_S, settling]

    def renewed(_: float) -> None:
        put(bucket / ".lock-x", json.dumps({"id": "1", "host": other_machine, "pid": 1, "at": 1}))

    put(bucket / ".lock-x", json.dumps({"id": "1", "host": other_machine, "pid": 1, "at": 0}))
    monkeypatch.setattr(hfv_builder.storage.lock, "time", SimpleNamespace(time=time.time, sleep=renewed))
    with pytest.raises(UsageError, match="another hfv is at work"), manifests.lock("x"):
        pass


@pytest.mark.parametrize("kind", ["another container", "an earlier version"])
def test_a_holder_in_another_container_of_the_host_is_waited_for(
    bucket: Place, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Its process id means nothing here, so its lease is waited for, and it keeps a lock that it renews."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    holder = {"id": "1", "host": socket.gethostname(), "pid": ended.pid, "at": time.time()}
    if kind == "another container":
        holder["machine"] = "0123456789abcdef"
    put(bucket / ".lock-x", json.dumps(holder))
    waited: list[float] = []

    def renewed(seconds: float) -> None:
        waited.append(seconds)
        put(bucket / ".lock-x", json.dumps(holder | {"at": 2}))

    monkeypatch.setattr(hfv_builder.storage.lock, "time", SimpleNamespace(time=time.time, sleep=renewed))
    with pytest.raises(UsageError, match="another hfv is at work"), Manifests(bucket).lock("x"):
        pass
    assert waited == [hfv_builder.storage.lock.LEASE_S]


def test_containers_of_one_host_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    host = machine.__wrapped__()
    assert host == machine.__wrapped__()
    assert len(host) == 16
    monkeypatch.setattr(os, "readlink", lambda _: "pid:[1]")
    container = machine.__wrapped__()
    monkeypatch.setattr(os, "readlink", raising(FileNotFoundError()))
    assert len({host, container, machine.__wrapped__()}) == 3


def test_a_lock_that_is_held_long_is_renewed(bucket: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hfv_builder.storage.lock, "LEASE_S", 0.3)
    with Manifests(bucket).lock("x"):
        first = read(bucket / ".lock-x")
        end = time.monotonic() + 20
        while read(bucket / ".lock-x") == first:
            assert time.monotonic() < end
            time.sleep(0.05)


def test_one_of_two_commands_gets_the_lock_of_a_dead_holder(bucket: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    dead = {"id": "1", "host": "x", "machine": machine(), "pid": ended.pid, "at": time.time()}
    put(bucket / ".lock-x", json.dumps(dead))

    def other_writes(_: float) -> None:
        put(bucket / ".lock-x", json.dumps(dead | {"id": "2", "pid": os.getpid()}))

    monkeypatch.setattr(hfv_builder.storage.lock, "time", SimpleNamespace(time=time.time, sleep=other_writes))
    with pytest.raises(UsageError, match="another hfv is at work"), Manifests(bucket).lock("x"):
        pass
    assert json.loads(read(bucket / ".lock-x"))["id"] == "2"


@pytest.mark.parametrize("ignored", [False, True], ids=["Ctrl-C", "Ctrl-C ignored"])
def test_a_command_that_lost_the_lock_stops(bucket: Place, monkeypatch: pytest.MonkeyPatch, ignored: bool) -> None:
    exits: list[int] = []
    monkeypatch.setattr(os, "_exit", exits.append)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler)
    other = json.dumps({"id": "2", "host": "another-machine", "pid": 1, "at": 0})

    def hold(work: Callable[[], Any]) -> None:
        with Manifests(bucket).lock("x"):
            put(bucket / ".lock-x", other)
            work()

    def work_long() -> None:
        end = time.monotonic() + 20
        while time.monotonic() < end and not exits:
            put(bucket / ".lock-x", other)  # written again, since a renewal may just have overwritten it
            time.sleep(0.05)
        if not exits:
            pytest.fail("nothing stopped the work")

    with pytest.raises(UsageError, match=r"another hfv has taken over .*, because this one"):
        hold(lambda: None)
    monkeypatch.setattr(hfv_builder.storage.lock, "LEASE_S", 0.3)
    (bucket / ".lock-x").unlink()
    try:
        with pytest.raises(UsageError, match=r"another hfv has taken over .*, because this one"):
            hold(work_long)
    finally:
        signal.signal(signal.SIGINT, before)
    assert exits == [2] * ignored
    assert read(bucket / ".lock-x") == other.encode()


def test_an_outage_at_the_end_does_not_hide_the_error(bucket: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(_: Any) -> None:
        raise ConnectionError("no route")

    def fail() -> None:
        with Manifests(bucket).lock("x"):
            monkeypatch.setattr(hfv_builder.storage.lock, "read", unreachable)
            raise UsageError("the real one")

    with pytest.raises(UsageError, match="the real one"):
        fail()
