"""QEMU's monitor while QEMU starts, and ends instead."""

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError
from kzram_ci.vm.qmp import Monitor

VERSION = {"qemu": {"micro": 0, "minor": 2, "major": 7}, "package": ""}


@pytest.fixture
def monitor(tmp_path: Path) -> Iterator[Monitor]:
    monitor = Monitor(str(tmp_path / "qmp"))
    with socket.socket(socket.AF_UNIX) as qemu:  # which hangs up without a greeting
        qemu.connect(str(tmp_path / "qmp"))
    yield monitor
    monitor.close()


def test_a_connection_that_ends_before_its_process_is_gone_is_an_end(monitor: Monitor) -> None:
    """The kernel closes the files of a process that ends, and then lets its parent know."""
    polls = iter([True] * 5)
    assert not monitor.accept(lambda: next(polls, False), Deadline.after(30))


def test_a_process_that_lives_on_without_a_greeting_does_not_speak_qmp(monitor: Monitor) -> None:
    with pytest.raises(InfraError, match=r"does not speak QMP: .*[A-Za-z]"):
        monitor.accept(lambda: True, Deadline.after(1))


def test_an_open_file_is_handed_over_under_a_name(tmp_path: Path) -> None:
    """QEMU that may open nothing any more gets what it is to use."""
    monitor, asked = Monitor(str(tmp_path / "qmp")), list[str]()

    def qemu() -> None:
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(tmp_path / "qmp"))
            version = {"qemu": {"micro": 0, "minor": 2, "major": 7}, "package": ""}
            line.sendall(json.dumps({"QMP": {"version": version, "capabilities": []}}).encode() + b"\r\n")
            descriptors, pending = list[int](), b""
            while len(asked) < 2:
                data, more, _, _ = socket.recv_fds(line, 4096, 1)
                descriptors, pending = [*descriptors, *more], (pending + data).lstrip()
                with suppress(ValueError):
                    command, pending = json.loads(pending), b""
                    asked.append(command["execute"])
                    name = {"id": command["id"]} if "id" in command else {}
                    line.sendall(json.dumps({"return": {}, **name}).encode() + b"\r\n")
            assert command["arguments"] == {"fdname": "state"}
            (descriptor,) = descriptors
            os.write(descriptor, b"from QEMU")
            os.close(descriptor)

    thread = threading.Thread(target=qemu)
    thread.start()
    try:
        assert monitor.accept(lambda: True, Deadline.after(30))
        ours, its = socket.socketpair()
        with ours:
            with its:
                monitor.give("state", its.fileno(), Deadline.after(30))
            ours.settimeout(30)
            assert ours.recv(100) == b"from QEMU"
            assert ours.recv(100) == b"", "nobody else has that end"
    finally:
        thread.join(30)
        monitor.close()
    assert asked == ["qmp_capabilities", "getfd"]


def test_what_cannot_be_handed_over_is_an_error_with_its_name(monitor: Monitor) -> None:
    with pytest.raises(InfraError, match="cannot hand state over to QEMU: "):
        monitor.give("state", 0, Deadline.after(30))


@pytest.mark.parametrize("busy", [False, True])
def test_a_qemu_that_greets_and_leaves_at_once_has_greeted(tmp_path: Path, busy: bool) -> None:
    """A guest that is over at once; `busy`: on a host where the thread that listens is not given a processor."""
    monitor, gone = Monitor(str(tmp_path / "qmp")), threading.Event()

    def qemu() -> None:
        with socket.socket(socket.AF_UNIX) as mine:
            mine.connect(str(tmp_path / "qmp"))
            mine.sendall(json.dumps({"QMP": {"version": VERSION, "capabilities": []}}).encode() + b"\r\n")
            mine.recv(4096)
            if busy:
                monitor._loop.call_soon_threadsafe(time.sleep, 0.3)
            mine.sendall(b'{"return": {}}\r\n')
        gone.set()

    thread = threading.Thread(target=qemu, daemon=True)
    thread.start()
    try:
        monitor.accept(lambda: not gone.is_set(), Deadline.after(30))
        assert monitor.greeted()
    finally:
        monitor.close()


def test_a_qemu_that_hangs_up_without_a_word_has_not_greeted(monitor: Monitor) -> None:
    assert not monitor.accept(lambda: False, Deadline.after(30))
    assert not monitor.greeted()
