import io
import threading
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
import report_samples as samples
from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.base import clock
from kzram_ci.cli import progress_state
from kzram_ci.cli.progress import bar, render, watch
from kzram_ci.cli.progress_state import RunState, Tone, say_seconds
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
from kzram_ci.model.evidence import Judgement
from kzram_ci.model.outcome import Outcome, Verdict

CELL = samples.PLAN.cells[0]
OK = Judgement(outcome=Outcome.PASS, verdict=Verdict.OK, reason="fine")


def finding(reason: str) -> Judgement:
    return Judgement(outcome=Outcome.OOPS, verdict=Verdict.FINDING, reason=reason)


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
        listen(BuildStarted(kernel="stock"))
        for done in range(0, 1200, 10):
            time.now += 0.25
            listen(BuildProgress(kernel="stock", done=done, total=1200))
        listen(BuildDone(kernel="stock", how="built"))
        listen(CellStarted(cell=CELL.id))
        time.now += 11
        listen(CellProgress(cell=CELL.id, counters={"recompressions": 31_204, "grew": 190, "overruns": 0}))
        listen(CellProgress(cell=CELL.id, counters={"recompressions": 31_300}))
        listen(CellOops(cell=CELL.id, title=samples.TITLE))
        listen(CellDone(cell=CELL.id, judgement=finding("it broke")))
        listen(Note(subject="", text="accel: tcg"))
    assert stream.getvalue().splitlines() == [
        "[    0 s] stock: building",
        "[   10 s] stock: 390/1,200 objects, about 20 s left",
        "[   20 s] stock: 790/1,200 objects, about 10 s left",
        "[   30 s] stock: 1,190/1,200 objects, about 0 s left",
        "[   30 s] stock: 30 s: built",
        "[   30 s] stock/anonmutate: booting",
        "[   41 s] stock/anonmutate: recompressions 31,204/50,000, grew 190/200, overruns 0",
        f"[   41 s] stock/anonmutate: oops: {samples.TITLE}",
        "[   41 s] stock/anonmutate: 11 s: finding: it broke (1/6)",
        "[   41 s] accel: tcg",
    ]


def test_a_cell_is_as_far_as_its_slowest_goal(time: Clock) -> None:
    state = RunState(samples.PLAN)
    state.take(CellStarted(cell=CELL.id))
    (task,) = state.boots.values()
    assert task.fraction() == 0.0
    state.take(CellProgress(cell=CELL.id, counters={"recompressions": 25_000, "grew": 900}))
    assert task.fraction() == 0.5
    state.take(CellProgress(cell=CELL.id, counters={"recompressions": 99_000, "grew": 900}))
    assert task.fraction() == 1.0


def test_a_goal_that_is_known_once_the_cell_starts(time: Clock) -> None:
    state = RunState(samples.PLAN)
    state.take(CellStarted(cell=CELL.id, goals=(("grew", 800),)))
    (task,) = state.boots.values()
    state.take(CellProgress(cell=CELL.id, counters={"recompressions": 99_000, "grew": 200}))
    assert task.fraction() == 0.25


