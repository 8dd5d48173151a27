"""What a test of the plan's own leaves in the cell's directory: its output, the files that come back, its tests."""

from __future__ import annotations

import posixpath
import shutil
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from kzram_ci.base import files
from kzram_ci.guest.messages import FileEnd, FilePiece, Output
from kzram_ci.ktap import Parser, Report
from kzram_ci.model.evidence import Evidence
from kzram_ci.model.layout import RESULTS, CellFile
from kzram_ci.model.points import BAD, Point
from kzram_ci.model.workload import OwnTest
from kzram_ci.run.boot_state import Input

# What kztest keeps to in the guest, and some more: the guest chooses every byte
STREAM_BYTES = 8 << 20
RESULTS_BYTES = 16 << 20
MOST_POINTS = 20_000
MOST_OUTPUT = 200  # tests that failed, with what they printed
LAST_CHARS = 200
_STREAMS = {"stdout": CellFile.STDOUT, "stderr": CellFile.STDERR}


class Collected:
    """A sink of the control port's messages; every byte is on disk as soon as it came."""

    def __init__(self, directory: Path, own: OwnTest | None) -> None:
        """Raises InfraError (disk). Without a test of the plan's own, nothing is kept."""
        self._own = own or OwnTest()
        self._root = directory / RESULTS
        self._open: dict[str, BinaryIO] = {}
        self._written: dict[str, int] = {}
        self._ktap = Parser()
        self._last = {name: b"" for name in _STREAMS}
        self._problems: dict[int, str] = {}
        self._room = RESULTS_BYTES
        with files.disk_errors(f"cannot write into {directory}"):
            shutil.rmtree(self._root, ignore_errors=True)
            for name in _STREAMS.values():
                (directory / name).unlink(missing_ok=True)
            if own is not None:
                directory.mkdir(parents=True, exist_ok=True)
                self._open = {stream: (directory / name).open("wb", buffering=0) for stream, name in _STREAMS.items()}

    def observe(self, given: Input) -> None:
        """Take what belongs here out of the inputs of a boot. Raises InfraError (disk)."""
        if isinstance(given, Output):
            self._output(given)
        elif isinstance(given, FilePiece):
            self._piece(given)
        elif isinstance(given, FileEnd) and given.index < len(self._own.results):
            self._problems[given.index] = given.problem
            if not given.problem:
                self._append(given.index, b"")  # an empty file is a file

    def _output(self, given: Output) -> None:
        room = STREAM_BYTES - self._written.get(given.stream, 0)
        if (stream := self._open.get(given.stream)) is None or room <= 0:
            return
        data = given.data[:room]
        self._written[given.stream] = self._written.get(given.stream, 0) + len(data)
        with files.disk_errors(f"cannot write {_STREAMS[given.stream]}"):
            stream.write(data)
        if given.stream == "stdout":
            self._ktap.feed(data)
        self._last[given.stream] = (self._last[given.stream] + data)[-4 * LAST_CHARS :]

    def _piece(self, given: FilePiece) -> None:
        if given.index < len(self._own.results) and self._room > 0:
            data = given.data[: self._room]
            self._room -= len(data)
            self._append(given.index, data)

    def _append(self, index: int, data: bytes) -> None:
        path = self._root / result_place(self._own.results[index])
        with files.disk_errors(f"cannot write {path}"):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as out:
                out.write(data)

    def close(self) -> None:
        """Close the files."""
        for stream in self._open.values():
            stream.close()

    def added(self, evidence: Evidence, console: Path | None = None) -> Evidence:
        """The evidence of the boot, with what the test told: on its standard output, or the kernel on its console."""
        if not self._open:
            return evidence
        report = self._ktap.finish() if console is None else _on_console(console)
        bailed = () if report.bailed is None else (f"it bailed out: {report.bailed}",)
        lost = [
            f"{name} did not come back" + (f": {self._problems[index]}" if index in self._problems else "")
            for index, name in enumerate(self._own.results)
            if self._problems.get(index, "the guest went away")
        ]
        return replace(
            evidence,
            points=kept(report.points()),
            point_problems=(*bailed, *report.problems),
            lost_results=tuple(lost),
            last_words=_last_line(self._last["stderr"]) or _last_line(self._last["stdout"]),
        )


def _on_console(path: Path) -> Report:
    parser = Parser()
    with files.disk_errors(f"cannot read {path}"), path.open("rb") as console:
        while piece := console.read(1 << 20):
            parser.feed(piece)
    return parser.finish()


def result_place(name: str) -> str:
    """Where a result lies below the folder of results, wherever the guest had it."""
    plain = posixpath.normpath(f"/{name}").lstrip("/")
    return plain if plain and plain != "." else "unnamed"


def kept(points: tuple[Point, ...]) -> tuple[Point, ...]:
    """The test points that a result carries: with output only where they failed, and not without end."""
    shown, left = [], MOST_OUTPUT
    for point in points[:MOST_POINTS]:
        loud = point.status in BAD and left > 0
        left -= loud
        shown.append(point if loud or not point.output else replace(point, output=""))
    return tuple(shown)


def _last_line(data: bytes) -> str:
    lines = [line for line in data.decode("utf-8", "backslashreplace").splitlines() if line.strip()]
    return lines[-1].strip()[:LAST_CHARS] if lines else ""
