"""A cell fitted to the source of its kernel: boot parameters its fault injection needs, or why to skip it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from kzram_ci.kernel.mechanism.facts import Facts
from kzram_ci.kernel.mechanism.rules import amplifier, meaning, unreachable
from kzram_ci.model.cell import Cell, Plan
from kzram_ci.model.workload import Fault

_MARKS = ("slub_debug", "slab_debug")  # a plan that sets one of them has said what it wants


def suited(cell: Cell, facts: Facts) -> Cell:
    """The cell as it must be run on a kernel with these facts; `skip` says why not to.

    A plan made for one kernel runs on others: from 5.9 to 6.1 failslab needs its cache marked at boot; where no
    page is compressed twice, floors of second compressions cannot be reached. See map.toml for the sources.
    """
    floors = [name for name, bound in cell.expect.floors if bound > 0]
    series, program = cell.kernel.series, cell.workload.program
    if reason := cell.skip or meaning(facts, series) or unreachable(facts, series, program, floors):
        return replace(cell, skip=reason)
    if cell.workload.fault.kind is not Fault.FAILSLAB or any(word.startswith(_MARKS) for word in cell.machine.cmdline):
        return cell
    tool = amplifier(facts)
    words = (tool.cmdline,) if tool.kind == Fault.FAILSLAB and tool.cmdline else ()
    return replace(cell, machine=replace(cell.machine, cmdline=(*cell.machine.cmdline, *words)))


def suited_plan(plan: Plan, known: Mapping[str, Facts]) -> Plan:
    """The plan with the cells of every kernel whose source is known (`known`: by kernel's name) fitted to it."""
    cells = (suited(cell, known[cell.kernel.name]) if cell.kernel.name in known else cell for cell in plan.cells)
    return replace(plan, cells=tuple(cells))
