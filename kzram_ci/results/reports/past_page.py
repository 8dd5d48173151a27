"""The page of the history: cells with their rates, pictures of them, crashes with first and last seen, runs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from kzram_ci.model.evidence import BootCounts, CellResult
from kzram_ci.results.crashes import Crash
from kzram_ci.results.history import Record, RunRecord
from kzram_ci.results.past_text import share_text
from kzram_ci.results.reports.charts import Forest, Interval, forest
from kzram_ci.results.reports.html import environment
from kzram_ci.results.reports.odds import Survivors, lived, survivors_of
from kzram_ci.results.reports.summary_model import column
from kzram_ci.results.trails import Trail, trails

TEMPLATE = "history.html.j2"
MOST_ROWS = 60  # of a picture
MOST_CURVES = 6  # in one, those that crashed most: as many as lines are told apart
MOST_BOOTS = 500  # of a curve, the newest
MOST_PICTURES = 12


def render(
    records: Sequence[Record],
    runs: Sequence[RunRecord],
    found: Sequence[Crash],
    *,
    plans: Sequence[str],
    plan: str,
    present: frozenset[str],
) -> str:
    """The whole page. `present`: runs whose directory is still there."""
    known = trails(records)
    text: str = (
        environment()
        .get_template(TEMPLATE)
        .render(
            trails=known,
            runs=runs,
            crashes=found,
            plans=plans,
            plan=plan,
            present=present,
            share=share_text,
            forests=tuple(_forests(known)),
            survivors=tuple(islice(_survivors(records), MOST_PICTURES)),
            most_boots=MOST_BOOTS,
        )
    )
    return text


def _forests(known: Sequence[Trail]) -> Iterator[tuple[str, Forest]]:
    """A picture a plan: how often boots crash, the cells that crashed."""
    for plan in dict.fromkeys(trail.plan for trail in known):
        rows = [
            Interval(
                name=trail.cell,
                low=trail.crashed.low,
                high=trail.crashed.high,
                value=trail.crashed.events / trail.crashed.trials or None,
                text=f"{trail.crashed.events:,} of {trail.crashed.trials:,} boots",
            )
            for trail in known
            if trail.plan == plan and trail.crashed is not None
        ]
        if (drawn := forest(rows[:MOST_ROWS])) is not None:
            yield f"{plan}: boots that crashed", drawn


def _survivors(records: Sequence[Record]) -> Iterator[Survivors]:
    """A picture a plan and test in which a boot crashed: how long the boots of its kernels lived, over all runs."""
    found: dict[tuple[str, str], dict[str, list[CellResult]]] = {}
    for record in records:
        kernels = found.setdefault((record.plan, column(record.result)), {})
        kernels.setdefault(record.result.kernel, []).append(record.result)
    for (plan, test), kernels in found.items():
        boots = [(kernel, lived(results)[-MOST_BOOTS:]) for kernel, results in kernels.items()]
        shown = sorted(boots, key=lambda row: _crashes(row[1]), reverse=True)[:MOST_CURVES]
        if _crashes(shown[0][1]) and (one := survivors_of(f"{plan}, {test}", shown)) is not None:
            yield one


def _crashes(boots: Sequence[BootCounts]) -> int:
    return sum(boot.crashed for boot in boots)
