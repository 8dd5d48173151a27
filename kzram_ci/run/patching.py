"""One-off patches (`--patch`) on a plan's kernels, or as a new variant beside its base."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kzram_ci.base.errors import UserError
from kzram_ci.kernel.oneoff import OneOff
from kzram_ci.model.cell import Cell, Plan
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.run.retarget import against, renamed


def patched(spec: KernelSpec, oneoffs: Sequence[OneOff]) -> KernelSpec:
    """A kernel with patches after its series, and their names in its own. Raises UserError for a ready image."""
    for oneoff in oneoffs:
        spec = replace(_with(spec, oneoff), name=f"{spec.name}+{oneoff.label}")
    return spec


def variant(base: KernelSpec, name: str, oneoffs: Sequence[OneOff]) -> KernelSpec:
    """A kernel of this name: its base and the patches."""
    for oneoff in oneoffs:
        base = _with(base, oneoff)
    return replace(base, name=name, variant="")


def _with(spec: KernelSpec, oneoff: OneOff) -> KernelSpec:
    if spec.source.ready:
        raise UserError(
            f"{spec.name} is ready, {oneoff.label} cannot be put into it", hint="--patch needs a source to build from"
        )
    return replace(spec, patches=(*spec.patches, *oneoff.patches))


def variants_of(oneoffs: Sequence[OneOff]) -> dict[str, tuple[OneOff, ...]]:
    """The named patches by the kernel they make."""
    names = dict.fromkeys(oneoff.variant for oneoff in oneoffs if oneoff.variant)
    return {name: tuple(oneoff for oneoff in oneoffs if oneoff.variant == name) for name in names}


def base_of(plan: Plan, name: str) -> KernelSpec:
    """What a new variant is built on: the only kernel that is selected, else the only one that must crash as a control.

    Raises UserError when that is none or several.
    """
    kernels = {cell.kernel.name: cell.kernel for cell in plan.cells}
    if name in kernels:
        raise UserError(f"--patch {name}=…: {plan.name} has a kernel {name} already", hint="choose another name")
    bad = {cell.kernel.name: cell.kernel for cell in plan.cells if must_crash(cell)}
    chosen = kernels if len(kernels) == 1 else bad
    if len(chosen) != 1:
        listed = ", ".join(chosen or kernels)
        raise UserError(f"--patch {name}=…: {name} can be built on {listed}", hint="--kernel NAME says on which")
    return next(iter(chosen.values()))


def must_crash(cell: Cell) -> bool:
    """Whether the cell is a control that shows the fault: without it, a patch that passes proves nothing."""
    found = ((cell.control, cell.expect), *((case.control, case.expect) for case in cell.cases))
    return any(control and expect.outcome == "oops" for control, expect in found)


def with_controls(plan: Plan, whole: Plan, names: Sequence[str]) -> Plan:
    """The plan with the controls that must crash in the tests of these kernels, in the order of the whole plan."""
    tests = {(cell.test, cell.axes) for cell in plan.cells if cell.kernel.name in names}
    wanted = {cell.id for cell in plan.cells}
    wanted |= {cell.id for cell in whole.cells if must_crash(cell) and (cell.test, cell.axes) in tests}
    return replace(plan, cells=tuple(cell for cell in whole.cells if cell.id in wanted))


def on_every_kernel(plan: Plan, oneoffs: Sequence[OneOff]) -> Plan:
    """The plan with the patches on each of its kernels, which get names of their own. Raises UserError."""
    if not oneoffs:
        return plan
    cells = {}
    for cell in plan.cells:
        spec = patched(cell.kernel, oneoffs)
        cells[cell.id] = renamed(replace(cell, kernel=replace(spec, name=cell.kernel.name)), spec.name)
    ids = {old: cell.id for old, cell in cells.items()}
    return replace(plan, cells=tuple(against(cell, ids) for cell in cells.values()))
