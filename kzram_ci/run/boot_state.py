"""A boot as a state machine: what the channels report goes in, how it ends comes out. Pure.

`step` takes one input, `ending` decides whether the boot is over, `evidence` is what is known of it. Nothing here
waits, reads or decides what a boot was worth. A new channel brings its own inputs: a dataclass, a row in `STEPS`, and
where it can end a boot a row in `ENDINGS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from enum import StrEnum
from typing import Any

from kzram_ci.base.values import dataclass
from kzram_ci.guest import messages
from kzram_ci.guest.kernel_lines import LineFacts
from kzram_ci.model.evidence import Evidence, Gains, OopsSummary
from kzram_ci.model.vocab import NON_FATAL_TYPES
from kzram_ci.oops.model import Oops
from kzram_ci.run.boot_limits import Limits

PANIC_SECONDS = 5.0  # without a word from the kernel: the rest of a report is slow on a starved host
PANIC_MOST_SECONDS = 60.0  # the console may go on for ever, for example when the panic panics
POWEROFF_SECONDS = 15.0
PORT_SECONDS = 5.0  # QEMU closes the port when it ends, too: then its process is gone soon
PANIC_EVENTS = frozenset({"GUEST_PANICKED", "GUEST_CRASHLOADED"})
SHUTDOWN_EVENT = "SHUTDOWN"  # power-off, or the reboot that ends a panic
KEPT_OOPSES = 50
KEPT_LINES = 100  # corruptions and errors; the rest is in control.log
KEPT_COUNTERS = 1024
RECOMPRESSIONS = "recompressions"  # as the detector counts them


class Ending(StrEnum):
    """Why a boot is over."""

    GONE = "gone"  # QEMU ended
    INTERRUPTED = "interrupted"
    HOST = "host"  # the disk is full, the clock is wrong, the port is lost: see `host_error`
    FLOODED = "flooded"
    CRASHED = "crashed"  # and the guest did not leave by itself
    EXITED = "exited"  # likewise, after its exit token
    PARKED = "parked"  # a guest that is to be saved waits for its cell
    CLOSED = "closed"  # the dialogue is over
    HALTED = "halted"  # the guest ended, and QEMU waits with its memory
    UNPROVABLE = "unprovable"  # the kernel does not report the counters that are to prove something
    IDLE = "idle"  # the workload runs, and what is to prove something does not happen
    HUNG = "hung"  # deadline passed, guest alive


@dataclass(frozen=True, slots=True, kw_only=True)
class OopsFound:
    """The parser has a complete report."""

    oops: Oops


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleRead:
    """The console log is that long now."""

    bytes: int
    flooded: bool
    facts: LineFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorEvent:
    """An event of QEMU's monitor."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QemuGone:
    """QEMU ended. `code` is negative for a signal; `message` QEMU's own; `stopped`: we ended it."""

    code: int | None
    message: str = ""
    stopped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFailed:
    """The host cannot go on with this boot, for example because the disk that holds the logs is full."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlFlooded:
    """The control port brought more than any guest needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorStop:
    """The operator asked to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkBegan:
    """A command of a dialogue was started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DialogueOver:
    """A dialogue ended; `code` is the command's status, None when there is none; `tainted`: the kernel's flags then.

    `why`: of an end that is neither the command's nor the guest's.
    """

    code: int | None = None
    tainted: int = 0
    why: str = ""


