"""What a run shows while it runs: a live view on a terminal, plain lines when piped or in CI.

Events come from several threads. `State` takes them under one lock; the two views only read it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import IO, Any

from kzram_ci.base import clock
from kzram_ci.model.cell import Cell, Plan
from kzram_ci.model.events import Event, Listener
from kzram_ci.results.reports.sanitize import one_line
from kzram_ci.results.reports.table import printable

QUIET_SECONDS = 10.0  # between two plain lines on the same subject
REFRESH_PER_SECOND = 4
FOUND_KEPT = 6


@dataclass(slots=True)
class Task:
    """A build or a cell that runs now."""

    subject: str
    began: float
    kind: str
    done: int = 0
    total: int = 0
    text: str = ""
    counters: Mapping[str, int] = field(default_factory=dict)
    said: float = 0.0


class State:
    """What is known of the run, from events alone. All methods are safe to call from any thread."""

    def __init__(self, plan: Plan) -> None:
        self.lock = threading.Lock()
        self.began = clock.monotonic()
        self.cells: dict[str, Cell] = {cell.id: cell for cell in plan.cells}
        self.total = sum(1 for cell in plan.cells if not cell.skip)
        self.finished = 0
        self.first_cell: float | None = None
        self.tasks: dict[tuple[str, str], Task] = {}
        self.found: list[str] = []

    def take(self, event: Event) -> str | None:
        """Note an event; gives the line worth a place in a log, or None when it is not time for one."""
        with self.lock:
            now = clock.monotonic()
            family, _, step = event.kind.partition("-")
            key = (family, event.subject)
            if family not in ("build", "cell"):
                return _line(event.subject, event.text)
            if step == "start":
                self.tasks[key] = Task(event.subject, now, family, text=event.text, said=now)
                self.first_cell = now if family == "cell" and self.first_cell is None else self.first_cell
                return _line(event.subject, f"{'building' if family == 'build' else 'booting'} {event.text}")
            if step == "progress":
                return self._progress(self.tasks.setdefault(key, Task(event.subject, now, family)), event, now)
            return self._step(key, event, step, now)

    def _progress(self, task: Task, event: Event, now: float) -> str | None:
        task.done, task.total = event.done or task.done, event.total or task.total
        task.text, task.counters = event.text or task.text, event.counters or task.counters
        if now - task.said < QUIET_SECONDS:
            return None
        task.said = now
        return _line(event.subject, self.how_far(task))

    def _step(self, key: tuple[str, str], event: Event, step: str, now: float) -> str:
        if step == "done":
            task = self.tasks.pop(key, None)
            self.finished += key[0] == "cell"
            took = f"{say_seconds(now - task.began)}: " if task is not None else ""
            count = f" ({self.finished}/{self.total})" if key[0] == "cell" else ""
            if not event.text.startswith(("ok", "skipped")) and key[0] == "cell":
                self._keep(_line(event.subject, event.text))
            what = event.text or ("built" if key[0] == "build" else "done")
            return _line(event.subject, f"{took}{what}{count}")
        if step == "oops":
            self._keep(_line(event.subject, event.text))
        return _line(event.subject, f"{step}: {event.text}")

    def _keep(self, line: str) -> None:
        if line not in self.found:
            self.found = [*self.found, line][-FOUND_KEPT:]

    def how_far(self, task: Task) -> str:
        """Progress in words: objects of a build; exposure of a cell, its slowest goal first."""
        if task.kind == "build":
            return f"{task.done:,}/{task.total:,} objects" if task.total else task.text or f"{task.done:,} objects"
        goals = sorted(self.goals(task), key=lambda goal: goal[1] / goal[2])
        parts = [f"{name} {value:,}/{wanted:,}" for name, value, wanted in goals]
        if "overruns" in task.counters and all(name != "overruns" for name, _, _ in goals):
            parts.append(f"overruns {task.counters['overruns']:,}")
        return ", ".join(parts) or task.text or "running"

    def goals(self, task: Task) -> list[tuple[str, int, int]]:
        """(counter, value, wanted) of a cell: what ends it, or else the proof it needs."""
        cell = self.cells.get(task.subject)
        if cell is None:
            return []
        goals = cell.workload.stop or cell.expect.floors
        return [(name, task.counters.get(name, 0), wanted) for name, wanted in goals if wanted > 0]

    def fraction(self, task: Task) -> float | None:
        """How much is done, 0 to 1; None when nobody can tell. A cell is as far as its slowest goal."""
        if task.kind == "build":
            return min(1.0, task.done / task.total) if task.total else None
        goals = self.goals(task)
        return min(min(1.0, value / wanted) for _, value, wanted in goals) if goals else None

    def eta(self) -> float | None:
        """Seconds until the end, if cells go on as they went; None before the first is done."""
        if not self.finished or self.first_cell is None or self.finished >= self.total:
            return None
        return (clock.monotonic() - self.first_cell) / self.finished * (self.total - self.finished)


def _line(subject: str, text: str) -> str:
    return one_line(f"{subject}: {text}" if subject and text else subject or text, 300)


def say_seconds(seconds: float) -> str:
    """`9 s`, `4:05`, `1:02:03`."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def bar(fraction: float | None, width: int) -> str:
    """A bar of exactly `width` characters that any terminal can show."""
    if fraction is None:
        return " " * width
    full = round(max(0.0, min(1.0, fraction)) * width)
    return "#" * full + "-" * (width - full)


