"""The host's end of the control port: a socket that QEMU connects to; every byte is kept in control.log."""

from __future__ import annotations

import socket
from pathlib import Path

from kzram_ci.base import clock, files
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError
from kzram_ci.guest.messages import Message, PortClosed, Reader

READ_BYTES = 1 << 16
POLL_BYTES = 1 << 18  # at most this much in one poll, so that a chatty guest cannot hold the caller


class ControlPort:
    """Listens on a Unix socket, logs what comes, hands it on as messages."""

    def __init__(self, path: str, log: Path, nonce: str) -> None:
        """Raises InfraError when it cannot listen."""
        self.bytes = 0
        self._reader = Reader(nonce)
        self._closed = False
        self._connection: socket.socket | None = None
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._listener.bind(path)
            self._listener.listen(1)
        except OSError as error:
            self._listener.close()
            raise InfraError(f"cannot listen for the guest on {path}: {error.strerror or error}") from error
        self._listener.setblocking(False)
        self._log = log.open("ab", buffering=0)

    def poll(self) -> list[Message | PortClosed]:
        """What came since the last call, without waiting. `PortClosed` comes once, and last."""
        found: list[Message | PortClosed] = []
        if self._closed or not self._connected():
            return found
        total = 0
        while total < POLL_BYTES and not self._closed:
            data = self._read()
            if data is None:
                break
            total += len(data)
            found += self._reader.feed(data)
            if not data:
                self._closed = True
                found.append(PortClosed())
        self.bytes += total
        return found

    def send(self, data: bytes, deadline: Deadline) -> None:
        """Send to the guest. Raises InfraError when QEMU is not there, or does not take it in time."""
        while not self._connected():
            if deadline.expired():
                raise InfraError("QEMU did not connect to the guest's control port")
            clock.sleep(0.01)
        assert self._connection is not None
        self._connection.settimeout(max(0.1, deadline.remaining()))
        try:
            self._connection.sendall(data)
        except OSError as error:
            raise InfraError(f"the guest's control port takes nothing: {error.strerror or error}") from error
        finally:
            self._connection.setblocking(False)

    def _connected(self) -> bool:
        if self._connection is None:
            try:
                self._connection = self._listener.accept()[0]
            except BlockingIOError:
                return False
            self._connection.setblocking(False)
        return True

    def _read(self) -> bytes | None:
        """Bytes, which are logged; empty: closed; None: nothing now."""
        assert self._connection is not None
        try:
            data = self._connection.recv(READ_BYTES)
        except BlockingIOError:
            return None
        except ConnectionResetError:
            return b""
        with files.disk_errors("cannot write control.log"):
            self._log.write(data)
        return data

    def close(self) -> None:
        """Close sockets and log."""
        for thing in (self._connection, self._listener, self._log):
            if thing is not None:
                thing.close()