Input = (
    messages.Message
    | messages.PortClosed
    | OopsFound
    | ConsoleRead
    | MonitorEvent
    | QemuGone
    | HostFailed
    | ControlFlooded
    | OperatorStop
    | WorkBegan
    | DialogueOver
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BootState:
    """All that is known of a boot so far. Times are points on the monotonic clock; None: it did not happen."""

    limits: Limits
    began: float
    booted_at: float | None = None
    parked: bool = False
    ready_at: float | None = None
    work_at: float | None = None
    stopped_at: float | None = None
    stop_why: str = ""
    guest_work_seconds: float = 0.0
    exit_code: int | None = None
    exited_at: float | None = None
    counters: Mapping[str, int] = field(default_factory=dict)
    gains: Mapping[str, Gains] = field(default_factory=dict)
    missing: tuple[str, ...] = ()  # of what the plan needs, in the first sample
    corruptions: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    test: messages.OwnTestEnded | None = None
    garbage: int = 0
    port_closed_at: float | None = None
    oopses: tuple[Oops, ...] = ()
    panicked: bool = False
    crashed_at: float | None = None
    grew_at: float | None = None
    console: ConsoleRead = ConsoleRead(bytes=0, flooded=False, facts=LineFacts())
    flooded: bool = False
    host_error: str = ""
    interrupted: bool = False
    halted: bool = False
    gone: QemuGone | None = None
    dialogue: DialogueOver | None = None


def step(state: BootState, given: Input, now: float) -> BootState:
    """The state after one input."""
    return STEPS[type(given)](state, given, now)


def ending(state: BootState, now: float) -> Ending | None:
    """Why the boot is over now, or None while it goes on. The first that holds, in order of rank."""
    return next((end for end, holds in ENDINGS if holds(state, now)), None)


# ---- one function an input


def _booted(state: BootState, given: Any, now: float) -> BootState:
    return replace(state, booted_at=now if state.booted_at is None else state.booted_at)


def _ready(state: BootState, given: messages.Ready, now: float) -> BootState:
    state = _booted(state, given, now)
    if state.ready_at is not None:
        return state
    return replace(state, ready_at=now, work_at=state.work_at if state.limits.dialogue else now)


def _sampled(state: BootState, given: messages.Sample, now: float) -> BootState:
    if not any(_of_kernel(name) for name in state.counters) and any(_of_kernel(name) for name, _ in given.counters):
        # all files of the detector are there before the workload starts: what the first sample lacks never comes
        there = {name for name, _ in given.counters}
        state = replace(state, missing=tuple(name for name in state.limits.needs if name not in there))
    merged, gains = dict(state.counters), dict(state.gains)
    for name, value in given.counters:
        if name in state.limits.gauged and name in merged:
            gains[name] = gains.get(name, Gains()).and_then(max(0, value - merged[name]))
        if name in merged or len(merged) < KEPT_COUNTERS:
            merged[name] = value
    return replace(state, counters=merged, gains=gains)


def _of_kernel(name: str) -> bool:
    """Whether kzwatch sampled it: the workload reports its own, init the proof of a mount before kzwatch runs."""
    return not name.startswith((messages.WORKLOAD_PREFIX, messages.SETUP_PREFIX))


def _corrupted(state: BootState, given: messages.Corruption, now: float) -> BootState:
    return replace(state, corruptions=(*state.corruptions, given.text)[:KEPT_LINES])


def _erred(state: BootState, given: messages.GuestError, now: float) -> BootState:
    return replace(state, errors=(*state.errors, given.text)[:KEPT_LINES])


def _stopped(state: BootState, given: messages.Stopped, now: float) -> BootState:
    at = now if state.stopped_at is None else state.stopped_at
    return replace(state, stopped_at=at, stop_why=given.why, guest_work_seconds=given.ran_seconds)


def _exited(state: BootState, given: messages.Exited, now: float) -> BootState:
    """A second token cannot make a failure good."""
    at = now if state.exited_at is None else state.exited_at
    return replace(state, exited_at=at, exit_code=state.exit_code or given.code)


def _crashed(state: BootState, now: float) -> BootState:
    return replace(state, crashed_at=now if state.crashed_at is None else state.crashed_at)


def _oops(state: BootState, given: OopsFound, now: float) -> BootState:
    state = replace(state, oopses=(*state.oopses, given.oops)[:KEPT_OOPSES])
    return state if given.oops.type in NON_FATAL_TYPES else _crashed(state, now)


def _console(state: BootState, given: ConsoleRead, now: float) -> BootState:
    grew = now if given.bytes != state.console.bytes else state.grew_at
    state = replace(state, console=given, grew_at=grew, flooded=state.flooded or given.flooded)
    if given.facts.bad_clock and not state.host_error:
        why = f"the guest misjudged its clock on a busy host: {given.facts.bad_clock}"
        state = replace(state, host_error=why)
    return replace(_crashed(state, now), panicked=True) if given.facts.panicked else state


def _monitor(state: BootState, given: MonitorEvent, now: float) -> BootState:
    if given.name == SHUTDOWN_EVENT:
        return replace(state, halted=state.limits.keeps_memory)
    return replace(_crashed(state, now), panicked=True) if given.name in PANIC_EVENTS else state


def _gone(state: BootState, given: QemuGone, now: float) -> BootState:
    state = replace(state, gone=given)
    if given.stopped or not given.code or state.host_error:
        return state
    how = f"was killed by signal {-given.code}" if given.code < 0 else f"ended with {given.code}"
    return replace(state, host_error=": ".join(part for part in (f"QEMU {how}", given.message) if part))


def _host_failed(state: BootState, given: HostFailed, now: float) -> BootState:
    return replace(state, host_error=state.host_error or given.why)


def _port_closed(state: BootState, given: messages.PortClosed, now: float) -> BootState:
    return replace(state, port_closed_at=now)


STEPS: Mapping[type, Callable[[BootState, Any, float], BootState]] = {
    messages.Booted: _booted,
    messages.Parked: lambda state, given, now: replace(state, parked=True),
    messages.Ready: _ready,
    messages.Sample: _sampled,
    messages.Corruption: _corrupted,
    messages.Stopped: _stopped,
    messages.Exited: _exited,
    messages.GuestError: _erred,
    messages.OwnTestEnded: lambda state, given, now: replace(state, test=state.test or given),
    messages.Output: lambda state, given, now: state,  # what the test leaves is `collected`
    messages.FilePiece: lambda state, given, now: state,
    messages.FileEnd: lambda state, given, now: state,
    messages.Note: lambda state, given, now: state,
    messages.Garbage: lambda state, given, now: replace(state, garbage=state.garbage + 1),
    messages.PortClosed: _port_closed,
    OopsFound: _oops,
    ConsoleRead: _console,
    MonitorEvent: _monitor,
    QemuGone: _gone,
    HostFailed: _host_failed,
    ControlFlooded: lambda state, given, now: replace(state, flooded=True),
    OperatorStop: lambda state, given, now: replace(state, interrupted=True),
    WorkBegan: lambda state, given, now: replace(state, work_at=now),
    DialogueOver: lambda state, given, now: replace(state, dialogue=given),
}


# ---- how it ends


def _last_words(state: BootState, now: float) -> bool:
    """A crash is known, and the kernel had the time its last lines need: it is silent, or talks without end."""
    if state.crashed_at is None or not state.limits.crash_ends:
        return False
    quiet_since = max(state.crashed_at, state.grew_at or 0.0)
    return now >= min(quiet_since + PANIC_SECONDS, state.crashed_at + PANIC_MOST_SECONDS, state.limits.until)


def _left(state: BootState, now: float) -> bool:
    return state.exited_at is not None and now >= min(state.exited_at + POWEROFF_SECONDS, state.limits.until)


def _settling(state: BootState) -> bool:
    return state.exited_at is not None or (state.crashed_at is not None and state.limits.crash_ends)


def _late(state: BootState, now: float) -> bool:
    """Past its deadline; once the outcome is known only the caller's own counts."""
    until = state.limits.boot_until if state.work_at is None else state.work_at + state.limits.work_seconds
    return not _settling(state) and now >= min(until, state.limits.until)


def idle(state: BootState, now: float) -> tuple[str, ...]:
    """The counters whose time is up and that never moved."""
    if state.work_at is None or _settling(state) or state.stopped_at is not None:
        return ()
    ran = now - state.work_at
    return tuple(name for name, seconds in state.limits.idle if ran >= seconds and not counters(state).get(name))


def _port_lost(state: BootState, now: float) -> bool:
    """The guest lives and cannot be heard: without this it would be taken for one that hangs."""
    return state.port_closed_at is not None and not _settling(state) and now >= state.port_closed_at + PORT_SECONDS


ENDINGS: tuple[tuple[Ending, Callable[[BootState, float], bool]], ...] = (
    (Ending.GONE, lambda state, now: state.gone is not None),
    (Ending.INTERRUPTED, lambda state, now: state.interrupted),
    (Ending.HOST, lambda state, now: bool(state.host_error) or _port_lost(state, now)),
    (Ending.FLOODED, lambda state, now: state.flooded),
    (Ending.PARKED, lambda state, now: state.parked and state.limits.parks),
    (Ending.CLOSED, lambda state, now: state.dialogue is not None),
    (Ending.HALTED, lambda state, now: state.halted),
    (Ending.UNPROVABLE, lambda state, now: bool(state.missing) and not _settling(state)),
    (Ending.IDLE, lambda state, now: bool(idle(state, now))),
    (Ending.CRASHED, _last_words),
    (Ending.EXITED, _left),
    (Ending.HUNG, _late),
)


# ---- what is known once it is over


def evidence(state: BootState, end: Ending, oopses: tuple[OopsSummary, ...], now: float) -> Evidence:
    """The facts of a boot that ended so. `oopses` are `state.oopses`, decoded and written down."""
    awaited = tuple(name for name, _ in state.limits.idle)  # if it came while QEMU was stopped
    lost = "the control port was lost while the guest ran" if end is Ending.HOST and not state.host_error else ""
    facts = state.console.facts
    return Evidence(
        booted=state.booted_at is not None,
        ready=state.ready_at is not None,
        exit_code=state.exit_code,
        stop_why=state.stop_why,
        deadline_hit=end is Ending.HUNG,
        panicked=state.panicked,
        qemu_exit=None if state.gone is None else state.gone.code,
        guest_errors=state.errors,
        corruptions=state.corruptions,
        oopses=oopses,
        overrun_lines=facts.overruns,
        counters=counters(state),
        gains=state.gains,
        missing=state.missing,
        idle=(idle(state, now) or awaited) if end is Ending.IDLE else (),
        console_bytes=state.console.bytes,
        last_line=facts.last_line[:500],
        flooded=state.flooded,
        garbage=state.garbage,
        boot_seconds=_span(state.began, state.booted_at),
        seconds=_span(state.began, now),
        work_seconds=_span(state.work_at, now if end is Ending.IDLE else state.stopped_at),
        guest_work_seconds=round(state.guest_work_seconds, 3),
        host_error=state.host_error or lost,
        test_code=None if state.test is None else state.test.code,
        test_stopped=state.test is not None and state.test.stopped,
    )


def counters(state: BootState) -> dict[str, int]:
    """The last sample; where a crash came before it, the detector's report."""
    seen = state.console.facts.recompressions
    known = dict(state.counters)
    return {**known, RECOMPRESSIONS: max(seen, known.get(RECOMPRESSIONS, 0))} if seen else known


def _span(start: float | None, end: float | None) -> float:
    return 0.0 if start is None or end is None else round(max(0.0, end - start), 3)
