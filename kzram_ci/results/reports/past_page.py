"""The page of the history: cells with their rates, pictures of them, crashes with first and last seen, runs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kzram_ci.results.crashes import Crash
from kzram_ci.results.history import Record, RunRecord
from kzram_ci.results.past_text import share_text
from kzram_ci.results.reports.charts import Forest, Interval, forest
from kzram_ci.results.reports.html import environment
from kzram_ci.results.trails import Trail, trails

TEMPLATE = "history.html.j2"
MOST_ROWS = 60  # of a picture


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
