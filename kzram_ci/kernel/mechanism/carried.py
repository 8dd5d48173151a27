"""Whether a kernel carries the counters that a cell needs, by the series that were put into it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from kzram_ci.kernel.mechanism.data import reported
from kzram_ci.model.cell import Cell
from kzram_ci.model.provenance import AppliedSeries


def needed(cell: Cell) -> tuple[str, ...]:
    """The counters without which a cell proves nothing, or never stops."""
    bounds = tuple(name for name, bound in (*cell.expect.floors, *cell.workload.stop) if bound > 0)
    return bounds if cell.evidence is None else (*bounds, cell.evidence.counters(cell.expect.floors)[0])


def not_counted(cell: Cell, applied: Sequence[AppliedSeries]) -> str:
    """Why a needed counter is missing from a kernel with these series; "" when nothing is known against it.

    Only of counters whose series was left out. One that no series of the kernel reports may be in its source.
    """
    there = reported([series.name for series in applied if not series.left_out])
    for name in needed(cell):
        for series in applied:
            if series.left_out and name not in there and name in reported([series.name]):
                return f"{name} is not counted here: {series.name} was left out, {series.left_out}"
    return ""
