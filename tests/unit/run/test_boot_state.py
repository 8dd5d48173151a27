"""Every end of a boot, without a process: inputs and times in, an ending and evidence out."""

from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kzram_ci.guest import messages
from kzram_ci.guest.kernel_lines import KernelLines, LineFacts
from kzram_ci.model.cell import Cell, Expectation, OopsWanted
from kzram_ci.model.evidence import OopsSummary
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.model.source import ImageSource
from kzram_ci.model.workload import WorkloadSpec
from kzram_ci.oops import Oops, parse
from kzram_ci.run import boot_state
from kzram_ci.run.boot_limits import Limits
from kzram_ci.run.boot_state import (
    ENDINGS,
    KEPT_COUNTERS,
    KEPT_LINES,
    KEPT_OOPSES,
    PANIC_MOST_SECONDS,
    PANIC_SECONDS,
    PORT_SECONDS,
    POWEROFF_SECONDS,
    STEPS,
    BootState,
    ConsoleRead,
    ControlFlooded,
    DialogueOver,
    Ending,
    HostFailed,
    Input,
    MonitorEvent,
    OopsFound,
    OperatorStop,
    QemuGone,
    WorkBegan,
    ending,
    evidence,
    step,
)
from kzram_ci.verdict.judge import judge

NONCE = "n0nce"
BEGAN = 1000.0
LIMITS = Limits(boot_until=BEGAN + 120, until=BEGAN + 400, work_seconds=100)
CRASH_LOG = (
    b"[    1.000000] BUG: kernel NULL pointer dereference, address: 0000000000000028\n"
    b"[    1.000000] RIP: 0010:obj_malloc+0x4b/0x160\n"
    b"[    1.000000] Call Trace:\n[    1.000000]  zs_malloc+0x1e7/0x4f0\n"
    b"[    1.000000] ---[ end trace 0000000000000000 ]---\n"
)
(CRASH,) = parse(CRASH_LOG)
WARNING = replace(CRASH, type="warning", title="WARNING in zram_write_page")
READY: tuple[tuple[float, Input], ...] = ((1, messages.Booted()), (2, messages.Ready()))
WELL: tuple[tuple[float, Input], ...] = (
    (3, messages.Sample(counters=(("vmstat.pswpout", 5),))),
    (4, messages.Stopped(why="exposure", ran_seconds=2.0)),
    (5, messages.Exited(code=0)),
)
GONE = QemuGone(code=0)


def console(size: int = 10, *, flooded: bool = False, **facts: Any) -> ConsoleRead:
    return ConsoleRead(bytes=size, flooded=flooded, facts=LineFacts(**facts))


def cell(expect: Expectation | None = None) -> Cell:
    return Cell(
        id="k/t",
        kernel=KernelSpec(name="k", source=ImageSource(path="x")),
        test="t",
        workload=WorkloadSpec(program="anonmutate"),
        expect=expect or Expectation(),
    )


def summary(oops: Oops) -> OopsSummary:
    return OopsSummary(title=oops.title, type=oops.type, function=oops.function, signature=oops.signature)


def about(seconds: float) -> Any:
    return pytest.approx(seconds, abs=0.11)


def play(*given_at: tuple[float, Input], limits: Limits = LIMITS) -> tuple[BootState, Ending, float]:
    """Feed inputs at seconds after the start, look at every tenth of a second between them, until it ends."""
    state = BootState(limits=limits, began=BEGAN)
    waiting = list(given_at)
    for tick in range(10_000):
        now = BEGAN + tick / 10
        while waiting and BEGAN + waiting[0][0] <= now:
            state = step(state, waiting.pop(0)[1], now)
        if (end := ending(state, now)) is not None:
            return state, end, now - BEGAN
    raise AssertionError("this boot never ends")


