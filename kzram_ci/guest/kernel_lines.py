"""Facts from single lines of the kernel's log: overruns, a panic, a wrong clock, the last line. Pure."""

from __future__ import annotations

import re
from dataclasses import replace

from kzram_ci.base.values import dataclass

LINE_BYTES = 4096  # of a longer line only the beginning is looked at
# printed by the overrun detector, see kernels/patches/overrun-detector
_OVERRUN = re.compile(rb"zram: overrun: \d+ bytes into an object of \d+(?:, (\d{1,18}) pages compressed again)?")
# arch/x86/kernel/tsc.c, native_calibrate_cpu_early() since v2.6.28: the first number, the wrong one, is then used
_CLOCK = re.compile(rb"tsc: PIT calibration deviates from \w+: (\d{1,18}) (\d{1,18})")
_PANIC = b"Kernel panic - not syncing"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFacts:
    """The facts so far."""

    overruns: int = 0
    recompressions: int = 0  # recompressions until the first overrun
    panicked: bool = False
    bad_clock: str = ""  # how the kernel misjudged its clock: every time limit in this guest is wrong
    last_line: str = ""


class KernelLines:
    """Reads the log as it grows; the facts do not depend on where the reads end."""

    def __init__(self) -> None:
        self._facts = LineFacts()
        self._last = b""
        self._partial = b""

    @property
    def facts(self) -> LineFacts:
        """The facts of the lines until now."""
        return replace(self._facts, last_line=_text(self._last))

    def feed(self, data: bytes) -> None:
        """Take the next bytes, cut wherever the reader happened to cut them."""
        *lines, rest = (self._partial + data).split(b"\n")
        for line in lines:
            self._line(line)
        self._partial = rest[:LINE_BYTES]

    def finish(self) -> None:
        """The guest is gone: a torn last line counts like a whole one."""
        self._line(self._partial)
        self._partial = b""

    def _line(self, line: bytes) -> None:
        line = line[:LINE_BYTES]
        if line.strip(b"\r\0 "):
            self._last = line
        if overrun := _OVERRUN.search(line):
            before = self._facts.recompressions or int(overrun[1] or 0)
            self._facts = replace(self._facts, overruns=self._facts.overruns + 1, recompressions=before)
        if (clock := _CLOCK.search(line)) and (bad := _bad_clock(int(clock[1]), int(clock[2]))):
            self._facts = replace(self._facts, bad_clock=bad)
        if _PANIC in line and not self._facts.panicked:
            self._facts = replace(self._facts, panicked=True)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "backslashreplace").strip("\r\0 ")


def _bad_clock(pit_khz: int, reference_khz: int) -> str:
    if 0.9 * reference_khz < pit_khz < 1.1 * reference_khz:
        return ""
    return f"TSC taken for {pit_khz / 1000:.0f} MHz, not {reference_khz / 1000:.0f}"
