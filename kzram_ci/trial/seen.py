"""What the boots of one side of a test showed, summed up. Pure.

Boots are counted in the order in which they were started: a crash ends a boot sooner, so those that are finished first
are not a fair sample. What still runs cuts off what was started after it, until it has ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum

from kzram_ci.base.values import dataclass
from kzram_ci.verdict import races
from kzram_ci.verdict.races import Tally


class What(StrEnum):
    """What one boot showed. Only CRASH and CLEAN are evidence."""

    CRASH = "crash"  # the wanted one
    CLEAN = "clean"  # passed, with the proof that the plan asks for
    OTHER = "other"  # another crash: the wanted one might have come later
    INCONCLUSIVE = "inconclusive"  # ended well, without the proof
    IDLE = "idle"  # likewise, and what is to prove something did not happen once
    UNBOOTABLE = "unbootable"  # did not reach the workload
    INFRA = "infra"  # the host's doing


EVIDENCE = frozenset({What.CRASH, What.CLEAN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """A finished boot; `races` where its kernel counts them."""

    what: What
    races: Tally | None = None
    idle: tuple[str, ...] = ()  # counters of the proof that stayed at 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One side of a test. `proof_crashes`: how often it must crash to prove that it does; set when it begins.

    In the order of their start, up to the first boot that still runs: `boots` of evidence, `crashes` among them, and
    `proof`, the number of boots at the last crash that the proof needs (0: not there yet).
    """

    proof_crashes: int = 1
    started: int = 0
    running: int = 0
    crash: int = 0
    clean: int = 0
    other: int = 0
    boots: int = 0
    crashes: int = 0
    proof: int = 0
    tail: tuple[What, ...] = ()  # the last boots without evidence, in a row
    idle: tuple[tuple[str, ...], ...] = ()  # what stayed at 0 in each of the last boots, all of them idle
    uncounted: bool = False  # a boot of evidence whose races are not known, or a crash that lost none
    tally: Tally | None = None  # of all boots of evidence

    def plus(self, boot: Boot | None) -> Seen:
        """With one more boot; None: it still runs."""
        if boot is None:
            return replace(self, started=self.started + 1, running=self.running + 1)
        crash, clean = boot.what is What.CRASH, boot.what is What.CLEAN
        grown = replace(
            self,
            started=self.started + 1,
            crash=self.crash + crash,
            clean=self.clean + clean,
            other=self.other + (boot.what is What.OTHER),
            tail=() if crash or clean else (*self.tail, boot.what)[-100:],
            idle=(*self.idle, boot.idle)[-100:] if boot.what is What.IDLE else (),
        )
        return grown._with_evidence(boot, crash=crash) if crash or clean else grown

    def _with_evidence(self, boot: Boot, *, crash: bool) -> Seen:
        mine = boot.races
        both = [tally for tally in (self.tally, mine) if tally is not None]
        grown = replace(
            self,
            uncounted=self.uncounted or mine is None or (crash and not mine.lost),
            tally=races.pooled(both),
        )
        if self.running:
            return grown
        boots, crashes = self.boots + 1, self.crashes + crash
        proof = boots if crash and crashes == self.proof_crashes else self.proof
        return replace(grown, boots=boots, crashes=crashes, proof=proof)


def seen(boots: Iterable[Boot | None], *, proof_crashes: int) -> Seen:
    """The boots of one side, in the order in which they were started; None: still running."""
    found = Seen(proof_crashes=proof_crashes)
    for boot in boots:
        found = found.plus(boot)
    return found
