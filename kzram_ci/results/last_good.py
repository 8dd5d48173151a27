"""The last good run of a plan, and what changed since."""

from __future__ import annotations

from collections.abc import Sequence

from kzram_ci.base.errors import KzramError
from kzram_ci.base.units import say_count
from kzram_ci.base.values import dataclass
from kzram_ci.model.again import base_id
from kzram_ci.model.evidence import CellResult
from kzram_ci.model.outcome import Verdict
from kzram_ci.results.history import History, RunRecord
from kzram_ci.results.reports.compare import Change, as_lines, compare, kernel_changes
from kzram_ci.results.reports.shown import Since

MOST_LINES = 40
MOST_IDS = 6
_IN_SHORT = {"kernel": "{} on another kernel", "setup": "{} in another set-up", "added": "{} not in it"}
_BAD = (Verdict.FINDING, Verdict.ERROR, Verdict.INCONCLUSIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class LastGood:
    """A run in which every cell did what its plan expects."""

    record: RunRecord
    results: tuple[CellResult, ...]

    def of(self, now: Sequence[CellResult]) -> tuple[CellResult, ...]:
        """Its results of the cells that have one now."""
        ids = {base_id(result.id) for result in now}
        return tuple(result for result in self.results if base_id(result.id) in ids)

    def since(self, now: Sequence[CellResult], changes: Sequence[Change] | None = None) -> Since:
        """What changed from then to these results, of the cells that have one. `changes`: where they are known."""
        before = self.of(now)
        changes = compare(before, now) if changes is None else changes
        kernels, count = kernel_changes(before, now), len({base_id(result.id) for result in now})
        told = [change for change in changes if change.kind not in _IN_SHORT]
        lines = as_lines(told, kernels, total=count) if told or kernels else []
        lines += [_in_short(kind, [change.id for change in changes if change.kind == kind]) for kind in _IN_SHORT]
        lines = [line for line in lines if line]
        more = len(lines) - MOST_LINES
        return Since(
            run=self.record.run,
            recorded=self.record.recorded,
            lines=(*lines[:MOST_LINES], *([f"and {more:,} more: kzram-ci compare"] if more > 0 else []))
            or (f"no change in {say_count(count, 'cell')}",),
            cells=frozenset(change.id for change in changes if change.kind not in _IN_SHORT),
            nothing=not lines,
        )


def _in_short(kind: str, ids: Sequence[str]) -> str:
    """One line for cells that changed alike: what is new, or runs on another kernel, is no news by itself."""
    if not ids:
        return ""
    shown = ", ".join(ids[:MOST_IDS]) + (f" and {len(ids) - MOST_IDS:,} more" if len(ids) > MOST_IDS else "")
    return f"{_IN_SHORT[kind].format(say_count(len(ids), 'cell'))}: {shown}"


def last_good(history: History, plan: str, run: str, cells: int) -> LastGood | None:
    """The newest run of the plan before this one in which every cell was ok or skipped; None without one.

    One with less than half of the cells was of a part of the plan, and says little of this run. A history that cannot
    be read is as none: a report does not depend on it.
    """
    try:
        for known in reversed(history.runs(plan=plan)):
            good = known.verdicts.get(Verdict.OK) and not any(known.verdicts.get(bad) for bad in _BAD)
            if good and known.run < run and 2 * sum(known.verdicts.values()) >= cells:
                latest = {record.result.id: record.result for record in history.records(run=known.run)}
                if 2 * len({base_id(name) for name in latest}) >= cells:
                    return LastGood(record=known, results=tuple(latest.values()))
    except KzramError:
        pass
    return None
