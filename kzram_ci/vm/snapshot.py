"""Save a running guest to files, and start another from them: QEMU's migration, with the memory left where it is.

The memory is a file (`argv.memory_args`) that a restored guest maps privately, and QEMU opens before it changes its
user; the rest, some hundred KiB, goes through a socket that is handed over open, so that QEMU needs no right to reach
one. That the memory stays out takes the capability x-ignore-shared, which QEMU has since 4.0.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kzram_ci.base import clock, files
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError
from kzram_ci.vm.qemu import Machine

STATE_BYTES = 256 << 20  # far more than any machine without its memory has
_STATE = "state"  # the name of what QEMU gets
_POLL_SECONDS = 0.002
_OVER = frozenset({"completed", "failed", "cancelled"})


def save(machine: Machine, state: Path, deadline: Deadline) -> None:
    """Stop the guest and write its state, without its memory. Raises InfraError."""
    machine.execute("stop", {}, deadline)
    _leave_memory_out(machine, deadline)
    try:
        with _handed_over(machine, deadline) as connection:
            machine.execute("migrate", {"uri": f"fd:{_STATE}"}, deadline)
            data = _received(connection)
    except OSError as error:
        raise InfraError(f"cannot take the guest's state from QEMU: {error.strerror or error}") from error
    _wait(machine, "save", deadline)
    files.write_atomic(state, data)


def restore(machine: Machine, state: Path, deadline: Deadline) -> None:
    """Give a machine that waits for it (`-incoming defer`) its state, and let it run. Raises InfraError."""
    _leave_memory_out(machine, deadline)
    with files.disk_errors(f"cannot read {state}"):
        data = state.read_bytes()
    try:
        with _handed_over(machine, deadline) as connection:
            machine.execute("migrate-incoming", {"uri": f"fd:{_STATE}"}, deadline)
            connection.sendall(data)
    except OSError as error:
        raise InfraError(f"QEMU does not take the guest's state: {error.strerror or error}") from error
    _wait(machine, "restore", deadline)
    machine.execute("cont", {}, deadline)


@contextmanager
def _handed_over(machine: Machine, deadline: Deadline) -> Iterator[socket.socket]:
    """Our end of a connection whose other end QEMU alone has, by the name of _STATE. Raises InfraError, OSError."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with ours:
        with its:
            machine.give(_STATE, its.fileno(), deadline)
        ours.settimeout(max(0.1, deadline.remaining()))
        yield ours


def _leave_memory_out(machine: Machine, deadline: Deadline) -> None:
    wanted = {"capabilities": [{"capability": "x-ignore-shared", "state": True}]}
    machine.execute("migrate-set-capabilities", wanted, deadline)


def _received(connection: socket.socket) -> bytes:
    parts, total = [], 0
    while data := connection.recv(1 << 20):
        parts.append(data)
        total += len(data)
        if total > STATE_BYTES:
            raise InfraError("QEMU sends the guest's memory with its state: it does not know x-ignore-shared")
    return b"".join(parts)


def _wait(machine: Machine, what: str, deadline: Deadline) -> None:
    while True:
        answer = machine.execute("query-migrate", {}, deadline)
        status = answer.get("status", "") if isinstance(answer, dict) else ""
        if status in _OVER:
            break
        if deadline.expired():
            raise InfraError(f"QEMU did not {what} the guest in time")
        clock.sleep(_POLL_SECONDS)
    if status != "completed":
        why = ""
        with suppress(AttributeError):
            why = str(answer.get("error-desc", ""))
        raise InfraError(f"QEMU could not {what} the guest: {why or machine.complaint() or status}")
