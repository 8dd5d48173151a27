"""A trial as it is kept: what was asked, and what happened so far. Pure; JSON by `model.codec`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from kzram_ci.base.values import dataclass
from kzram_ci.kernel.posted import Posted
from kzram_ci.model.cell import Cell, OopsWanted
from kzram_ci.model.evidence import Gains
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.outcome import Outcome
from kzram_ci.trial.decide import Settings, Side
from kzram_ci.verdict.crashes import Crash

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """A test of the plan, as a good kernel should pass it. `described`: the crash that the plan waits for on others.

    `guard`: no kernel of the plan crashes in it: it finds what the series breaks.
    """

    id: str
    cell: Cell
    described: OopsWanted | None = None
    guard: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked, resolved: enough to go on without the plan and the mails."""

    version: int = VERSION
    plan: str
    tests: tuple[Test, ...]
    before: KernelSpec
    after: KernelSpec
    posted: Posted
    settings: Settings = Settings()
    signatures: tuple[str, ...] = ()
    costs: tuple[str, ...] = ()  # counters to compare
    each: bool = False
    tester: str = ""  # NAME <MAIL>
    notes: tuple[str, ...] = ()
    instead: tuple[Test, ...] = ()  # other tests of the plan that show a crash

    def test(self, name: str) -> Test:
        """A test by its name."""
        return next(test for test in self.tests if test.id == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class BootRecord:
    """One boot. `number` counts the boots of one side of a test from 1; `directory` is relative."""

    test: str
    side: Side
    number: int
    seed: int
    outcome: Outcome
    reason: str = ""
    error: bool = False  # the host's, or of the set-up in the guest
    crashes: tuple[Crash, ...] = ()
    ready: bool = False  # the workload was started
    proved: bool = False  # the plan's floors were reached
    idle: tuple[str, ...] = ()  # of the floors' counters: those that the whole boot left at 0
    worked: float = 0.0  # seconds, from the end of booting
    counters: Mapping[str, int] = field(default_factory=dict)  # of races, and costs
    gains: Mapping[str, Gains] = field(default_factory=dict)
    seconds: float = 0.0
    directory: str = ""
    accel: str = ""

    @property
    def no_boot(self) -> bool:
        """Whether the kernel did not reach the workload, by a crash on the way or without a word."""
        return not self.ready and self.outcome in (Outcome.BOOT_FAILED, Outcome.OOPS)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRecord:
    """A kernel of the trial. `patches`: how many of the series are in it; 0: before."""

    patches: int
    key: str = ""
    release: str = ""
    source: str = ""
    compiler: str = ""
    seconds: float = 0.0  # 0 when it came from the cache
    warnings: tuple[str, ...] = ()  # of the compiler, new with the last of these patches
    failed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepBoot:
    """One boot of a kernel with the first `patches` of the series."""

    patches: int
    boot: BootRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What happened so far. `skipped`: tests that have no meaning on these kernels, and why; `fit`: where that is all
    of them, tests of the plan that have.
    """

    boots: tuple[BootRecord, ...] = ()
    steps: tuple[StepBoot, ...] = ()  # of prefixes, when they were asked for
    builds: tuple[BuildRecord, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    fit: tuple[str, ...] = ()
    oops: str = ""  # the first wanted crash without the series, decoded
    done: bool = False
