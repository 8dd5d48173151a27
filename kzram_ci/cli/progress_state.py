"""What is known of a run that runs, from its events alone; and the line each event is worth.

Events come from several threads: `RunState` takes them under one lock.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import assert_never

from kzram_ci.base import clock
from kzram_ci.model.cell import Plan
from kzram_ci.model.events import (
    BuildDone,
    BuildFailed,
    BuildProgress,
    BuildStarted,
    CellDone,
    CellOops,
    CellProgress,
    CellRetried,
    CellStarted,
    Event,
    Note,
)
from kzram_ci.model.outcome import Verdict
from kzram_ci.results.reports.sanitize import one_line, visible
from kzram_ci.verdict.exposure import OVERRUNS

QUIET_SECONDS = 10.0  # between two plain lines on the same subject
FOUND_KEPT = 6


class Tone(StrEnum):
    """How much a line matters, as a style of rich."""

    PLAIN = ""
    CAUTION = "yellow"
    BAD = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """What an event is worth in a log. A passing line is left out where a live view shows the same."""

    text: str
    tone: Tone = Tone.PLAIN
    passing: bool = False


@dataclass(slots=True, kw_only=True)
class RunningBuild:
    """A kernel that is built now."""

    kernel: str
    began: float
    shown: float
    done: int = 0
    total: int = 0

    def how_far(self) -> str:
        """Objects made."""
        return f"{self.done:,}/{self.total:,} objects" if self.total else f"{self.done:,} objects"

    def fraction(self) -> float | None:
        """How much is done, 0 to 1; None while it is not known."""
        return min(1.0, self.done / self.total) if self.total else None


@dataclass(slots=True, kw_only=True)
class RunningCell:
    """A cell that runs now. `goals`: counter and what is wanted of it: what ends the cell, or else its proof."""

    cell: str
    began: float
    shown: float
    goals: tuple[tuple[str, int], ...] = ()
    counters: Mapping[str, int] = field(default_factory=dict)

    def _shares(self) -> list[tuple[float, str, int, int]]:
        values = ((name, self.counters.get(name, 0), wanted) for name, wanted in self.goals)
        return sorted((min(1.0, value / wanted), name, value, wanted) for name, value, wanted in values)

    def how_far(self) -> str:
        """Exposure, the slowest goal first."""
        shares = self._shares()
        parts = [f"{name} {value:,}/{wanted:,}" for _, name, value, wanted in shares]
        if OVERRUNS in self.counters and all(name != OVERRUNS for name, _ in self.goals):
            parts.append(f"{OVERRUNS} {self.counters[OVERRUNS]:,}")
        return ", ".join(parts) or "running"

    def fraction(self) -> float | None:
        """A cell is as far as its slowest goal; None where it has none."""
        shares = self._shares()
        return shares[0][0] if shares else None


class RunState:
    """The run as its events show it. `done`: cells that had ended before it was gone on with."""

    def __init__(self, plan: Plan, done: frozenset[str] = frozenset()) -> None:
        self.lock = threading.Lock()
        self.began = clock.monotonic()
        active = [cell for cell in plan.cells if not cell.skip]
        self._goals = {
            cell.id: tuple((name, wanted) for name, wanted in cell.workload.stop or cell.expect.floors if wanted > 0)
            for cell in active
        }
        self.total = len(active)
        self._before = len(done & self._goals.keys())
        self._ended = 0
        self._first: float | None = None
        self.builds: dict[str, RunningBuild] = {}
        self.boots: dict[str, RunningCell] = {}
        self.found: list[str] = []
        self._causes: dict[str, str] = {}  # of errors, and the first kernel or cell that had them

    @property
    def finished(self) -> int:
        """Cells that have their final word, those of an earlier part of the run too."""
        return self._before + self._ended

    def take(self, event: Event) -> LogLine | None:
        """Note an event; gives the line it is worth, None when it is not time for one."""
        with self.lock:
            now = clock.monotonic()
            match event:
                case BuildStarted() | BuildProgress() | BuildDone() | BuildFailed():
                    return self._build(event, now)
                case CellStarted() | CellProgress() | CellOops() | CellRetried() | CellDone():
                    return self._cell(event, now)
                case Note(subject=subject, text=text):
                    return _line(subject, text, tone=Tone.CAUTION)
            assert_never(event)

    def _build(self, event: BuildStarted | BuildProgress | BuildDone | BuildFailed, now: float) -> LogLine | None:
        match event:
            case BuildStarted(kernel=kernel):
                self.builds[kernel] = RunningBuild(kernel=kernel, began=now, shown=now)
                return _line(kernel, "building", passing=True)
            case BuildProgress(kernel=kernel, done=done, total=total):
                build = self.builds.setdefault(kernel, RunningBuild(kernel=kernel, began=now, shown=now))
                build.done, build.total = done or build.done, total or build.total
                return _progress(kernel, build, now)
            case BuildDone(kernel=kernel, how=how):
                return _line(kernel, _took(self.builds.pop(kernel, None), now, how))
            case BuildFailed(kernel=kernel, reason=reason, cause=cause):
                text = self._once(cause, kernel, reason)
                line = _line(kernel, _took(self.builds.pop(kernel, None), now, text), tone=Tone.BAD)
                self._keep(line)
                return line
        assert_never(event)

    def _cell(
        self, event: CellStarted | CellProgress | CellOops | CellRetried | CellDone, now: float
    ) -> LogLine | None:
        match event:
            case CellStarted(cell=cell, goals=goals):
                self._first = self._first or now
                self._goals[cell] = tuple((dict(self._goals.get(cell, ())) | dict(goals)).items())
                self.boots[cell] = self._boot(cell, now)
                return _line(cell, "booting", passing=True)
            case CellProgress(cell=cell, counters=counters):
                boot = self.boots.setdefault(cell, self._boot(cell, now))
                boot.counters = counters or boot.counters
                return _progress(cell, boot, now)
            case CellOops(cell=cell, title=title):
                self._keep(_line(cell, title))
                return _line(cell, f"oops: {title}", tone=Tone.BAD)
            case CellRetried(cell=cell, reason=reason):
                return _line(cell, f"retry: {reason}", tone=Tone.CAUTION)
            case CellDone():
                return self._cell_done(event, now)
        assert_never(event)

    def _cell_done(self, event: CellDone, now: float) -> LogLine:
        self._ended += 1
        word = event.judgement
        text = f"{word.verdict}: {self._once(word.cause, event.cell, word.reason)}"
        if word.verdict not in (Verdict.OK, Verdict.SKIPPED):
            self._keep(_line(event.cell, text))
        tone = Tone.BAD if word.verdict is Verdict.FINDING else Tone.PLAIN
        took = _took(self.boots.pop(event.cell, None), now, text)
        line = _line(event.cell, f"{took} ({self.finished}/{self.total})", tone=tone)
        if not event.file:
            return line
        seen = f"{line.text}: {visible(shown_path(event.file))}"  # whole: a path that is cut opens nothing
        return replace(line, text=seen)

    def _once(self, cause: str, subject: str, reason: str) -> str:
        """The reason; where its cause was told of another subject, a reference to that."""
        first = self._causes.setdefault(cause, subject) if cause else subject
        return reason if first == subject else f"as {first}"

    def _boot(self, cell: str, now: float) -> RunningCell:
        return RunningCell(cell=cell, began=now, shown=now, goals=self._goals.get(cell, ()))

    def _keep(self, line: LogLine) -> None:
        if line.text not in self.found:
            self.found = [*self.found, line.text][-FOUND_KEPT:]

    def eta(self) -> float | None:
        """Seconds until the end, if cells go on as they went; None before the first is done."""
        if not self._ended or self._first is None or self.finished >= self.total:
            return None
        return (clock.monotonic() - self._first) / self._ended * (self.total - self.finished)


def _progress(subject: str, task: RunningBuild | RunningCell, now: float) -> LogLine | None:
    if now - task.shown < QUIET_SECONDS:
        return None
    task.shown = now
    return _line(subject, task.how_far(), passing=True)


def _took(task: RunningBuild | RunningCell | None, now: float, text: str) -> str:
    return f"{say_seconds(now - task.began)}: {text}" if task is not None else text


def shown_path(file: str) -> str:
    """A path as a person here names it: relative, unless it is elsewhere."""
    relative = os.path.relpath(file)
    return file if relative.startswith("..") else relative


def _line(subject: str, text: str, *, tone: Tone = Tone.PLAIN, passing: bool = False) -> LogLine:
    whole = f"{subject}: {text}" if subject and text else subject or text
    return LogLine(text=one_line(whole, 300), tone=tone, passing=passing)


def say_seconds(seconds: float) -> str:
    """`9 s`, `4:05`, `1:02:03`."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"
