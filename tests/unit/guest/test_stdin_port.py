"""Standard input for the guest: any bytes, no waiting, and an end that is an end."""

import os
import socket
from pathlib import Path

import pytest

from kzram_ci.base.errors import InfraError
from kzram_ci.guest.stdin import StdinPort


def connected(port_path: Path) -> socket.socket:
    qemu = socket.socket(socket.AF_UNIX)
    qemu.connect(str(port_path))
    return qemu


def test_bytes_and_the_end_arrive(tmp_path: Path) -> None:
    source, given = os.pipe()
    port = StdinPort(str(tmp_path / "s"), source)
    port.poll()  # nobody there yet
    assert port.waiting_for() == ()
    qemu = connected(tmp_path / "s")
    port.poll()
    assert port.waiting_for() == (source,)
    os.write(given, b"\x00\x03\x04\xff hi")
    port.poll()
    assert qemu.recv(100) == b"\x00\x03\x04\xff hi"
    os.close(given)
    port.poll()
    assert qemu.recv(100) == b""
    assert port.waiting_for() == ()
    qemu.sendall(b"x")  # the other direction stays open: QEMU must not see a hang-up before it has read all
    port.close()
    qemu.close()


def test_a_guest_that_does_not_read_makes_nobody_wait(tmp_path: Path) -> None:
    big = os.urandom(3 << 20)
    (tmp_path / "input").write_bytes(big)
    source = os.open(tmp_path / "input", os.O_RDONLY)
    port = StdinPort(str(tmp_path / "s"), source)
    qemu = connected(tmp_path / "s")
    port.poll()
    port.poll()
    assert port.waiting_for() == ()  # there is something to hand on already
    arrived = b""
    while data := qemu.recv(1 << 16):
        arrived += data
        port.poll()
    assert arrived == big
    port.close()
    qemu.close()


def test_qemu_that_went_away(tmp_path: Path) -> None:
    source, given = os.pipe()
    port = StdinPort(str(tmp_path / "s"), source)
    connected(tmp_path / "s").close()
    os.write(given, b"x" * 10)
    port.poll()
    port.poll()
    assert port.waiting_for() == ()
    port.close()


def test_a_path_that_is_taken(tmp_path: Path) -> None:
    (tmp_path / "s").touch()
    with pytest.raises(InfraError, match="cannot listen for the guest"):
        StdinPort(str(tmp_path / "s"), 0)