ENDS: list[tuple[str, tuple[tuple[float, Input], ...], Ending, float, str, str]] = [
    # what happens, inputs, ending, when, outcome, words of the reason
    ("a good boot", (*READY, *WELL, (5.5, GONE)), Ending.GONE, 5.5, "pass", "vmstat.pswpout 5"),
    ("no poweroff after the token", (*READY, *WELL), Ending.EXITED, 5 + POWEROFF_SECONDS, "pass", ""),
    ("a workload that failed", (*READY, (5, messages.Exited(code=1)), (6, GONE)), Ending.GONE, 6, "fail", "with 1"),
    ("power off before the workload", ((1, messages.Booted()), (2, GONE)), Ending.GONE, 2, "boot-failed", "init ran"),
    ("power off without a token", (*READY, (9, GONE)), Ending.GONE, 9, "lost", "no exit token"),
    ("an oops that ends QEMU", (*READY, (3, OopsFound(oops=CRASH)), (3.5, GONE)), Ending.GONE, 3.5, "oops", "obj_mal"),
    ("an oops, silence", (*READY, (3, OopsFound(oops=CRASH))), Ending.CRASHED, 3 + PANIC_SECONDS, "oops", "obj_malloc"),
    ("a warning", (*READY, (2.5, OopsFound(oops=WARNING)), *WELL, (9, GONE)), Ending.GONE, 9, "oops", "WARNING"),
    ("pvpanic", (*READY, (3, MonitorEvent(name="GUEST_PANICKED"))), Ending.CRASHED, 3 + PANIC_SECONDS, "oops", "left"),
    ("a panic", (*READY, (3, console(panicked=True))), Ending.CRASHED, 3 + PANIC_SECONDS, "oops", "left no report"),
    ("a panic at boot", ((3, console(panicked=True)), (4, GONE)), Ending.GONE, 4, "boot-failed", "panicked"),
    ("an event", (*READY, (3, MonitorEvent(name="RESUME")), *WELL, (9, GONE)), Ending.GONE, 9, "pass", ""),
    ("silence", (), Ending.HUNG, 120, "boot-failed", "the guest printed nothing; deadline passed"),
    ("no init", ((1, console()),), Ending.HUNG, 120, "boot-failed", "the kernel did not reach init; deadline passed"),
    ("a hang", (*READY, (2.5, console(last_line="x"))), Ending.HUNG, 102, "hang", 'guest alive; last console line "x"'),
    ("a flood", (*READY, (3, console(1 << 30, flooded=True))), Ending.FLOODED, 3, "fail", "console flooded"),
    ("a flood on the port", (*READY, (3, ControlFlooded())), Ending.FLOODED, 3, "fail", "control port flooded"),
    ("a wrong clock", ((1, console(bad_clock="TSC 1")),), Ending.HOST, 1, "infra", "misjudged its clock"),
    ("a full disk", (*READY, (3, HostFailed(why="the disk is full"))), Ending.HOST, 3, "infra", "disk is full"),
    ("a lost port", (*READY, (3, messages.PortClosed())), Ending.HOST, 3 + PORT_SECONDS, "infra", "port was lost"),
    (
        "an end with its memory",
        (*READY, *WELL, (5.2, MonitorEvent(name="SHUTDOWN")), (5.5, GONE)),
        Ending.GONE,
        5.5,
        "pass",
        "",
    ),
    ("QEMU's end", (*READY, (3, messages.PortClosed()), (3.2, GONE)), Ending.GONE, 3.2, "lost", "no exit token"),
    ("a killed QEMU", (*READY, (3, QemuGone(code=-9))), Ending.GONE, 3, "infra", "QEMU was killed by signal 9"),
    ("a QEMU that gave up", ((1, QemuGone(code=1, message="no")),), Ending.GONE, 1, "infra", "QEMU ended with 1: no"),
    ("an interruption", (*READY, (3, OperatorStop())), Ending.INTERRUPTED, 3, "lost", ""),
    ("garbage", (*READY, (3, messages.Garbage(why="?")), (4, GONE)), Ending.GONE, 4, "lost", "1 lines of the control"),
]


