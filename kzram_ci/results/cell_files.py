"""What a finished cell left on disk, read once for the reports."""

from __future__ import annotations

from pathlib import Path

from kzram_ci.guest.messages import LINE_BYTES
from kzram_ci.model.layout import CellFile
from kzram_ci.results.layout import CellDir
from kzram_ci.results.reports.sanitize import decode
from kzram_ci.results.reports.shown import Shown
from kzram_ci.results.reports.timeline import Timeline, timeline

HEAD_BYTES = 48 << 10  # of a console that is longer than both: how it booted
TAIL_BYTES = 144 << 10  # and how it ended
CONTROL_BYTES = 64 << 20  # a guest may write for ever


def shown(place: CellDir) -> Shown:
    """Its console (the beginning and the end of a long one), its counters over time, and QEMU's command line."""
    return Shown(
        console=_console(place.file(CellFile.CONSOLE)),
        timeline=_timeline(place.file(CellFile.CONTROL)),
        command=place.qemu_command(),
    )


def tail(path: Path, size: int) -> bytes:
    """The last bytes of a file; none where it is not there."""
    try:
        with path.open("rb") as handle:
            handle.seek(max(0, path.stat().st_size - size))
            return handle.read(size)
    except OSError:
        return b""


def _console(path: Path) -> str:
    try:
        size = path.stat().st_size
        with path.open("rb") as handle:
            if size <= HEAD_BYTES + TAIL_BYTES:
                return decode(handle.read(HEAD_BYTES + TAIL_BYTES))
            head = handle.read(HEAD_BYTES)
    except OSError:
        return ""
    missing = size - HEAD_BYTES - TAIL_BYTES
    return f"{decode(head)}\n[… {missing:,} bytes are only in {path.name} …]\n{decode(tail(path, TAIL_BYTES))}"


def _timeline(path: Path) -> Timeline:
    try:
        with path.open("rb") as handle:
            left, lines = CONTROL_BYTES, []
            while left > 0 and (line := handle.readline(min(left, LINE_BYTES))):
                left -= len(line)
                lines.append(line)
            return timeline(lines)
    except OSError:
        return Timeline()
