"""The plan's cell and its repeats in one run, taken as one result. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from kzram_ci.model.again import base_id
from kzram_ci.model.evidence import CellResult
from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.verdict.exposure import all_counters, summed
from kzram_ci.verdict.power import boots_of

_FIRST = (Verdict.FINDING, Verdict.OK)


def folded(results: Iterable[CellResult]) -> tuple[CellResult, ...]:
    """The results of a run with repeats folded into the cells they repeat, in the order of these.

    A finding in any of them is the cell's; else a repeat that came to a verdict speaks where the cell has none.
    """
    groups: dict[str, list[CellResult]] = {}
    for result in results:
        groups.setdefault(base_id(result.id), []).append(result)
    return tuple(group[0] if len(group) == 1 else _one(name, group) for name, group in groups.items())


def _one(name: str, group: Sequence[CellResult]) -> CellResult:
    ran = [one for one in group if one.judgement.outcome is not Outcome.NOT_RUN] or list(group)
    of = {one.judgement.verdict: one for one in reversed(ran)}  # the first of each verdict
    shown = next((of[verdict] for verdict in _FIRST if verdict in of), ran[0])
    base = next((one for one in group if one.id == name), group[0])
    return replace(
        shown,
        id=name,
        axes=base.axes,
        attempts=sum(one.attempts for one in ran),
        each=tuple(boot for one in ran for boot in boots_of(one)),
        totals=summed([all_counters(one) for one in ran]),
        boot_failures=sum(one.boot_failures for one in ran),
        seconds=sum(one.seconds for one in ran),
    )