@pytest.mark.parametrize(("name", "given_at", "end", "after", "outcome", "words"), ENDS, ids=[row[0] for row in ENDS])
def test_every_ending(
    name: str, given_at: tuple[tuple[float, Input], ...], end: Ending, after: float, outcome: str, words: str
) -> None:
    state, ended, when = play(*given_at)
    assert (ended, when) == (end, about(after))
    word = judge(cell(), evidence(state, ended, tuple(map(summary, state.oopses)), BEGAN + when))
    assert word.outcome == outcome
    assert words in word.reason


def test_the_table_of_ends_is_complete() -> None:
    elsewhere = {Ending.CLOSED, Ending.UNPROVABLE, Ending.IDLE, Ending.PARKED, Ending.HALTED}
    assert {row[2] for row in ENDS} | elsewhere == set(Ending) == {end for end, _ in ENDINGS}


def test_a_guest_that_is_to_be_saved_is_over_when_it_waits_for_a_cell() -> None:
    parks = replace(LIMITS, parks=True)
    assert play((2, messages.Parked()), limits=parks)[1:] == (Ending.PARKED, about(2))
    assert play((2, messages.Parked()), *WELL, (9, GONE))[1] is Ending.GONE  # others go on
    assert play(limits=parks)[1] is Ending.HUNG


def test_qemu_that_keeps_the_memory_ends_with_its_guest() -> None:
    limits = replace(LIMITS, keeps_memory=True)
    state = step(BootState(limits=limits, began=BEGAN), MonitorEvent(name="GUEST_PANICKED"), BEGAN + 1)
    assert ending(state, BEGAN + 1) is None  # the last lines of a panic are still to come
    assert ending(step(state, MonitorEvent(name="SHUTDOWN"), BEGAN + 2), BEGAN + 2) is Ending.HALTED


def test_every_input_has_a_step() -> None:
    assert set(STEPS) == set(get_args(Input))


def test_a_crash_outranks_what_the_host_did_afterwards() -> None:
    state, end, _ = play(*READY, (3, OopsFound(oops=CRASH)), (3.1, HostFailed(why="the disk is full")))
    assert end is Ending.HOST
    word = judge(cell(), evidence(state, end, (summary(CRASH),), BEGAN))
    assert (word.outcome, word.verdict) == (Outcome.OOPS, Verdict.FINDING)


def test_last_words_are_waited_for_as_long_as_they_come() -> None:
    talk = [(float(second), console(second * 100)) for second in range(4, 24, 4)]
    _, end, when = play(*READY, (3, MonitorEvent(name="GUEST_PANICKED")), *talk)
    assert (end, when) == (Ending.CRASHED, about(20 + PANIC_SECONDS))


def test_a_panic_that_never_stops_talking_ends() -> None:
    talk = [(float(second), console(second * 100)) for second in range(4, 200, 2)]
    _, end, when = play(*READY, (3, MonitorEvent(name="GUEST_PANICKED")), *talk)
    assert (end, when) == (Ending.CRASHED, about(3 + PANIC_MOST_SECONDS))


def test_the_callers_deadline_ends_the_last_words_as_well() -> None:
    limits = replace(LIMITS, until=BEGAN + 5)
    assert play(*READY, (3, OopsFound(oops=CRASH)), limits=limits)[1:] == (Ending.CRASHED, about(5))
    assert play(*READY, (3, messages.Exited(code=0)), limits=limits)[1:] == (
        Ending.EXITED,
        about(5),
    )


def test_a_second_token_cannot_make_a_failure_good() -> None:
    state, _, _ = play(*READY, (3, messages.Exited(code=4)), (4, messages.Exited(code=0)), (5, GONE))
    assert state.exit_code == 4
    state, _, _ = play(*READY, (3, messages.Exited(code=0)), (4, messages.Exited(code=4)), (5, GONE))
    assert state.exit_code == 4


