"""Questions to the history, each with its answer as values, for programs, and as lines, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kzram_ci.base.suggest import did_you_mean
from kzram_ci.base.units import say_count
from kzram_ci.base.values import dataclass
from kzram_ci.results.crashes import crashes, lines
from kzram_ci.results.history import NEWEST_RESULTS, History
from kzram_ci.results.past_text import cell_lines, result_lines, run_lines
from kzram_ci.results.trails import trails


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The values found, and the lines that tell them; without any, the line that says why."""

    found: Sequence[Any]
    lines: Sequence[str]


def runs(history: History, *, plan: str = "") -> Answer:
    """The recorded runs."""
    found = history.runs(plan=plan)
    return Answer(found=found, lines=run_lines(found) if found else [nothing(history, plan=plan)])


def crashed(history: History, *, plan: str = "", cell: str = "") -> Answer:
    """Each crash once."""
    found = crashes(history.crashes(plan=plan, cell=cell))
    return Answer(found=found, lines=lines(found) if found else [nothing(history, plan=plan, cell=cell)])


def cells(history: History, *, plan: str = "", cell: str = "", last: int = 0) -> Answer:
    """What each cell did; with a pattern also each of its results."""
    records = history.records(plan=plan, cell=cell)
    found = trails(records, last=last)
    if not found:
        return Answer(found=found, lines=[nothing(history, plan=plan, cell=cell)])
    told = cell_lines(found)
    for trail in found if cell else ():
        told += ["", *result_lines(trail)]
    if len(records) == NEWEST_RESULTS:
        told += ["", f"of the newest {NEWEST_RESULTS:,} results; a CELL or --plan shows older ones"]
    return Answer(found=found, lines=told)


def nothing(history: History, *, plan: str = "", cell: str = "") -> str:
    """Why there is nothing to show: no history, or none that fits."""
    known_cells, known_runs = history.cells(), history.runs()
    if not known_cells and not known_runs:
        return f"nothing recorded in {history.database}"
    known = f"{say_count(len(known_cells), 'cell')} recorded in {history.database}"
    plans = sorted({run.plan for run in known_runs})
    if plan and plan not in plans:
        return (
            f"no recorded run of a plan named {plan!r}{did_you_mean(plan, plans)}; recorded plans: {', '.join(plans)}"
        )
    if cell:
        return f"no cell matches {cell!r}; {known}{did_you_mean(cell, known_cells)}"
    return f"no result of {known}"
