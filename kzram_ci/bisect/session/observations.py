"""What one boot and one build left, and what they mean once the wanted signature is known. Pure.

Boots are kept as facts. Which of them are evidence follows from the signature, so a signature that was learnt late,
or that the user adds with `--resume`, counts for the boots before it as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from kzram_ci.base.errors import UserError
from kzram_ci.bisect.belief.model import Observation, observation
from kzram_ci.model.cell import Cell
from kzram_ci.model.evidence import Evidence
from kzram_ci.model.outcome import Outcome
from kzram_ci.verdict.judge import below_floors, fatal, judge, matches

# Ends of a boot that have no oops, as signatures: a hang or a corruption can be bisected like a crash.
WORDS = frozenset({Outcome.CORRUPTION, Outcome.FAIL, Outcome.HANG})
KEPT_OOPSES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """An oops of a boot, or a bad end without one (its outcome as signature)."""

    signature: str
    title: str
    fatal: bool = True
    planned: bool = False  # the plan's own expectation describes it


@dataclass(frozen=True, slots=True, kw_only=True)
class BootRecord:
    """One boot of one commit. `number` counts the boots of a commit from 1; `directory` is relative."""

    commit: str
    number: int
    seed: int
    outcome: Outcome
    reason: str = ""
    crashes: tuple[Crash, ...] = ()
    ready: bool = False  # the workload was started
    proved: bool = False  # the plan's floors were reached
    seconds: float = 0.0
    directory: str = ""
    accel: str = ""

    @property
    def principal(self) -> Crash | None:
        """What the boot is remembered for."""
        return next((crash for crash in self.crashes if crash.fatal), self.crashes[0] if self.crashes else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRecord:
    """One commit's kernel: its key and the digest of its image, or why there is none (`failed`)."""

    commit: str
    key: str = ""
    sha256: str = ""
    release: str = ""
    seconds: float = 0.0  # of make and all around it; 0 when it came from the cache
    cached: bool = False
    failed: str = ""


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

    def words(self) -> str:
        """For people."""
        return " or ".join((*self.given, *(("what the plan expects",) if self.plan else ())))


def told(record: BootRecord, wanted: Wanted) -> Observation:
    """What a boot says about its commit."""
    if any(wanted.holds(crash) for crash in record.crashes):
        return Observation.CRASH
    if record.outcome is Outcome.OOPS and not record.ready:
        return Observation.UNBOOTABLE  # another crash before the workload: this kernel will never reach it
    if record.outcome is Outcome.BOOT_FAILED and record.ready:
        return Observation.INFRA  # the workload ran, on a clock that the guest misjudged
    if record.outcome is Outcome.PASS and not record.proved:
        return Observation.INCONCLUSIVE
    return observation(record.outcome, wanted=False)


def learnt(boots: Sequence[BootRecord], bad: str) -> str:
    """The signature that the bad end shows most, "" while it showed none; the first seen wins a tie."""
    seen = Counter(
        crash.signature for boot in boots if boot.commit == bad and boot.ready and (crash := boot.principal) is not None
    )
    return seen.most_common(1)[0][0] if seen else ""


def record(cell: Cell, evidence: Evidence, *, commit: str, number: int, directory: str, accel: str) -> BootRecord:
    """The facts of a boot that a bisection keeps; `cell.expect` says what the plan describes."""
    word = judge(cell, evidence)
    crashes = [
        Crash(
            signature=oops.signature,
            title=oops.title,
            fatal=fatal(oops),
            planned=cell.expect.outcome == "oops" and matches(oops, cell.expect.oops),
        )
        for oops in evidence.oopses
    ]
    if word.outcome in WORDS and not any(crash.fatal for crash in crashes):
        crashes.append(Crash(signature=str(word.outcome), title=word.reason))
    kept = list(dict.fromkeys(crashes))
    kept.sort(key=lambda crash: not crash.planned)  # what the plan describes must not be cut off
    return BootRecord(
        commit=commit,
        number=number,
        seed=cell.seed,
        outcome=word.outcome,
        reason=word.reason,
        crashes=tuple(kept[:KEPT_OOPSES]),
        ready=evidence.ready,
        proved=not below_floors(cell, evidence),
        seconds=round(evidence.seconds, 3),
        directory=directory,
        accel=accel,
    )


def expectation(cell: Cell, others: Sequence[Cell], given: tuple[str, ...]) -> tuple[Cell, Wanted, str]:
    """The cell to boot, what to look for, and a sentence about it; the sentence is "" where the user said it.

    Raises UserError for a test that could not tell a good kernel from a bad one.
    """
    if given:
        return cell, Wanted(given=given), ""
    if cell.expect.outcome == "oops":
        return cell, Wanted(plan=True), "looking for the oops that the plan expects"
    if sibling := next((other for other in others if other.expect.outcome == "oops"), None):
        # The same test on another kernel of the plan describes the crash; the proof of a clean boot stays our own.

        expect = replace(cell.expect, outcome="oops", oops=sibling.expect.oops)
        text = f"looking for the oops that the plan expects of {sibling.id}"
        return replace(cell, expect=expect), Wanted(plan=True), text
    if not cell.expect.floors and not cell.expect.ceilings:
        raise UserError(
            f"{cell.id} cannot tell good from bad: it expects a pass, names no oops and asks for no proof of one",
            hint="--signature SIGNATURE, or `expect:` with floors or an oops in the plan",
        )
    return cell, Wanted(), "the plan names no oops: the wanted signature will be what the bad end shows most"