def test_a_kernel_without_the_detector_is_not_run_to_its_deadline() -> None:
    limits = replace(LIMITS, needs=("recompressions",))
    own = (2.5, messages.Sample(counters=(("workload.rounds", 1),)))  # the workload's own come at any time
    set_up = (1.0, messages.Sample(counters=(("fs.mounted", 1),)))  # by init, before kzwatch looks at the kernel's
    first: tuple[float, Input] = (3, messages.Sample(counters=(("vmstat.pswpout", 0),)))
    state, end, when = play(set_up, *READY, own, first, limits=limits)
    assert (end, when) == (Ending.UNPROVABLE, about(3))
    wanted = Expectation(floors=(("recompressions", 50_000),))
    word = judge(cell(wanted), evidence(state, end, (), BEGAN + when))
    assert (word.outcome, word.verdict) == (Outcome.INCONCLUSIVE, Verdict.INCONCLUSIVE)
    assert word.reason == "recompressions not reported by this kernel, wanted 50,000; ended at once"


IDLE = replace(LIMITS, idle=(("recompressions", 20.0), ("reallocated", 30.0)))
WANTED = Expectation(floors=(("recompressions", 50_000), ("reallocated", 9)))


def test_a_boot_in_which_nothing_happens_that_could_prove_something_is_given_up() -> None:
    still = (5, messages.Sample(counters=(("vmstat.pswpout", 10), ("recompressions", 0))))
    state, end, when = play(*READY, still, limits=IDLE)
    assert (end, when) == (Ending.IDLE, about(22))
    facts = evidence(state, end, (), BEGAN + when)
    assert facts.idle == ("recompressions",) and facts.work_seconds == pytest.approx(20.0, abs=1.0)
    word = judge(cell(WANTED), facts)
    assert (word.outcome, word.verdict) == (Outcome.INCONCLUSIVE, Verdict.INCONCLUSIVE)
    assert word.reason == "recompressions stayed at 0 in 20 s of work, wanted 50,000; ended early"
    # what comes while QEMU is being stopped does not make it a boot that was lost
    late = step(state, messages.Sample(counters=(("recompressions", 1),)), BEGAN + when)
    assert judge(cell(WANTED), evidence(late, end, (), BEGAN + when)).outcome is Outcome.INCONCLUSIVE


def test_one_count_is_enough_to_go_on_and_the_slower_counter_has_its_own_time() -> None:
    moved = (5, messages.Sample(counters=(("recompressions", 1),)))
    assert play(*READY, moved, limits=IDLE)[1:] == (Ending.IDLE, about(32))
    both = (6, messages.Sample(counters=(("reallocated", 1),)))
    assert play(*READY, moved, both, limits=IDLE)[1] is Ending.HUNG
    stopped = (21, messages.Stopped(why="duration", ran_seconds=19.0))  # the workload verifies what it wrote
    assert play(*READY, stopped, (40, messages.Exited(code=0)), (41, GONE), limits=IDLE)[1] is Ending.GONE
    assert play((1, messages.Booted()), limits=IDLE)[1] is Ending.HUNG  # there is no workload yet
    assert play(*READY, (21, OopsFound(oops=CRASH)), limits=IDLE)[1] is Ending.CRASHED


def test_a_counter_that_was_there_once_is_not_missing() -> None:
    limits = replace(LIMITS, needs=("recompressions",))
    first = messages.Sample(counters=(("recompressions", 0), ("vmstat.pswpout", 5)))
    later = messages.Sample(counters=(("vmstat.pswpout", 6),))
    given_at: tuple[tuple[float, Input], ...] = (*READY, (3, first), (4, later), (5, messages.Exited(code=0)))
    assert play(*given_at, (6, GONE), limits=limits)[1] is Ending.GONE


