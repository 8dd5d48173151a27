import io
import threading
from dataclasses import replace

import pytest
import report_samples as samples
from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.base import clock
from kzram_ci.cli import progress
from kzram_ci.cli.progress import State, bar, render, say_seconds, watch
from kzram_ci.model.events import Event

CELL = samples.PLAN.cells[0]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    ticking = Clock()
    monkeypatch.setattr(clock, "monotonic", ticking)
    return ticking


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_plain_lines_are_few_and_say_how_far(time: Clock) -> None:
    stream = io.StringIO()
    with watch(samples.PLAN, stream) as listen:
        listen(Event(kind="build-start", subject="stock"))
        for done in range(0, 1200, 10):
            time.now += 0.25
            listen(Event(kind="build-progress", subject="stock", done=done, total=1200))
        listen(Event(kind="build-done", subject="stock", text="built"))
        listen(Event(kind="cell-start", subject=CELL.id))
        time.now += 11
        listen(
            Event(
                kind="cell-progress", subject=CELL.id, counters={"recompressions": 31_204, "grew": 190, "overruns": 0}
            )
        )
        listen(Event(kind="cell-progress", subject=CELL.id, counters={"recompressions": 31_300}))
        listen(Event(kind="cell-oops", subject=CELL.id, text=samples.TITLE))
        listen(Event(kind="cell-done", subject=CELL.id, text="finding: it broke"))
        listen(Event(kind="note", subject="", text="accel: tcg"))
    assert stream.getvalue().splitlines() == [
        "[    0 s] stock: building",
        "[   10 s] stock: 390/1,200 objects",
        "[   20 s] stock: 790/1,200 objects",
        "[   30 s] stock: 1,190/1,200 objects",
        "[   30 s] stock: 30 s: built",
        "[   30 s] stock/anonmutate: booting",
        "[   41 s] stock/anonmutate: recompressions 31,204/50,000, grew 190/200, overruns 0",
        f"[   41 s] stock/anonmutate: oops: {samples.TITLE}",
        "[   41 s] stock/anonmutate: 11 s: finding: it broke (1/6)",
        "[   41 s] accel: tcg",
    ]


def test_a_cell_is_as_far_as_its_slowest_goal(time: Clock) -> None:
    state = State(samples.PLAN)
    state.take(Event(kind="cell-start", subject=CELL.id))
    (task,) = state.tasks.values()
    assert state.fraction(task) == 0.0
    state.take(Event(kind="cell-progress", subject=CELL.id, counters={"recompressions": 25_000, "grew": 900}))
    assert state.fraction(task) == 0.5
    state.take(Event(kind="cell-progress", subject=CELL.id, counters={"recompressions": 99_000, "grew": 900}))
    assert state.fraction(task) == 1.0


def test_eta_counts_from_the_first_cell_and_ends(time: Clock) -> None:
    state = State(samples.PLAN)
    state.take(Event(kind="build-start", subject="stock"))
    time.now += 100
    assert state.eta() is None
    for cell in samples.PLAN.cells[:6]:
        state.take(Event(kind="cell-start", subject=cell.id))
    for number, cell in enumerate(samples.PLAN.cells[:6], start=1):
        time.now += 10
        state.take(Event(kind="cell-done", subject=cell.id, text="ok"))
        assert state.eta() == (10 * (6 - number) if number < 6 else None)
    assert not [key for key in state.tasks if key[0] == "cell"]


def test_unknown_subjects_and_kinds_are_harmless() -> None:
    state = State(samples.PLAN)
    for kind in ("cell-progress", "cell-done", "cell-oops", "build-progress", "build-done", "later-kind", "cell-x", ""):
        state.take(Event(kind=kind, subject="nobody\x1b[2J", text="\x1b]0;x\x07"))
    assert "\x1b" not in str(render(state, 80))


@given(st.integers(0, 300), st.floats(-1, 2) | st.none())
def test_bars_have_their_width(width: int, fraction: float | None) -> None:
    assert len(bar(fraction, width)) == width


@pytest.mark.parametrize("width", [1, 5, 20, 80, 100, 500])
def test_the_live_view_fits_any_width(width: int, time: Clock) -> None:
    from rich.console import Console

    state = State(samples.PLAN)
    state.take(Event(kind="build-start", subject="saved-clen"))
    state.take(Event(kind="build-progress", subject="saved-clen", done=7, total=1200))
    state.take(Event(kind="cell-start", subject=CELL.id))
    state.take(Event(kind="cell-progress", subject=CELL.id, counters={"recompressions": 31_204}))
    state.take(Event(kind="cell-oops", subject=CELL.id, text=samples.TITLE))
    stream = io.StringIO()
    Console(file=stream, width=width, force_terminal=False).print(render(state, width))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 4
    assert max(map(len, lines)) <= width
    if width >= 100:
        assert "recompressions 31,204/50,000" in stream.getvalue()
        assert "0/6 cells" in lines[-1]


@pytest.mark.parametrize("columns", ["10", "100"])
def test_live_with_many_threads(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    stream = Terminal()

    def cell(identity: str) -> None:
        listen(Event(kind="cell-start", subject=identity))
        for count in range(50):
            listen(Event(kind="cell-progress", subject=identity, counters={"recompressions": count * 1000}))
        listen(Event(kind="cell-oops", subject=identity, text="BUG \x1b[2J"))
        listen(Event(kind="cell-done", subject=identity, text="finding: BUG"))

    with watch(samples.PLAN, stream) as listen:
        threads = [threading.Thread(target=cell, args=(each.id,)) for each in samples.PLAN.cells]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    text = stream.getvalue()
    assert "\x1b[2J" not in text
    assert "\x1b[?25h" in text  # the cursor is back


def test_ci_and_dumb_terminals_get_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    for name, value in (("CI", "true"), ("TERM", "dumb")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            stream = Terminal()
            with watch(samples.PLAN, stream) as listen:
                listen(Event(kind="note", subject="", text="hello"))
            assert stream.getvalue() == "[    0 s] hello\n"


def test_a_reader_that_left_does_not_stop_the_run() -> None:
    stream = io.StringIO()
    with watch(samples.PLAN, stream) as listen:
        stream.close()
        listen(Event(kind="note", subject="", text="hello"))


def test_a_failing_block_ends_the_view(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    stream = Terminal()
    with pytest.raises(RuntimeError), watch(samples.PLAN, stream):
        raise RuntimeError
    assert "\x1b[?25h" in stream.getvalue()


def test_a_plan_without_cells() -> None:
    assert "0/0 cells" in str(render(State(replace(samples.PLAN, cells=())), 80))


def test_seconds() -> None:
    assert [say_seconds(s) for s in (0.9, 59.9, 60, 245, 3723)] == ["0 s", "59 s", "1:00", "4:05", "1:02:03"]
    assert progress.QUIET_SECONDS >= 10
