"""Follows the raw console log that QEMU writes; the bytes in the file are never touched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

CHUNK_BYTES = 1 << 20


class Console:
    """Hands on new bytes of the console log, and knows how many there were."""

    def __init__(self, path: Path, *, limit_bytes: int) -> None:
        """Above `limit_bytes` the console counts as flooded."""
        self.path = path
        self.bytes = 0
        self._limit = limit_bytes
        path.touch()
        self._handle = path.open("rb")

    @property
    def flooded(self) -> bool:
        """Whether more came than any guest needs."""
        return self.bytes > self._limit

    def poll(self) -> bytes:
        """What is new, one chunk at most: a flood must not keep the caller from its deadlines."""
        data = self._handle.read(CHUNK_BYTES)
        self.bytes += len(data)
        return data

    def drain(self) -> Iterator[bytes]:
        """Chunks to the end, or to the limit: the machine is gone, nothing more will come."""
        while not self.flooded and (data := self.poll()):
            yield data

    def close(self) -> None:
        """Close the file."""
        self._handle.close()