def test_times_are_of_what_they_name() -> None:
    state, end, when = play(*READY, *WELL, (6, GONE))
    facts = evidence(state, end, (), BEGAN + when)
    assert (facts.boot_seconds, facts.work_seconds, facts.seconds) == (1.0, 2.0, 6.0)
    assert (facts.guest_work_seconds, facts.stop_why) == (2.0, "exposure")


def test_the_detectors_report_counts_where_a_crash_came_before_the_sample() -> None:
    state, end, when = play(*READY, (3, console(overruns=1, recompressions=31)), (4, GONE))
    facts = evidence(state, end, (), BEGAN + when)
    assert (facts.overrun_lines, dict(facts.counters)) == (1, {"recompressions": 31})


def test_a_guest_cannot_fill_the_memory() -> None:
    state = BootState(limits=LIMITS, began=BEGAN)
    for number in range(KEPT_COUNTERS + KEPT_LINES):
        for given_now in (
            messages.Corruption(text=f"page {number}"),
            messages.GuestError(text=f"{number}"),
            messages.Sample(counters=((f"c{number}", number), ("c0", number))),
            OopsFound(oops=CRASH),
        ):
            state = step(state, given_now, BEGAN)
    assert (len(state.corruptions), len(state.errors), len(state.oopses)) == (KEPT_LINES, KEPT_LINES, KEPT_OOPSES)
    assert len(state.counters) == KEPT_COUNTERS
    assert state.counters["c0"] == KEPT_COUNTERS + KEPT_LINES - 1  # what is known is kept up to date


class TestDialogues:
    LIMITS = Limits(boot_until=BEGAN + 60, until=BEGAN + 65, work_seconds=5, dialogue=True)

    def test_the_time_of_a_command_begins_when_it_starts(self) -> None:
        state, end, when = play(*READY, (20, WorkBegan()), limits=self.LIMITS)
        assert (end, when) == (Ending.HUNG, about(25))
        assert state.work_at is not None

    def test_a_shell_that_never_answers(self) -> None:
        state, end, when = play(*READY, limits=self.LIMITS)
        assert (end, when) == (Ending.HUNG, about(60))
        assert state.work_at is None

    def test_the_status_of_the_command(self) -> None:
        state, end, _ = play(*READY, (3, WorkBegan()), (4, DialogueOver(code=7)), limits=self.LIMITS)
        assert (end, state.dialogue) == (Ending.CLOSED, DialogueOver(code=7))

    def test_a_person_may_look_at_a_crashed_guest(self) -> None:
        given_at = (*READY, (3, MonitorEvent(name="GUEST_PANICKED")), (50, DialogueOver()))
        assert play(*given_at, limits=self.LIMITS)[1:] == (Ending.CRASHED, about(8))
        person = replace(self.LIMITS, crash_ends=False, work_seconds=400, boot_until=BEGAN + 400, until=BEGAN + 400)
        assert play(*given_at, limits=person)[1:] == (Ending.CLOSED, about(50))


# ---- laws

times = st.floats(min_value=0, max_value=500)
texts = st.sampled_from(["", "a", "the text"])
guest_lines = st.sampled_from(
    [
        b'{"ev":"boot"}',
        b'{"ev":"ready"}',
        b'{"ev":"sample","counters":{"vmstat.pswpout":5,"recompressions":90000,"overruns":0}}',
        b'{"ev":"stop","why":"exposure","ran_ms":1}',
        b'{"ev":"exit","nonce":"","code":0}',
        b'{"ev":"exit","nonce":"guess","code":0}',
        b'{"ev":"exit","code":0}',
        b'{"ev":"exited","nonce":"n0nce","code":0}',
        b'{"ev":"dialogue","code":0}',
        b'{"ev":"counters","overruns":"x"}',
    ]
)
guest_bytes = st.lists(guest_lines | st.binary(max_size=60), max_size=12).map(b"\n".join)
other_inputs = st.one_of(
    st.builds(OopsFound, oops=st.sampled_from([CRASH, WARNING])),
    st.builds(
        ConsoleRead,
        bytes=st.integers(0, 1 << 30),
        flooded=st.booleans(),
        facts=st.builds(LineFacts, overruns=st.integers(0, 3), panicked=st.booleans(), bad_clock=texts),
    ),
    st.builds(MonitorEvent, name=st.sampled_from(["GUEST_PANICKED", "RESET", ""])),
    st.builds(QemuGone, code=st.sampled_from([None, 0, 1, -9]), message=texts, stopped=st.booleans()),
    st.builds(HostFailed, why=texts),
    st.just(OperatorStop()),
    st.just(ControlFlooded()),
    st.just(messages.PortClosed()),
    st.just(WorkBegan()),
    st.builds(DialogueOver, code=st.sampled_from([None, 0, 1])),
)
token = st.builds(messages.Exited, code=st.sampled_from([0, 1, 3, 4, 137]))


