"""What a run shows while it runs: a live view on a terminal, plain lines when piped or in CI."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import IO, Any

from kzram_ci.base import clock
from kzram_ci.cli.output import terminal_of
from kzram_ci.cli.progress_state import RunningBuild, RunningCell, RunState, say_seconds
from kzram_ci.model.cell import Plan
from kzram_ci.model.events import Event, Listener
from kzram_ci.results.reports.sanitize import one_line
from kzram_ci.results.reports.table import printable

REFRESH_PER_SECOND = 4
NARROW = 60  # columns


def bar(fraction: float | None, width: int) -> str:
    """A bar of exactly `width` characters that any terminal can show."""
    if fraction is None:
        return " " * width
    full = round(max(0.0, min(1.0, fraction)) * width)
    return "#" * full + "-" * (width - full)


@contextmanager
def watch(
    plan: Plan,
    stream: IO[str],
    *,
    done: frozenset[str] = frozenset(),
    usual: Mapping[str, float] | None = None,
    plain: bool | None = None,
) -> Iterator[Listener]:
    """Show a run on a stream; yields the listener to hand to the run. `done`: cells that had ended before;
    `usual`: how long cells took before.

    Plain lines when the stream is not a terminal that takes escapes, or $CI is set; `plain` overrules.
    """
    state = RunState(plan, done, usual)
    if plain is None:
        terminal = terminal_of(stream)
        plain = terminal is None or not terminal.styled or bool(os.environ.get("CI"))
    if plain:
        yield _plain_listener(state, stream)
        return
    with _live(state, stream) as listener:
        yield listener


def watch_builds(stream: IO[str]) -> AbstractContextManager[Listener]:
    """As `watch`, for kernels outside a run."""
    return watch(Plan(name="build", cells=()), stream)


def _plain_listener(state: RunState, stream: IO[str]) -> Listener:
    writing = threading.Lock()

    def listen(event: Event) -> None:
        line = state.take(event)
        if line is None:
            return
        with writing:
            try:
                stream.write(printable(f"[{say_seconds(clock.monotonic() - state.began):>7}] {line.text}\n", stream))
                stream.flush()
            except (OSError, ValueError):
                return  # the reader is gone; the run and its results go on

    return listen


@contextmanager
def _live(state: RunState, stream: IO[str]) -> Iterator[Listener]:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(file=stream, highlight=False)

    def listen(event: Event) -> None:
        line = state.take(event)
        if line is not None and not line.passing:
            console.print(Text(line.text, style=line.tone), soft_wrap=True)  # whole paths stay copyable

    with Live(
        console=console,
        get_renderable=lambda: render(state, console.width),
        refresh_per_second=REFRESH_PER_SECOND,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=True,  # what others write to stderr goes above the view, not through it
    ):
        yield listen


def render(state: RunState, width: int) -> Any:
    """The live view as rich text: a line or two a task, then what was found, then the whole run. Never wraps."""
    from rich.text import Text

    with state.lock:
        tasks: list[RunningBuild | RunningCell] = [*state.builds.values(), *state.boots.values()]
        lines = [line for task in tasks for line in _task_lines(task, width)]
        found = [Text(f"! {line}", style="red") for line in state.found]
        overall = _overall(state, width)
    everything = [*lines, *found, Text(overall, style="bold")]
    for text in everything:
        text.truncate(max(1, width), overflow="ellipsis")
    return Text("\n").join(everything)


def _task_lines(task: RunningBuild | RunningCell, width: int) -> list[Any]:
    """A line; on a narrow terminal two, since a name alone fills one."""
    from rich.text import Text

    now = clock.monotonic()
    space = max(0, min(24, width // 5))
    name, style = (f"build {task.kernel}", "blue") if isinstance(task, RunningBuild) else (task.cell, "cyan")
    text = Text(f"{say_seconds(now - task.began):>7} ")
    if width < NARROW:
        text.append(one_line(name, 60), style="bold")
        return [text, Text(f"        {one_line(task.how_far(now))}")]
    if space >= 6:
        text.append(f"[{bar(task.fraction(), space)}] ", style=style)
    text.append(f"{one_line(name, 60)} ", style="bold")
    text.append(one_line(task.how_far(now)))
    return [text]


def _overall(state: RunState, width: int) -> str:
    eta = state.eta()
    left = f", about {say_seconds(eta)} left" if eta is not None else ""
    space = max(0, min(24, width // 5))
    share = state.finished / state.total if state.total else None
    drawn = f"[{bar(share, space)}] " if width >= NARROW else ""
    elapsed = say_seconds(clock.monotonic() - state.began)
    return f"{elapsed:>7} {drawn}{state.finished}/{state.total} cells{left}"