def test_a_cell_says_its_rate_and_when_it_should_be_done(time: Clock) -> None:
    state = RunState(samples.PLAN, usual={CELL.id: 90.0})
    state.take(CellStarted(cell=CELL.id))
    boot = state.boots[CELL.id]
    assert boot.how_far() == "booting"
    time.now += 30
    assert boot.how_far(time.now) == "booting, about 1:00 left"  # as long as it took before
    state.take(CellProgress(cell=CELL.id, counters={name: 0 for name, _ in boot.goals}))
    time.now += 10
    state.take(CellProgress(cell=CELL.id, counters={name: bound // 4 for name, bound in boot.goals}))
    goal, wanted = sorted(boot.goals)[0]  # all are as far: the first by name is shown first
    assert f"{goal} {wanted // 4:,}/{wanted:,} ({wanted // 40:,}/s)" in boot.how_far(time.now)
    assert boot.how_far(time.now).endswith(", about 30 s left")  # by its rate
    time.now += 5
    state.take(CellProgress(cell=CELL.id, counters={name: 1 for name, _ in boot.goals}))
    assert boot.rate() is None  # another boot began to count anew
    assert boot.left(time.now) == 45.0


def test_a_rate_of_nothing_promises_nothing(time: Clock) -> None:
    state = RunState(samples.PLAN)
    state.take(CellStarted(cell=CELL.id))
    for _ in range(3):
        state.take(CellProgress(cell=CELL.id, counters={name: 0 for name, _ in state.boots[CELL.id].goals}))
        time.now += 5
    assert state.boots[CELL.id].left(time.now) is None
    assert "(0/s)" in state.boots[CELL.id].how_far(time.now)


def test_a_narrow_terminal_shows_name_and_counters_on_two_lines(time: Clock) -> None:
    state = RunState(samples.PLAN)
    state.take(CellStarted(cell=CELL.id))
    state.take(CellProgress(cell=CELL.id, counters={"recompressions": 31_204}))
    first, second, *_ = render(state, 40).plain.splitlines()
    assert first == f"    0 s {CELL.id}"
    assert second.startswith("        ")
    assert len(second) <= 40
    assert "/" in second


def test_the_end_is_foreseen_from_the_history_before_any_cell_is_done(time: Clock) -> None:
    usual = {cell.id: 60.0 for cell in samples.PLAN.cells}
    state = RunState(samples.PLAN, usual=usual)
    assert state.eta() == 60.0 * state.total
    state.take(CellStarted(cell=CELL.id))
    time.now += 20
    assert state.eta() == 60.0 * state.total - 20
    assert RunState(samples.PLAN, usual={CELL.id: 60.0}).eta() is None


def test_repeats_are_counted_as_they_come(time: Clock) -> None:
    state = RunState(samples.PLAN)
    total = state.total
    state.take(CellStarted(cell=f"{CELL.id}/again=2"))
    assert state.total == total + 1


def test_eta_counts_from_the_first_cell_and_ends(time: Clock) -> None:
    state = RunState(samples.PLAN)
    state.take(BuildStarted(kernel="stock"))
    time.now += 100
    assert state.eta() is None
    for cell in samples.PLAN.cells[:6]:
        state.take(CellStarted(cell=cell.id))
    for number, cell in enumerate(samples.PLAN.cells[:6], start=1):
        time.now += 10
        state.take(CellDone(cell=cell.id, judgement=OK))
        assert state.eta() == (10 * (6 - number) if number < 6 else None)
    assert not state.boots


HOSTILE, ESCAPE = "another\x1b[2J", "\x1b]0;x\x07"
EVENTS: tuple[Event, ...] = (
    BuildStarted(kernel=HOSTILE),
    BuildProgress(kernel=HOSTILE, done=1),
    BuildDone(kernel=HOSTILE, how=ESCAPE),
    BuildFailed(kernel=HOSTILE, reason=ESCAPE),
    CellStarted(cell=HOSTILE),
    CellProgress(cell=HOSTILE, counters={ESCAPE: 3}),
    CellOops(cell=HOSTILE, title=ESCAPE),
    CellRetried(cell=HOSTILE, reason=ESCAPE),
    CellDone(cell=HOSTILE, judgement=finding(ESCAPE)),
    Note(subject=HOSTILE, text=ESCAPE),
)


def test_a_finding_names_the_file_to_open_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    state = RunState(samples.PLAN)
    long = finding("x" * 1000)
    here, there = tmp_path / "runs" / "r" / "cells" / "c" / "oops-1.txt", "/elsewhere/console.log"
    near = state.take(CellDone(cell=CELL.id, judgement=long, file=str(here)))
    assert near is not None
    assert near.text.endswith("…: runs/r/cells/c/oops-1.txt")
    far = state.take(CellDone(cell=CELL.id, judgement=long, file=there))
    assert far is not None
    assert far.text.endswith(f": {there}")


def test_every_event_is_taken() -> None:
    assert {type(event) for event in EVENTS} == set(get_args(Event))


@given(st.lists(st.sampled_from(EVENTS)))
def test_unknown_subjects_in_any_order_are_harmless(events: list[Event]) -> None:
    state = RunState(samples.PLAN)
    lines = [line for event in events if (line := state.take(event)) is not None]
    assert "\x1b" not in "".join(line.text for line in lines) + str(render(state, 80))


def test_lines_have_the_tone_of_what_happened() -> None:
    state = RunState(samples.PLAN)
    tones = {type(event).__name__: line.tone for event in EVENTS if (line := state.take(event)) is not None}
    assert {name for name, tone in tones.items() if tone is Tone.BAD} == {"BuildFailed", "CellOops", "CellDone"}
    assert {name for name, tone in tones.items() if tone is Tone.CAUTION} == {"CellRetried", "Note"}
    fine = state.take(CellDone(cell=CELL.id, judgement=replace(OK, reason="finding nothing")))
    assert fine is not None
    assert fine.tone is Tone.PLAIN


def test_a_run_that_is_gone_on_with_counts_what_was_done(time: Clock) -> None:
    done = frozenset(cell.id for cell in samples.PLAN.cells[:4]) | {samples.PLAN.cells[6].id}  # the last is skipped
    state = RunState(samples.PLAN, done)
    assert (state.finished, state.eta()) == (4, None)
    state.take(CellStarted(cell=samples.PLAN.cells[4].id))
    time.now += 10
    line = state.take(CellDone(cell=samples.PLAN.cells[4].id, judgement=OK))
    assert line is not None
    assert line.text.endswith("(5/6)")
    assert state.eta() == 10


@given(st.integers(0, 300), st.floats(-1, 2) | st.none())
def test_bars_have_their_width(width: int, fraction: float | None) -> None:
    assert len(bar(fraction, width)) == width


@pytest.mark.parametrize("width", [1, 5, 20, 80, 100, 500])
def test_the_live_view_fits_any_width(width: int, time: Clock) -> None:
    from rich.console import Console

    state = RunState(samples.PLAN)
    state.take(BuildStarted(kernel="saved-clen"))
    state.take(BuildProgress(kernel="saved-clen", done=7, total=1200))
    state.take(CellStarted(cell=CELL.id))
    state.take(CellProgress(cell=CELL.id, counters={"recompressions": 31_204}))
    state.take(CellOops(cell=CELL.id, title=samples.TITLE))
    stream = io.StringIO()
    Console(file=stream, width=width, force_terminal=False).print(render(state, width))
    lines = stream.getvalue().splitlines()
    assert len(lines) == (4 if width >= 60 else 6)
    assert max(map(len, lines)) <= width
    if width >= 100:
        assert "recompressions 31,204/50,000" in stream.getvalue()
        assert "0/6 cells" in lines[-1]


@pytest.mark.parametrize("columns", ["10", "100"])
def test_live_with_many_threads(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERM", "xterm")
    for name in ("CI", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    stream = Terminal()

    def cell(identity: str) -> None:
        listen(CellStarted(cell=identity))
        for count in range(50):
            listen(CellProgress(cell=identity, counters={"recompressions": count * 1000}))
        listen(CellOops(cell=identity, title="BUG \x1b[2J"))
        listen(CellDone(cell=identity, judgement=finding("BUG")))

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
    for name in ("CI", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (("CI", "true"), ("TERM", "dumb"), ("NO_COLOR", "1")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            stream = Terminal()
            with watch(samples.PLAN, stream) as listen:
                listen(Note(subject="", text="hello"))
            assert stream.getvalue() == "[    0 s] hello\n"


def test_a_reader_that_left_does_not_stop_the_run() -> None:
    stream = io.StringIO()
    with watch(samples.PLAN, stream) as listen:
        stream.close()
        listen(Note(subject="", text="hello"))


def test_a_failing_block_ends_the_view(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for name in ("CI", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    stream = Terminal()
    with pytest.raises(RuntimeError), watch(samples.PLAN, stream):
        raise RuntimeError
    assert "\x1b[?25h" in stream.getvalue()


def test_a_plan_without_cells() -> None:
    assert "0/0 cells" in str(render(RunState(replace(samples.PLAN, cells=())), 80))


def test_seconds() -> None:
    assert [say_seconds(s) for s in (0.9, 59.9, 60, 245, 3723)] == ["0 s", "59 s", "1:00", "4:05", "1:02:03"]
    assert progress_state.QUIET_SECONDS >= 10


def test_a_cause_is_told_once_of_all_kernels_and_cells_that_have_it() -> None:
    cause = "scripts/cc-version.sh: Permission denied"
    judgement = Judgement(
        outcome=Outcome.BUILD_FAILED, verdict=Verdict.ERROR, reason=f"b: {cause}; log: /l", cause=cause
    )
    state = RunState(samples.PLAN)
    events: list[Event] = [
        BuildFailed(kernel="a", reason=f"a: {cause}; log: /k", cause=cause),
        BuildFailed(kernel="b", reason=f"b: {cause}; log: /l", cause=cause),
        BuildFailed(kernel="c", reason="c: mm/a.c:1: error: other", cause="mm/a.c:1: error: other"),
        CellDone(cell="b/t", judgement=judgement),
        CellDone(cell="d/t", judgement=finding("crash")),
        CellDone(cell="e/t", judgement=finding("crash")),
    ]
    lines = [line.text for event in events if (line := state.take(event)) is not None]
    assert [cause in line for line in lines] == [True, False, False, False, False, False]
    assert "as a" in lines[1]
    assert "other" in lines[2]
    assert "error: as a" in lines[3]
    assert all("crash" in line for line in lines[4:])