def heard(data: bytes) -> list[messages.Message]:
    return messages.Reader(NONCE).feed(data + b"\n")


@settings(max_examples=400)
@given(
    st.lists(guest_bytes.map(heard) | st.lists(other_inputs, min_size=1, max_size=2), max_size=8),
    st.lists(times, min_size=16, max_size=16).map(sorted),
    st.sampled_from([Expectation(), Expectation(floors=(("recompressions", 1),))]),
)
def test_no_bytes_of_a_guest_make_a_pass_without_a_token(
    batches: list[list[Any]], moments: list[float], expect: Expectation
) -> None:
    state = BootState(limits=LIMITS, began=BEGAN)
    end = None
    for batch, moment in zip(batches, moments, strict=False):
        for given_now in batch:
            state = step(state, given_now, BEGAN + moment)
        end = end or ending(state, BEGAN + moment)
    seen = evidence(state, end or Ending.HUNG, tuple(map(summary, state.oopses)), BEGAN + 500)
    word = judge(cell(expect), seen)
    assert seen.exit_code is None
    assert word.outcome is not Outcome.PASS
    assert word.verdict is not Verdict.OK


@settings(max_examples=300)
@given(st.lists(other_inputs | token, max_size=10), st.lists(times, min_size=10, max_size=10).map(sorted))
def test_every_boot_ends_and_an_end_stays(inputs: list[Any], moments: list[float]) -> None:
    state = BootState(limits=LIMITS, began=BEGAN)
    for given_now, moment in zip(inputs, moments, strict=False):
        state = step(state, given_now, BEGAN + moment)
    late = max(LIMITS.until, BEGAN + 500 + POWEROFF_SECONDS)
    end = ending(state, late)
    assert end is not None
    assert ending(state, late + 1000) is end


@given(st.lists(other_inputs | token, max_size=8), st.integers(0, 8))
def test_a_crash_that_was_seen_stays_in_the_evidence(inputs: list[Any], at: int) -> None:
    inputs.insert(min(at, len(inputs)), OopsFound(oops=CRASH))
    state = step(BootState(limits=LIMITS, began=BEGAN), messages.Ready(), BEGAN)
    for given_now in inputs:
        state = step(state, given_now, BEGAN + 1)
    seen = evidence(state, Ending.HOST, tuple(map(summary, state.oopses)), BEGAN)
    assert judge(cell(), seen).outcome is Outcome.OOPS
    wanted = Expectation(outcome="oops", oops=OopsWanted(function="obj_malloc"))
    assert judge(cell(wanted), seen).outcome is Outcome.OOPS


@given(st.binary(max_size=300))
def test_any_console_bytes_give_a_state(data: bytes) -> None:
    lines = KernelLines()
    lines.feed(data)
    read = ConsoleRead(bytes=len(data), flooded=False, facts=lines.facts)
    state = step(BootState(limits=LIMITS, began=BEGAN), read, BEGAN)
    assert boot_state.counters(state) == {}
