"""Standard input for a command in the guest: a port of its own, so any bytes arrive unchanged, and their end too."""

from __future__ import annotations

import os
import select
import socket

from kzram_ci.base.errors import InfraError

READ_BYTES = 1 << 16


class StdinPort:
    """Listens on a Unix socket that QEMU connects to; hands on what a descriptor gives, as fast as the guest reads."""

    def __init__(self, path: str, source: int) -> None:
        """Raises InfraError when it cannot listen."""
        self._source = source
        self._pending = b""
        self._ended = False
        self._connection: socket.socket | None = None
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._listener.bind(path)
            self._listener.listen(1)
        except OSError as error:
            self._listener.close()
            raise InfraError(f"cannot listen for the guest on {path}: {error.strerror or error}") from error
        self._listener.setblocking(False)

    def poll(self) -> None:
        """Hand on what can be handed on without waiting."""
        if self._connection is None:
            try:
                self._connection = self._listener.accept()[0]
            except BlockingIOError:
                return
            self._connection.setblocking(False)
        while not self._ended and (self._pending or self._read()):
            try:
                self._pending = self._pending[self._connection.send(self._pending) :]
            except BlockingIOError:
                return
            except OSError:  # QEMU is gone
                self._ended = True

    def _read(self) -> bool:
        """Take the next bytes; False when there are none now, or at the end, of which the guest is told."""
        assert self._connection is not None
        if not select.select((self._source,), (), (), 0)[0]:
            return False
        self._pending = os.read(self._source, READ_BYTES)
        if not self._pending:
            self._ended = True
            # one direction only: QEMU reads what is left, and then tells the guest that nothing more will come
            self._connection.shutdown(socket.SHUT_WR)
        return not self._ended

    def waiting_for(self) -> tuple[int, ...]:
        """The descriptor that has something to hand on when it becomes readable."""
        idle = self._connection is not None and not self._pending and not self._ended
        return (self._source,) if idle else ()

    def close(self) -> None:
        """Close the sockets; the descriptor is the caller's."""
        for thing in (self._connection, self._listener):
            if thing is not None:
                thing.close()
