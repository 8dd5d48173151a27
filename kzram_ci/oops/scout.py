"""The fast search: where a block of bytes may hold a headline."""

from __future__ import annotations

from kzram_ci.oops import catalogue


class Scout:
    """Finds the next byte of a block that may begin a headline; every literal is searched once."""

    def __init__(self, block: bytes) -> None:
        """Every literal is looked for up to its first place."""
        self._block = block
        self._next = {needle: block.find(needle) for needle in catalogue.MARKS}
        self._next = {needle: at for needle, at in self._next.items() if at >= 0}

    def next(self, start: int) -> int | None:
        """Offset of the first literal at or after `start`."""
        for needle, known in list(self._next.items()):
            if known >= start:
                continue
            at = self._block.find(needle, start)
            if at < 0:
                del self._next[needle]
            else:
                self._next[needle] = at
        return min(self._next.values(), default=None)
