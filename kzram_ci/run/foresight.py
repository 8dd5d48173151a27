"""What a run will miss on these sources, found out and said before anything is built: series, cells they cost."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from kzram_ci.base.errors import Interrupted, KzramError
from kzram_ci.kernel.fit import foreseen
from kzram_ci.kernel.workshop import KernelContext, Prospect, prospect
from kzram_ci.model.cell import Cell, Plan
from kzram_ci.model.events import Note


def looked_ahead(plan: Plan, context: KernelContext, done: Collection[str] = ()) -> Plan:
    """The plan with the cells skipped that could show nothing on the kernels that will be built.

    Sources are fetched and patches tried, nothing is built. What goes wrong with that is left to the stage that needs
    it; a series that will not fit is told now. Raises Interrupted.
    """
    active = [cell for cell in plan.cells if not cell.skip and cell.id not in done]
    told: dict[str, list[str]] = {}
    ahead: dict[str, Prospect] = {}
    for spec in dict.fromkeys(cell.kernel for cell in active):
        try:
            found = prospect(spec, context)
        except Interrupted:
            raise
        except KzramError as error:
            told.setdefault(error.message, []).append(spec.name)
            continue
        if found is not None:
            ahead[spec.name] = found
            for note in found.notes:
                told.setdefault(note, []).append(spec.name)
    for text, names in told.items():
        context.note(", ".join(names), text)
    cells = tuple(_fitted(cell, ahead, done) for cell in plan.cells)
    _tell_costs(plan, cells, context)
    return replace(plan, cells=cells)


def _fitted(cell: Cell, ahead: dict[str, Prospect], done: Collection[str]) -> Cell:
    found = ahead.get(cell.kernel.name)
    return cell if found is None or cell.skip or cell.id in done else foreseen(cell, found)


def _tell_costs(plan: Plan, cells: tuple[Cell, ...], context: KernelContext) -> None:
    """Which cells are skipped, by reason."""
    lost: dict[str, list[str]] = {}
    for before, after in zip(plan.cells, cells, strict=True):
        if after.skip and not before.skip:
            lost.setdefault(after.skip, []).append(after.id)
    for reason, ids in lost.items():
        text = f"{len(ids)} of {len(cells)} cells skipped ({', '.join(ids)}): {reason}"
        context.listener(Note(subject=plan.name, text=text))
