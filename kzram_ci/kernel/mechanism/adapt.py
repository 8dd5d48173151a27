"""A cell fitted to the source of its kernel: boot parameters its fault injection needs, or why to skip it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from kzram_ci.kernel.mechanism.facts import Facts
from kzram_ci.kernel.mechanism.rules import Amplifier, Expected, amplifier, boot_words, expected, meaning, unreachable
from kzram_ci.model.cell import Case, Cell, Plan
from kzram_ci.model.machine import MachineSpec
from kzram_ci.model.workload import Fault, FaultSpec, WorkloadSpec

_MARKS = ("slub_debug", "slab_debug")  # a plan that sets one of them has said what it wants


def decided(cell: Cell, facts: Facts) -> Cell:
    """A cell whose expectation is derived, as it is on a source with these facts; other cells as they are.

    The outcome is that of the map, with what proves its reason; the fault injection too, where the plan names none.
    Bounds that the plan sets itself stay.
    """
    if not cell.cases:
        return cell
    want = expected(facts, cell.kernel.series, cell.workload.program)
    case = cell.cases[want.outcome == "oops"]
    if case.expect.outcome != want.outcome:  # skipped, or the plan says so itself
        want = replace(want, proof=(), limits=())
    return replace(
        cell,
        machine=_armed(case, facts, cell.kernel.series),
        workload=_amplified(case, facts, want),
        expect=replace(
            case.expect,
            floors=_and(case.expect.floors, want.proof),
            ceilings=_and(case.expect.ceilings, want.limits),
        ),
        repeats=case.repeats,
        control=case.control,
        skip=case.skip,
        evidence=case.evidence,
    )


def _armed(case: Case, facts: Facts, series: Collection[str]) -> MachineSpec:
    """The machine with the words its kernel needs at boot; a plan that marks a cache itself marks it alone."""
    have = case.machine.cmdline
    marked = any(word.startswith(_MARKS) for word in have)
    words = boot_words(facts, series, case.workload.program)
    return replace(case.machine, cmdline=(*have, *(w for w in words if not (marked and w.startswith(_MARKS)))))


def _amplified(case: Case, facts: Facts, want: Expected) -> WorkloadSpec:
    """The workload with the map's fault injection, and with stops that wait for its proof."""
    work = case.workload
    fault = _fault(work.fault, amplifier(facts)) if case.amplified else work.fault
    return replace(work, fault=fault, stop=_and(work.stop, want.proof) if work.stop or case.evidence else ())


def _fault(fault: FaultSpec, tool: Amplifier) -> FaultSpec:
    """What the map says in the place of a plan's fault injection."""
    most = min(fault.probability, tool.probability) if tool.probability else fault.probability
    return replace(fault, kind=Fault(tool.kind), probability=most)


def _compressed(cell: Cell, facts: Facts) -> Cell:
    """The cell with lzo where zram does not know lzo-rle yet."""
    zram, known = cell.workload.zram, facts.get("lzo_rle")
    if zram.algorithm != "lzo-rle" or known is None or known.value:
        return cell
    return replace(cell, workload=replace(cell.workload, zram=replace(zram, algorithm="lzo")))


def _and(bounds: tuple[tuple[str, int], ...], more: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], ...]:
    """The bounds with those of others that name other counters."""
    return (*bounds, *(item for item in more if item[0] not in dict(bounds)))


def suited(cell: Cell, facts: Facts) -> Cell:
    """The cell as it must be run on a kernel with these facts; `skip` says why not to.

    A plan made for one kernel runs on others: from 5.9 to 6.1 failslab needs its cache marked at boot; where it cannot
    reach zram (4.9) the test gets fail_page_alloc; where no page is compressed twice, floors of recompressions are out
    of reach. See map.toml for the sources.
    """
    cell = _compressed(decided(cell, facts), facts)
    floors = [name for name, bound in cell.expect.floors if bound > 0]
    # what one-off patches do is not known, as with a series that is not on the map
    series = (*cell.kernel.series, *dict.fromkeys(patch.series for patch in cell.kernel.patches))
    program = cell.workload.program
    if reason := cell.skip or meaning(facts, series) or unreachable(facts, series, program, floors):
        return replace(cell, skip=reason)
    tool = amplifier(facts)
    if cell.workload.fault.kind is not Fault.FAILSLAB:
        return cell
    if tool.kind == Fault.FAIL_PAGE_ALLOC:  # failslab would do nothing there
        return replace(cell, workload=replace(cell.workload, fault=_fault(cell.workload.fault, tool)))
    if any(word.startswith(_MARKS) for word in cell.machine.cmdline):
        return cell
    words = (tool.cmdline,) if tool.kind == Fault.FAILSLAB and tool.cmdline else ()
    return replace(cell, machine=replace(cell.machine, cmdline=(*cell.machine.cmdline, *words)))


def suited_plan(plan: Plan, known: Mapping[str, Facts]) -> Plan:
    """The plan with the cells of every kernel whose source is known (`known`: by kernel's name) fitted to it."""
    cells = (suited(cell, known[cell.kernel.name]) if cell.kernel.name in known else cell for cell in plan.cells)
    return replace(plan, cells=tuple(cells))
