"""From console bytes to the oopses that evidence carries, with the raw lines of each in a file of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from kzram_ci.base import workspace
from kzram_ci.model.evidence import OopsSummary

TEXT_BYTES = 32_768  # of the raw text in results; the file has it all
KEPT = 50


class SplatParser(Protocol):
    """What finds oopses in a stream of console bytes."""

    def feed(self, data: bytes) -> list[Any]:
        """Take bytes, return the oopses that are complete now."""

    def finish(self) -> list[Any]:
        """The stream ended: return what was still open."""


def stream_parser() -> SplatParser:
    """A fresh parser."""
    from kzram_ci.oops import StreamParser

    parser: SplatParser = StreamParser()
    return parser


class Splats:
    """Collects oopses while the console grows; closed once the host itself asks the guest for stacks."""

    def __init__(self, parser: SplatParser) -> None:
        self.found: list[Any] = []
        self._parser = parser
        self._closed = False

    def feed(self, data: bytes) -> list[Any]:
        """The console's callback."""
        if self._closed:
            return []
        return self._keep(self._parser.feed(data))

    def close(self) -> list[Any]:
        """Nothing that comes later counts: sysrq's stacks are our doing, not the kernel's complaint."""
        if self._closed:
            return []
        self._closed = True
        return self._keep(self._parser.finish())

    def _keep(self, oopses: list[Any]) -> list[Any]:
        self.found += oopses[: max(0, KEPT - len(self.found))]
        return oopses

    def write(self, directory: Path, console: Path) -> tuple[OopsSummary, ...]:
        """Write oops-N.txt (raw bytes from the console log) and return what results carry."""
        summaries = []
        with workspace.disk_errors(f"cannot write oopses to {directory}"), console.open("rb") as handle:
            for number, oops in enumerate(self.found, start=1):
                handle.seek(oops.start)
                raw = handle.read(max(0, oops.end - oops.start))
                name = f"oops-{number}.txt"
                (directory / name).write_bytes(raw)
                summaries.append(_summary(oops, raw, name))
        return tuple(summaries)


def _summary(oops: Any, raw: bytes, name: str) -> OopsSummary:
    return OopsSummary(
        title=oops.title,
        type=oops.type,
        function=oops.function,
        signature=oops.signature,
        corrupted=oops.corrupted,
        frames=tuple(frame.function for frame in oops.frames if frame.reliable),
        text=raw[:TEXT_BYTES].decode("utf-8", "backslashreplace"),
        file=name,
    )
