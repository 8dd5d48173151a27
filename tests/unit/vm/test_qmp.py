"""QEMU's monitor while QEMU starts, and ends instead."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError
from kzram_ci.vm.qmp import Monitor


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
