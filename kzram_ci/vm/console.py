"""Follows the raw console log that QEMU writes; the bytes in the file are never touched."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")

CHUNK_BYTES = 1 << 20
LINE_BYTES = 4096  # of a longer line only the beginning is looked at
# printed by the overrun detector, see kernels/patches/overrun-detector
_OVERRUN = re.compile(rb"zram: overrun: \d+ bytes into an object of \d+(?:, (\d+) pages compressed again)?")
# arch/x86/kernel/tsc.c, native_calibrate_cpu_early() since v2.6.28: the first number, the wrong one, is then used
_CLOCK = re.compile(rb"tsc: PIT calibration deviates from \w+: (\d+) (\d+)")
_PANIC = b"Kernel panic - not syncing"


class LineFacts:
    """What single lines tell, in constant memory: overruns, a panic, the last line that said something."""

    def __init__(self) -> None:
        self.overruns = 0
        self.recompressions = 0  # second compressions until the first overrun
        self.panicked = False
        self.bad_clock = ""  # how the kernel misjudged its clock: every time limit in this guest is wrong
        self.last_line = ""
        self._partial = b""

    def feed(self, data: bytes) -> None:
        """Take the next bytes, cut wherever the reader happened to cut them."""
        *lines, rest = (self._partial + data).split(b"\n")
        for line in lines:
            self._line(line)
        self._partial = rest[:LINE_BYTES]

    def finish(self) -> None:
        """The guest is gone: a torn last line counts as it is."""
        self._line(self._partial)
        self._partial = b""

    def _line(self, line: bytes) -> None:
        if overrun := _OVERRUN.search(line):
            self.overruns += 1
            self.recompressions = self.recompressions or int(overrun[1] or 0)
        if clock := _CLOCK.search(line):
            self._clock(int(clock[1]), int(clock[2]))
        if _PANIC in line:
            self.panicked = True
        text = line[:LINE_BYTES].decode("utf-8", "backslashreplace").strip("\r\0 ")
        if text:
            self.last_line = text

    def _clock(self, pit_khz: int, reference_khz: int) -> None:
        if not 0.9 * reference_khz < pit_khz < 1.1 * reference_khz:
            self.bad_clock = f"TSC taken for {pit_khz / 1000:.0f} MHz, not {reference_khz / 1000:.0f}"


class Console(Generic[T]):
    """Hands new console bytes to a parser and knows how many there were.

    `feed` returns what the parser finished with these bytes; `limit_bytes` is when the console counts as flooded.
    """

    def __init__(self, path: Path, feed: Callable[[bytes], list[T]], *, limit_bytes: int) -> None:
        self.path = path
        self.facts = LineFacts()
        self.bytes = 0
        self.flooded = False
        self._feed = feed
        self._limit = limit_bytes
        path.touch()
        self._handle = path.open("rb")

    def poll(self) -> list[T]:
        """Read what is new, one chunk at most: a flood must not keep the caller from its deadlines."""
        data = self._handle.read(CHUNK_BYTES)
        if not data:
            return []
        self.bytes += len(data)
        self.flooded = self.flooded or self.bytes > self._limit
        self.facts.feed(data)
        return self._feed(data)

    def drain(self) -> list[T]:
        """Read to the end (or to the limit): the machine is gone, nothing more will come."""
        found: list[T] = []
        before = -1
        while self.bytes != before and not self.flooded:
            before = self.bytes
            found += self.poll()
        self.facts.finish()
        return found

    def close(self) -> None:
        """Close the file."""
        self._handle.close()
