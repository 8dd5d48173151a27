"""Where the time of a run goes: named spans of time, by the thread that spent it, as a file in Chrome's trace format.

Off until `recording`, and then nearly free: a span is two readings of the clock. The file opens in ui.perfetto.dev,
chrome://tracing or speedscope. What runs in another process is not seen.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kzram_ci.base import clock, files

MOST = 200_000  # events of a run; a span is some 150 bytes of the file


@dataclass(slots=True)
class _Recorder:
    origin: float
    events: list[dict[str, Any]] = field(default_factory=list)
    threads: dict[int, str] = field(default_factory=dict)
    lost: int = 0

    def add(self, event: dict[str, Any]) -> None:
        """From any thread: appending to a list is one step of the interpreter."""
        thread = threading.current_thread()
        self.threads.setdefault(thread.native_id or 0, thread.name)
        if len(self.events) < MOST:
            self.events.append({"pid": os.getpid(), "tid": thread.native_id or 0, **event})
        else:
            self.lost += 1

    def micros(self, at: float) -> int:
        return round(1e6 * (at - self.origin))


_recorder: _Recorder | None = None


@contextmanager
def span(name: str, kind: str, **facts: object) -> Iterator[None]:
    """The block as a span, however it ends. `kind` groups spans of one sort: as build, boot or judge."""
    recorder = _recorder
    if recorder is None:
        yield
        return
    began = clock.monotonic()
    try:
        yield
    finally:
        _add(recorder, name, kind, began, clock.monotonic(), facts)


def past(name: str, kind: str, began: float, seconds: float, **facts: object) -> None:
    """A span that is over, of which another clock told: `began` by this process's monotonic clock."""
    if _recorder is not None:
        _add(_recorder, name, kind, began, began + seconds, facts)


def mark(name: str, kind: str, **facts: object) -> None:
    """A moment."""
    if _recorder is not None:
        at = _recorder.micros(clock.monotonic())
        _recorder.add({"name": name, "cat": kind, "ph": "i", "s": "t", "ts": at, "args": _words(facts)})


def _add(recorder: _Recorder, name: str, kind: str, began: float, ended: float, facts: dict[str, object]) -> None:
    start = recorder.micros(began)
    length = max(0, recorder.micros(ended) - start)
    recorder.add({"name": name, "cat": kind, "ph": "X", "ts": start, "dur": length, "args": _words(facts)})


def _words(facts: dict[str, object]) -> dict[str, object]:
    return {key: value if isinstance(value, int | float) else str(value) for key, value in facts.items()}


@contextmanager
def recording(path: Path | None) -> Iterator[None]:
    """Record the spans of the block, and write them to a file at its end, however it ends; without a path do nothing.

    Raises UserError or InfraError when the file cannot be written, before the block begins as far as that can be known.
    """
    global _recorder
    if path is None:
        yield
        return
    if not files.is_special(path):
        files.write_named(path, "{}\n")
    recorder = _recorder = _Recorder(clock.monotonic())
    try:
        yield
    finally:
        _recorder = None
        files.write_named(path, json.dumps(_document(recorder), indent=2, sort_keys=True) + "\n")


def _document(recorder: _Recorder) -> dict[str, Any]:
    names = [
        {"name": "thread_name", "ph": "M", "pid": os.getpid(), "tid": number, "args": {"name": name}}
        for number, name in recorder.threads.items()
    ]
    events = sorted(recorder.events, key=lambda event: event["ts"])
    return {"displayTimeUnit": "ms", "otherData": {"lost": recorder.lost}, "traceEvents": [*names, *events]}
