"""The real port: a socket, a guest that sends what it likes, every byte in the log."""

import socket
from pathlib import Path

import pytest

from kzram_ci.base.errors import InfraError
from kzram_ci.guest import control
from kzram_ci.guest.control import ControlPort
from kzram_ci.guest.messages import Exited, Garbage, PortClosed, Ready


def test_messages_come_in_order_and_the_end_once(tmp_path: Path) -> None:
    port = ControlPort(str(tmp_path / "s"), tmp_path / "control.log", "n")
    assert port.poll() == []
    qemu = socket.socket(socket.AF_UNIX)
    qemu.connect(str(tmp_path / "s"))
    assert port.poll() == []
    sent = b'{"ev":"counters"}\n{"ev":"ready"}\n{"ev":"exit","nonce":"n","code":0}\n{"ev":"re'
    qemu.sendall(sent)
    first, *rest = port.poll()
    assert isinstance(first, Garbage)
    assert rest == [Ready(), Exited(code=0)]
    qemu.close()
    assert port.poll() == [PortClosed()]
    assert port.poll() == []
    assert (tmp_path / "control.log").read_bytes() == sent
    port.close()


def test_one_poll_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "POLL_BYTES", 100)
    monkeypatch.setattr(control, "READ_BYTES", 50)
    port = ControlPort(str(tmp_path / "s"), tmp_path / "control.log", "n")
    qemu = socket.socket(socket.AF_UNIX)
    qemu.connect(str(tmp_path / "s"))
    qemu.sendall(b"x" * 49 + b"\n" + b"y" * 1000)
    assert len(port.poll()) == 1
    assert port.bytes == 100
    qemu.close()
    port.close()


def test_a_path_that_is_taken(tmp_path: Path) -> None:
    (tmp_path / "s").touch()
    with pytest.raises(InfraError, match="cannot listen for the guest"):
        ControlPort(str(tmp_path / "s"), tmp_path / "control.log", "n")
