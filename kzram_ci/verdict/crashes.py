"""Crashes by signature: what a boot showed, and whether that is the crash that is looked for. Pure.

A bisection and a trial of a patch ask the same of a boot: did the wanted crash come, another one, or none?
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from kzram_ci.base.values import dataclass
from kzram_ci.model.cell import OopsWanted
from kzram_ci.model.evidence import Evidence, Judgement
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.verdict.judge import fatal, matches

# Ends of a boot that have no oops, as signatures: a hang or a corruption can be looked for like a crash.
ENDINGS = frozenset({Outcome.CORRUPTION, Outcome.FAIL, Outcome.HANG})
NO_BOOT = str(Outcome.BOOT_FAILED)  # as a signature: a kernel that never reaches the workload
KEPT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """An oops of a boot, or a bad end without one (its outcome as signature)."""

    signature: str
    title: str
    fatal: bool = True
    planned: bool = False  # the plan's own expectation describes it


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The crash that is looked for. `given`: patterns of signatures or titles; `plan`: the plan describes it."""

    given: tuple[str, ...] = ()
    plan: bool = False

    def holds(self, crash: Crash) -> bool:
        """Whether a crash is the wanted one."""
        names = (crash.signature, crash.title)
        return (self.plan and crash.planned) or any(
            name == pattern or fnmatchcase(name, pattern) for pattern in self.given for name in names
        )

    @property
    def no_boot(self) -> bool:
        """Whether a kernel that does not reach the workload is what is looked for."""
        return NO_BOOT in self.given

    @property
    def unknown(self) -> bool:
        """Whether it is what will be seen first."""
        return not self.plan and not self.given

    @property
    def only_no_boot(self) -> bool:
        """Whether nothing else is: then a kernel that reaches the workload is good, whatever the workload shows."""
        return not self.plan and set(self.given) == {NO_BOOT}

    def text(self) -> str:
        """For people; "" while it is not known."""
        return " or ".join((*self.given, *(("what the plan expects",) if self.plan else ())))


def crashes_of(evidence: Evidence, judged: Judgement, described: OopsWanted | None) -> tuple[Crash, ...]:
    """What a boot showed, each crash once. `described`: the crash that the plan waits for."""
    crashes = [
        Crash(
            signature=oops.signature,
            title=oops.title,
            fatal=fatal(oops),
            planned=described is not None and matches(oops, described),
        )
        for oops in evidence.oopses
    ]
    # Only a finding: a workload that could not be set up in the guest is a `fail` of the host's.
    ending = judged.outcome in ENDINGS and judged.verdict is Verdict.FINDING
    if ending and not any(crash.fatal for crash in crashes):
        crashes.append(Crash(signature=str(judged.outcome), title=judged.reason))
    kept = list(dict.fromkeys(crashes))
    kept.sort(key=lambda crash: not crash.planned)  # what the plan describes must not be cut off
    return tuple(kept[:KEPT])
