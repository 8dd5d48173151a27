"""What a cell left behind, before anyone judges it, and the judged result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from kzram_ci.base.values import dataclass
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.model.points import Point
from kzram_ci.model.provenance import Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class OopsSummary:
    """The part of an oops that results carry; the full text is in `file`, relative to the cell directory."""

    title: str
    type: str
    function: str | None
    signature: str
    corrupted: bool = False
    frames: tuple[str, ...] = ()  # reliable frames' functions, innermost first
    decoded: str = ""  # the stack with file:line and inlines as far as the build allows, the code that failed
    text: str = ""  # as on the console, cut to a sane length
    file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gains:
    """What a counter gained from each sample to the next: how many samples, the sum, the sum of squares, the most."""

    samples: int = 0
    total: int = 0
    squares: int = 0
    most: int = 0

    def and_then(self, gain: int) -> Gains:
        """With one more sample."""
        return self + Gains(samples=1, total=gain, squares=gain * gain, most=gain)

    def __add__(self, other: Gains) -> Gains:
        """Those of several boots."""
        return Gains(
            samples=self.samples + other.samples,
            total=self.total + other.total,
            squares=self.squares + other.squares,
            most=max(self.most, other.most),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryDump:
    """The guest's memory at its end: `file` is relative to the cell directory, `vmlinux` has the kernel's symbols."""

    file: str
    bytes: int
    vmlinux: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Facts of one boot. Times in seconds since QEMU was started; counters as last seen."""

    booted: bool = False  # init said so on the control port
    ready: bool = False  # the workload was started
    exit_code: int | None = None  # the guest's token; None: never came (or its nonce was wrong)
    stop_why: str = ""  # exposure, duration, workload, or empty
    deadline_hit: bool = False
    panicked: bool = False  # pvpanic, or a panic on the console
    qemu_exit: int | None = None
    guest_errors: tuple[str, ...] = ()
    corruptions: tuple[str, ...] = ()
    oopses: tuple[OopsSummary, ...] = ()
    overrun_lines: int = 0  # detector reports on the console: the last sample may be older than the crash
    counters: Mapping[str, int] = field(default_factory=dict)
    gains: Mapping[str, Gains] = field(default_factory=dict)  # of the counters that count races
    missing: tuple[str, ...] = ()  # counters that floors need and this kernel does not report: it was ended at once
    idle: tuple[str, ...] = ()  # counters that floors need, at 0 for so long that it was ended
    console_bytes: int = 0
    last_line: str = ""
    flooded: bool = False  # console or control port brought more than a guest has to say
    garbage: int = 0  # lines of the control port that were none
    boot_seconds: float = 0.0
    restored: bool = False  # from a saved guest that had booted before
    seconds: float = 0.0
    work_seconds: float = 0.0  # of the workload, by the host's clock
    guest_work_seconds: float = 0.0  # the same by the guest's clock
    host_error: str = ""
    test_code: int | None = None  # how a test of the plan's own ended; None: it did not, or the workload is ours
    test_stopped: bool = False  # it ran until it was told to stop
    points: tuple[Point, ...] = ()  # the tests that it told of
    point_problems: tuple[str, ...] = ()  # what it told of them that cannot be
    last_words: str = ""  # the last line it wrote to standard error, else to standard output
    lost_results: tuple[str, ...] = ()  # files that were to come back: name and why they did not
    dump: MemoryDump | None = None
    dump_missing: str = ""  # why there is none, where the plan wants one


@dataclass(frozen=True, slots=True, kw_only=True)
class BootCounts:
    """What one of several boots counted of its races, and whether the kernel died in it."""

    counters: Mapping[str, int] = field(default_factory=dict)
    gains: Mapping[str, Gains] = field(default_factory=dict)
    overrun_lines: int = 0
    crashed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What one boot was worth, in one line a person understands."""

    outcome: Outcome = Outcome.NOT_RUN
    verdict: Verdict = Verdict.ERROR
    reason: str = "not run"
    cause: str = ""  # of an error, without the name of the kernel it happened to: the same cause is told once


@dataclass(frozen=True, slots=True, kw_only=True)
class CellResult:
    """The final word on a cell. `directory` is relative to the run directory."""

    id: str
    kernel: str
    test: str
    axes: tuple[tuple[str, str], ...] = ()
    seed: int = 0
    control: bool = False
    expected: str = "pass"
    judgement: Judgement = Judgement()
    evidence: Evidence = Evidence()
    attempts: int = 0
    totals: Mapping[str, int] = field(default_factory=dict)  # counters of all attempts, if there are several
    each: tuple[BootCounts, ...] = ()  # of each attempt, if there are several
    boot_failures: int = 0
    kernel_key: str = ""
    setup_key: str = ""  # of all else that decides: machine, workload, expectation, root file system, accelerator
    kernel_release: str = ""
    provenance: Provenance | None = None  # of the kernel
    accel: str = ""
    seconds: float = 0.0
    started: str = ""  # UTC, ISO 8601
    directory: str = ""
