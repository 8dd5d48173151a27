"""A stream whose reader may stall: a pager that is not read, a terminal stopped by Ctrl-S, a full pipe.

Guests are timed, so what tells people how far they are must never wait for people.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from contextlib import suppress

PATIENCE = 0.2  # seconds that a writer waits, once, so that standard error and output keep their order
LAST_PATIENCE = 2.0  # at the end of a command
LAST_TURNS = (
    15  # as often, while the reader takes what there is: on a busy host the thread that writes waits for its turn
)
MOST = 1 << 20  # bytes kept for a reader that stalls; what comes then is lost


class Unhurried:
    """Writes to a descriptor in a thread of its own, past Python's buffers: a stalled write would keep their locks."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting: deque[bytes] = deque()
        self._size, self._stalled, self._closed = 0, False, False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def write(self, data: bytes) -> None:
        """Write, or leave it to be written. Never an error: what cannot be written is lost."""
        with self._changed:
            if self._closed or not data or self._size + len(data) > MOST:
                return
            self._waiting.append(data)
            self._size += len(data)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="stderr", daemon=True)
                self._thread.start()
            self._changed.notify_all()
            self.drain(PATIENCE)

    def drain(self, seconds: float = LAST_PATIENCE) -> None:
        """Wait until all is written; not for a reader that stalled before."""
        with self._changed:
            if not self._stalled:
                self._stalled = not self._changed.wait_for(self._is_empty, seconds)

    def close(self) -> None:
        """Write nothing more: what a stalled reader has not read by now is lost.

        That it was slow before says nothing: the last line is mostly the error that ends the command.
        """
        with self._changed:
            for _ in range(LAST_TURNS):
                if self._changed.wait_for(self._is_empty, LAST_PATIENCE) or not self._takes_more():
                    break
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()

    def _takes_more(self) -> bool:
        with suppress(OSError, ValueError):  # closed
            return bool(select.select([], [self._descriptor], [], 0)[1])
        return False

    def _is_empty(self) -> bool:
        return self._size == 0

    def _has_work(self) -> bool:
        return bool(self._waiting) or self._closed

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work)
                if not self._waiting:
                    return
                data = self._waiting.popleft()
            with suppress(OSError):
                self._put(data)
            with self._changed:
                self._size -= len(data)
                self._stalled = self._stalled and self._size > 0
                self._changed.notify_all()

    def _put(self, data: bytes) -> None:
        while data and not self._closed:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:  # someone made it non-blocking: of a pipe both ends share that
                select.select([], [self._descriptor], [])