@contextmanager
def watch(plan: Plan, stream: IO[str], *, plain: bool | None = None) -> Iterator[Listener]:
    """Show a run on a stream; yields the listener to hand to the run.

    Plain lines when the stream is no terminal, is a dumb one, or $CI is set; `plain` overrules.
    """
    state = State(plan)
    if plain is None:
        plain = not stream.isatty() or bool(os.environ.get("CI")) or os.environ.get("TERM") == "dumb"
    if plain:
        yield _plain_listener(state, stream)
        return
    with _live(state, stream) as listener:
        yield listener


def watch_builds(stream: IO[str]) -> AbstractContextManager[Listener]:
    """As `watch`, for kernels outside a run."""
    return watch(Plan(name="build", cells=()), stream)


def _plain_listener(state: State, stream: IO[str]) -> Listener:
    writing = threading.Lock()

    def listen(event: Event) -> None:
        line = state.take(event)
        if line is None:
            return
        with writing:
            try:
                stream.write(printable(f"[{say_seconds(clock.monotonic() - state.began):>7}] {line}\n", stream))
                stream.flush()
            except (OSError, ValueError):
                return  # whoever watched is gone; the run and its results go on

    return listen


@contextmanager
def _live(state: State, stream: IO[str]) -> Iterator[Listener]:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(file=stream, highlight=False)

    def listen(event: Event) -> None:
        line = state.take(event)
        if line is not None and event.kind in ("build-done", "cell-done", "cell-oops", "cell-retry", "note"):
            console.print(Text(line, style=_style(event)))

    with Live(
        console=console,
        get_renderable=lambda: render(state, console.width),
        refresh_per_second=REFRESH_PER_SECOND,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=True,  # what others write to stderr goes above the view, not through it
    ):
        yield listen


def _style(event: Event) -> str:
    if event.kind == "cell-oops" or (event.kind == "cell-done" and event.text.startswith("finding")):
        return "red"
    return "yellow" if event.kind in ("cell-retry", "note") else ""


def render(state: State, width: int) -> Any:
    """The live view as rich text: one line a task, then what was found, then the whole run. Never wraps."""
    from rich.text import Text

    with state.lock:
        lines = [_task_line(state, task, width) for task in state.tasks.values()]
        found = [Text(f"! {line}", style="red") for line in state.found]
        overall = _overall(state, width)
    everything = [*lines, *found, Text(overall, style="bold")]
    for text in everything:
        text.truncate(max(1, width), overflow="ellipsis")
    return Text("\n").join(everything)


def _task_line(state: State, task: Task, width: int) -> Any:
    from rich.text import Text

    space = max(0, min(24, width // 5))
    fraction = state.fraction(task)
    text = Text(f"{say_seconds(clock.monotonic() - task.began):>7} ")
    if space >= 6:
        text.append(f"[{bar(fraction, space)}] ", style="cyan" if task.kind == "cell" else "blue")
    text.append(f"{'build ' if task.kind == 'build' else ''}{one_line(task.subject, 60)} ", style="bold")
    text.append(one_line(state.how_far(task)))
    return text


def _overall(state: State, width: int) -> str:
    eta = state.eta()
    left = f", about {say_seconds(eta)} left" if eta is not None else ""
    space = max(0, min(24, width // 5))
    drawn = f"[{bar(state.finished / state.total if state.total else None, space)}] " if space >= 6 else ""
    elapsed = say_seconds(clock.monotonic() - state.began)
    return f"{elapsed:>7} {drawn}{state.finished}/{state.total} cells{left}"
