"""What is known of a run that runs, from its events alone; and the line each event is worth.

Events come from several threads: `RunState` takes them under one lock.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import field, replace
from enum import StrEnum
from typing import assert_never

from kzram_ci.base import clock
from kzram_ci.base.values import dataclass
from kzram_ci.model.again import base_id
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

LEAST_OBJECTS = 20  # of a build, until its pace says something
LEAST_SECONDS = 2.0  # between two samples, until they make a rate
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

    def how_far(self, now: float | None = None) -> str:
        """Objects made, and when the rest should be, at the pace so far."""
        if not self.total:
            return f"{self.done:,} objects"
        return f"{self.done:,}/{self.total:,} objects{_left(self.left(now))}"

    def left(self, now: float | None) -> float | None:
        """Seconds to go; None while that is a guess."""
        if now is None or self.done < LEAST_OBJECTS or not self.total:
            return None
        return (now - self.began) / self.done * max(0, self.total - self.done)

    def fraction(self) -> float | None:
        """How much is done, 0 to 1; None while it is not known."""
        return min(1.0, self.done / self.total) if self.total else None


@dataclass(slots=True, kw_only=True)
class RunningCell:
    """A cell that runs now. `goals`: counter and what is wanted of it: what ends the cell, or else its proof.

    `usual`: how long it took before, in seconds; 0 where that is not known.
    """

    cell: str
    began: float
    shown: float
    goals: tuple[tuple[str, int], ...] = ()
    counters: Mapping[str, int] = field(default_factory=dict)
    usual: float = 0.0
    _first: tuple[float, Mapping[str, int]] | None = None  # the first sample of this boot
    _last: float = 0.0

    def sample(self, counters: Mapping[str, int], now: float) -> None:
        """Note what the guest counted. Counters that went back are of another boot."""
        back = any(counters.get(name, 0) < value for name, value in self.counters.items() if "." not in name)
        if self._first is None or back:
            self._first = now, counters
        self.counters, self._last = counters, now

    def rate(self) -> tuple[str, float] | None:
        """The slowest goal, and how much it gains a second; None until two samples tell."""
        shares = self._shares()
        if not shares or self._first is None or self._last - self._first[0] < LEAST_SECONDS:
            return None
        _, name, value, _ = shares[0]
        return name, (value - self._first[1].get(name, 0)) / (self._last - self._first[0])

    def left(self, now: float | None) -> float | None:
        """Seconds to go: what is wanting at the rate so far, else what it took before; None where neither is known."""
        if now is None:
            return None
        if (pace := self.rate()) is not None and pace[1] > 0:
            wanting = next(wanted - value for _, name, value, wanted in self._shares() if name == pace[0])
            return max(0, wanting) / pace[1]
        return max(0.0, self.usual - (now - self.began)) or None if self.usual else None

    def _shares(self) -> list[tuple[float, str, int, int]]:
        values = ((name, self.counters.get(name, 0), wanted) for name, wanted in self.goals)
        return sorted((min(1.0, value / wanted), name, value, wanted) for name, value, wanted in values)

    def how_far(self, now: float | None = None) -> str:
        """Exposure, the slowest goal first with its rate, and when the cell should be done."""
        return f"{self._exposure()}{_left(self.left(now))}"

    def _exposure(self) -> str:
        if not self.counters:
            return "booting"
        shares, pace = self._shares(), self.rate()
        parts = [f"{name} {value:,}/{wanted:,}" for _, name, value, wanted in shares]
        if pace is not None:
            parts[0] += f" ({pace[1]:,.0f}/s)"
        if OVERRUNS in self.counters and all(name != OVERRUNS for name, _ in self.goals):
            parts.append(f"{OVERRUNS} {self.counters[OVERRUNS]:,}")
        return ", ".join(parts) or "running"

    def fraction(self) -> float | None:
        """A cell is as far as its slowest goal; None where it has none."""
        shares = self._shares()
        return shares[0][0] if shares else None


class RunState:
    """The run as its events show it.

    `done`: cells that had ended before it was gone on with. `usual`: seconds that cells took before.
    """

    def __init__(
        self, plan: Plan, done: frozenset[str] = frozenset(), usual: Mapping[str, float] | None = None
    ) -> None:
        self._usual = usual or {}
        self.lock = threading.Lock()
        self.began = clock.monotonic()
        active = [cell for cell in plan.cells if not cell.skip]
        self._goals = {
            cell.id: tuple((name, wanted) for name, wanted in cell.workload.stop or cell.expect.floors if wanted > 0)
            for cell in active
        }
        self.total = len(active)
        self._planned = {cell.id for cell in plan.cells}
        self._open = {cell.id for cell in active} - done
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
                if cell not in self._planned:  # a repeat, for time that is left
                    self._planned.add(cell)
                    self.total += 1
                self._goals[cell] = tuple((dict(self._goals.get(cell, ())) | dict(goals)).items())
                self.boots[cell] = self._boot(cell, now)
                return _line(cell, "booting", passing=True)
            case CellProgress(cell=cell, counters=counters):
                boot = self.boots.setdefault(cell, self._boot(cell, now))
                if counters:
                    boot.sample(counters, now)
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
        self._open.discard(event.cell)
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
        usual = self._usual.get(base_id(cell), 0.0)
        return RunningCell(cell=cell, began=now, shown=now, goals=self._goals.get(cell, ()), usual=usual)

    def _keep(self, line: LogLine) -> None:
        if line.text not in self.found:
            self.found = [*self.found, line.text][-FOUND_KEPT:]

    def _from_history(self) -> float | None:
        """What the cells that are left took before, one after another among as many as run now."""
        now = clock.monotonic()
        if not self._open or any(base_id(cell) not in self._usual for cell in self._open):
            return None
        going = [
            max(0.0, self._usual[base_id(cell)] - (now - boot.began))
            for cell, boot in self.boots.items()
            if base_id(cell) in self._usual
        ]
        waiting = sum(self._usual[cell] for cell in self._open if cell not in self.boots)
        return (waiting + sum(going)) / max(1, len(self.boots))

    def eta(self) -> float | None:
        """Seconds until the end: as long as cells took before, or as they went so far; None where neither is known."""
        if (known := self._from_history()) is not None:
            return known
        if not self._ended or self._first is None or self.finished >= self.total:
            return None
        return (clock.monotonic() - self._first) / self._ended * (self.total - self.finished)


def _left(seconds: float | None) -> str:
    return "" if seconds is None else f", about {say_seconds(seconds)} left"


def _progress(subject: str, task: RunningBuild | RunningCell, now: float) -> LogLine | None:
    if now - task.shown < QUIET_SECONDS:
        return None
    task.shown = now
    return _line(subject, task.how_far(now), passing=True)


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
