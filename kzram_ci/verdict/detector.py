"""Whether the detector can be believed: it asks zsmalloc what an object can hold, and tests that once a boot. Pure.

A verdict that rests on it is worth nothing where the test failed, and proves nothing where there was none. What the
workload read back wrong, what the kernel died of, and how the boot ended stand without it.
"""

from __future__ import annotations

from kzram_ci.base.units import say_count
from kzram_ci.model.cell import Cell
from kzram_ci.model.evidence import Evidence, Judgement
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.verdict.exposure import OVERRUNS

SELFTEST = "selftest_failures"
COUNTERS = frozenset(
    {"recompressions", "changed_between", "grew", "grew_class", OVERRUNS, "max_excess", "over_in_page"}
    | {"over_next_page", "over_buffer", "wasted_bytes", "wasted_now", "slack_now"}
)
_OF_THE_KERNEL = frozenset({Outcome.CORRUPTION, Outcome.HANG})


def trusted(cell: Cell, evidence: Evidence, word: Judgement, *, crashed: bool) -> Judgement:
    """The judgement, or what is left of it without a detector that works. `crashed`: the kernel died."""
    failures = evidence.counters.get(SELFTEST)
    if failures and not _stands(cell, word, crashed):
        reason = (
            f"the detector's self-test failed for {say_count(failures, 'size')} of objects: "
            "what it counts says nothing of this kernel"
        )
        outcome = Outcome.OOPS if word.outcome is Outcome.OOPS else Outcome.FAIL
        return Judgement(outcome=outcome, verdict=Verdict.ERROR, reason=f"{reason}; {word.reason}")
    if failures is None and word.verdict is Verdict.OK and OVERRUNS in evidence.counters and (name := _needs(cell)):
        reason = f"{SELFTEST} not reported: {name} is the detector's, and the detector was not tested; {word.reason}"
        outcome = Outcome.OOPS if word.outcome is Outcome.OOPS else Outcome.INCONCLUSIVE
        return Judgement(outcome=outcome, verdict=Verdict.INCONCLUSIVE, reason=reason)
    return word


def _stands(cell: Cell, word: Judgement, crashed: bool) -> bool:
    """Whether a judgement does not rest on the detector."""
    if word.verdict is Verdict.ERROR:
        return True
    dead = crashed and cell.expect.outcome == "pass"
    return word.verdict is Verdict.FINDING and (dead or word.outcome in _OF_THE_KERNEL)


def _needs(cell: Cell) -> str:
    """The first of a cell's floors and ceilings that is the detector's; "" when there is none."""
    bounds = (*cell.expect.floors, *cell.expect.ceilings)
    return next((name for name, _ in bounds if name in COUNTERS), "")
