"""The control of a cell that ends by evidence: the same test on a kernel without the remedy. Pure.

It is a cell of the plan with the same test and the same values of its axes, on another kernel of the same source and
architecture, that is expected to crash. Of several those that the plan marks as `control` come first, then the kernel
that differs in the fewest series, then the order of the plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from kzram_ci.model.cell import Cell
from kzram_ci.model.measure import Against


def _asks(cell: Cell) -> Against | None:
    """What a cell asks of a control, in the case that it is expected to pass."""
    if cell.skip:
        return None
    return next((case.evidence for case in cell.cases if case.evidence is not None), cell.evidence)


def _crashes(cell: Cell) -> tuple[bool, bool]:
    """Whether a cell is expected to crash, as far as is known, and whether it is a control then."""
    if cell.expect.outcome != "derived":
        return cell.expect.outcome == "oops", cell.control
    found = [case.control for case in cell.cases if case.expect.outcome == "oops"]
    return bool(found), any(found)


def control_of(cell: Cell, cells: Sequence[Cell]) -> Cell | None:
    """The control of a cell; None when there is none."""

    def rank(other: Cell) -> tuple[bool, int]:
        return not _crashes(other)[1], len(set(other.kernel.series) ^ set(cell.kernel.series))

    fit = [other for other in cells if _crashes(other)[0] and not other.skip and _alike(other, cell)]
    return min(fit, key=rank, default=None)


def _alike(one: Cell, other: Cell) -> bool:
    if one.id == other.id or (one.test, one.axes) != (other.test, other.axes):
        return False
    return (one.kernel.source, one.kernel.arch) == (other.kernel.source, other.kernel.arch)


def lacking(cells: Sequence[Cell]) -> Iterator[tuple[Cell, str]]:
    """The cells that ask for a control and have none, each with what is wrong."""
    for cell in cells:
        if _asks(cell) is not None and control_of(cell, cells) is None and _crashes(cell)[0] is False:
            yield (
                cell,
                f"evidence needs a control: no other kernel of this source is expected to crash in test {cell.test}; "
                "add one, or `stop: {evidence: null}`",
            )


def assigned(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """The cells, those that end by evidence with the id of their control, and the controls marked."""
    found = {cell.id: control_of(cell, cells) for cell in cells if _asks(cell) is not None}
    measuring = {control.id for control in found.values() if control is not None}
    return tuple(
        replace(_with(cell, found.get(cell.id)), measured=cell.measured or cell.id in measuring) for cell in cells
    )


def _with(cell: Cell, control: Cell | None) -> Cell:
    if control is None:
        return cell

    def named(against: Against | None) -> Against | None:
        return None if against is None else replace(against, control=control.id)

    cases = tuple(replace(case, evidence=named(case.evidence)) for case in cell.cases)
    return replace(cell, evidence=named(cell.evidence), cases=cases)
