"""How often a cell is booted before "good" is believed. Pure.

A bad kernel that crashes only sometimes passes by luck. `enough` repeats until that luck is below 5 %: the crash rate
comes from what bad kernels did under this test before, else from the plan (an expected oops promises to come within
its `repeats`), else any rate is as likely. The first crash ends the repeats: bad is known at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from kzram_ci.base.values import dataclass
from kzram_ci.model.again import without_repeat
from kzram_ci.model.cell import Cell, Plan
from kzram_ci.model.evidence import CellResult
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.verdict.likelihood import Beta, miss

LUCK = 0.05
MOST = 60
_PRIOR = (Beta(a=1.0, b=0.5),)
_ANY_RATE = (Beta(a=1.0, b=1.0),)
_CRASHED = frozenset({Outcome.OOPS, Outcome.CORRUPTION, Outcome.FAIL, Outcome.HANG})
_ENOUGH = 3  # crashes in the history, until it counts for more than the plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeats:
    """How many boots, and where the number comes from."""

    boots: int
    why: str


def times(plan: Plan, boots: int) -> Plan:
    """The plan with every cell booted so often."""
    return replace(plan, cells=tuple(_times(cell, boots) for cell in plan.cells))


def _times(cell: Cell, boots: int) -> Cell:
    return replace(cell, repeats=boots, cases=tuple(replace(case, repeats=boots) for case in cell.cases))


def often_enough(plan: Plan, results: Iterable[CellResult], *, whole: Plan) -> tuple[Plan, tuple[str, ...]]:
    """The plan with the repeats each cell needs, and a line on each; `whole` has the kernels not chosen as well."""
    known = tuple(results)
    found = {cell.id: enough(cell, whole, known) for cell in plan.cells}
    cells = tuple(_times(cell, found[cell.id].boots) for cell in plan.cells)
    lines = tuple(f"{name}: {one.boots} boots for good: {one.why}" for name, one in found.items())
    return replace(plan, cells=cells), lines


def enough(cell: Cell, plan: Plan, results: Iterable[CellResult]) -> Repeats:
    """The boots a cell needs."""
    crashes, clean = bad_boots(cell, results)
    if crashes >= _ENOUGH:
        boots = next((n for n in range(1, MOST) if miss(_PRIOR, crashes, clean, n) <= LUCK), MOST)
        luck = miss(_PRIOR, crashes, clean, boots)
        seen = f"bad kernels crashed in {crashes} of {crashes + clean} boots"
        return Repeats(boots=boots, why=f"{seen}, one would pass all by luck with {luck:.1%}")
    promised = [other.repeats for other in plan.cells if _same_test(other, cell) and other.expect.outcome == "oops"]
    if promised:
        return Repeats(boots=max(promised), why="the plan expects its oops within so many tries")
    if cell.repeats > 1:
        return Repeats(boots=cell.repeats, why="the plan's repeats")
    boots = next(n for n in range(1, MOST) if miss(_ANY_RATE, 0, 0, n) <= LUCK)
    return Repeats(boots=boots, why="nothing is known of the crash rate")


def bad_boots(cell: Cell, results: Iterable[CellResult]) -> tuple[int, int]:
    """(crashes, clean boots) under this test of kernels, by their key, that crashed at least once."""
    counts: dict[str, list[int]] = {}
    for result in results:
        if not _of_test(result, cell) or not result.attempts or not result.kernel_key:
            continue
        crashed = int(result.judgement.outcome in _CRASHED and result.judgement.verdict is not Verdict.ERROR)
        if crashed or result.judgement.outcome is Outcome.PASS:
            row = counts.setdefault(result.kernel_key, [0, 0])
            row[0] += crashed
            row[1] += result.attempts - crashed
    bad = [row for row in counts.values() if row[0]]
    return sum(row[0] for row in bad), sum(row[1] for row in bad)


def _of_test(result: CellResult, cell: Cell) -> bool:
    return (result.test, without_repeat(result.axes)) == (cell.test, without_repeat(cell.axes))


def _same_test(one: Cell, other: Cell) -> bool:
    return (one.test, one.axes) == (other.test, other.axes)
