"""`--repeat N|auto`: how often a cell is booted before "good" is believed.

A bad kernel that crashes only sometimes passes by luck. `auto` repeats until that luck is below 5 %: the crash rate
comes from what the history knows of bad kernels under this test, else from the plan (an expected oops promises to
come within its `repeats`), else nothing is assumed of it. The first crash ends the repeats: bad is known at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace

from kzram_ci.base.errors import UserError
from kzram_ci.bisect.belief.likelihood import Beta, miss
from kzram_ci.model.cell import Cell, Plan
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.results.history import History, Record

AUTO = "auto"
LUCK = 0.05
MOST = 60
REPEAT_HELP = (
    "boot each cell N times (overrides repeats); auto: as often as it takes until a pass by luck is improbable, from "
    "the crash rate that the history, else the plan tells"
)
_PRIOR = (Beta(a=1.0, b=0.5),)
_ANY_RATE = (Beta(a=1.0, b=1.0),)  # where nothing is known, each is as likely
_CRASHED = frozenset({Outcome.OOPS, Outcome.CORRUPTION, Outcome.FAIL, Outcome.HANG})
_ENOUGH = 3  # crashes in the history, until it counts for more than the plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeats:
    """How many boots, and where the number comes from."""

    boots: int
    why: str


def repeat(word: str) -> int | str:
    """The type of the option for argparse."""
    if word == AUTO:
        return AUTO
    try:
        return int(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{word!r} is neither a number nor {AUTO!r}") from None


def repeated(plan: Plan, wanted: int | str, history: History | None, *, whole: Plan) -> Plan:
    """The plan with the repeats that were asked for; `whole` has the kernels that were not chosen as well.

    Raises UserError for a negative number.
    """
    if isinstance(wanted, int):
        if wanted < 0:
            raise UserError("--repeat cannot be negative")
        return replace(plan, cells=tuple(replace(cell, repeats=wanted) for cell in plan.cells)) if wanted else plan
    records = history.records(plan=plan.name) if history is not None else ()
    cells = []
    for cell in plan.cells:
        found = enough(cell, whole, records)
        print(f"kzram-ci: {cell.id}: {found.boots} boots for good: {found.why}", file=sys.stderr)
        cells.append(replace(cell, repeats=found.boots))
    return replace(plan, cells=tuple(cells))


def enough(cell: Cell, plan: Plan, records: Iterable[Record]) -> Repeats:
    """The boots a cell needs."""
    crashes, clean = bad_boots(cell, records)
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


def bad_boots(cell: Cell, records: Iterable[Record]) -> tuple[int, int]:
    """(crashes, clean boots) under this test of kernels, by their key, that crashed at least once."""
    counts: dict[str, list[int]] = {}
    for record in records:
        result = record.result
        if (result.test, result.axes) != (cell.test, cell.axes) or not result.attempts or not result.kernel_key:
            continue
        crashed = int(result.judgement.outcome in _CRASHED and result.judgement.verdict is not Verdict.ERROR)
        if crashed or result.judgement.outcome is Outcome.PASS:
            row = counts.setdefault(result.kernel_key, [0, 0])
            row[0] += crashed
            row[1] += result.attempts - crashed
    bad = [row for row in counts.values() if row[0]]
    return sum(row[0] for row in bad), sum(row[1] for row in bad)


def _same_test(one: Cell, other: Cell) -> bool:
    return (one.test, one.axes) == (other.test, other.axes)
