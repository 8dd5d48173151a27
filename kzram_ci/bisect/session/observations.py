"""What one boot and one build left, and what they mean once the wanted signature is known. Pure.

Boots are kept as facts. Which of them are evidence follows from the signature, so a signature that became known late,
or that the user adds with `--resume`, counts for the boots before it as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from kzram_ci.base.values import dataclass
from kzram_ci.bisect.belief.model import Observation
from kzram_ci.model.cell import Cell
from kzram_ci.model.evidence import Evidence
from kzram_ci.model.outcome import KERNEL_OUTCOMES, Outcome
from kzram_ci.verdict.crashes import Crash, Wanted, crashes_of
from kzram_ci.verdict.judge import below_floors, judge

_MEANING = {
    Outcome.PASS: Observation.CLEAN,
    Outcome.FAIL: Observation.OTHER,
    Outcome.CORRUPTION: Observation.OTHER,
    Outcome.OOPS: Observation.OTHER,
    Outcome.HANG: Observation.OTHER,
    Outcome.INCONCLUSIVE: Observation.INCONCLUSIVE,
    Outcome.BOOT_FAILED: Observation.UNBOOTABLE,
    Outcome.LOST: Observation.INFRA,
    Outcome.INFRA: Observation.INFRA,
    Outcome.NOT_RUN: Observation.INFRA,
    Outcome.SKIPPED: Observation.SKIP,
} | dict.fromkeys(KERNEL_OUTCOMES, Observation.UNBUILDABLE)


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

    @property
    def no_boot(self) -> bool:
        """Whether the kernel did not reach the workload, by a crash on the way or without a word."""
        return not self.ready and self.outcome in (Outcome.BOOT_FAILED, Outcome.OOPS)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRecord:
    """One commit's kernel: its key and the digest of its image, or why there is none (`failed`), and what to do."""

    commit: str
    key: str = ""
    sha256: str = ""
    release: str = ""
    seconds: float = 0.0  # of make and all around it; 0 when it came from the cache
    cached: bool = False
    failed: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenBoot:
    """A boot, and what it means for its commit."""

    record: BootRecord
    what: Observation


def observation_of(record: BootRecord, wanted: Wanted) -> Observation:
    """What a boot means for its commit."""
    if any(wanted.holds(crash) for crash in record.crashes) or (wanted.no_boot and record.no_boot):
        return Observation.CRASH
    if record.outcome is Outcome.OOPS and not record.ready:
        return Observation.UNBOOTABLE  # another crash before the workload: this kernel will never reach it
    if wanted.only_no_boot and record.ready:
        return Observation.CLEAN
    if record.outcome is Outcome.BOOT_FAILED and record.ready:
        return Observation.INFRA  # the workload ran, on a clock that the guest misjudged
    if record.outcome is Outcome.PASS and not record.proved:
        return Observation.INCONCLUSIVE
    return _MEANING[record.outcome]


def observed(boots: Sequence[BootRecord], wanted: Wanted) -> Iterator[SeenBoot]:
    """Each boot with its meaning. A boot that ended before the workload and left no crash may be the host's doing:
    it counts once another boot of the same commit ended before the workload as well.
    """
    ended_early = Counter(boot.commit for boot in boots if boot.no_boot)
    for boot in boots:
        what = observation_of(boot, wanted)
        silent = boot.outcome is Outcome.BOOT_FAILED and what is Observation.CRASH
        yield SeenBoot(record=boot, what=Observation.UNBOOTABLE if silent and ended_early[boot.commit] < 2 else what)


def dominant_signature(boots: Iterable[BootRecord], bad: str) -> str:
    """The signature that the bad end shows most, "" while it showed none; the first seen wins a tie."""
    seen = Counter(
        crash.signature for boot in boots if boot.commit == bad and boot.ready and (crash := boot.principal) is not None
    )
    return seen.most_common(1)[0][0] if seen else ""


def boot_record(cell: Cell, evidence: Evidence, *, commit: str, number: int, directory: str, accel: str) -> BootRecord:
    """The facts of a boot that a bisection keeps; `cell.expect` is what the plan describes."""
    judgement = judge(cell, evidence)
    return BootRecord(
        commit=commit,
        number=number,
        seed=cell.seed,
        outcome=judgement.outcome,
        reason=judgement.reason,
        crashes=crashes_of(evidence, judgement, cell.expect.oops if cell.expect.outcome == "oops" else None),
        ready=evidence.ready,
        proved=not below_floors(cell, evidence),
        seconds=round(evidence.seconds, 3),
        directory=directory,
        accel=accel,
    )
