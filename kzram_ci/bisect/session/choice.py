"""Which cell of a plan a bisection boots. Pure."""

from __future__ import annotations

from dataclasses import replace

from kzram_ci.base.errors import UserError
from kzram_ci.model.cell import Cell, Plan
from kzram_ci.plan.matrix import glob_any
from kzram_ci.plan.select import select


def choose_cell(plan: Plan, kernel: str, test: str) -> tuple[Cell, tuple[Cell, ...]]:
    """The one cell to boot, and those of the same test on other kernels. Raises UserError naming the choices."""
    chosen = _of_one_kernel(plan, kernel)
    cells = [cell for cell in chosen.cells if not test or _is_called(cell, test)]
    if not cells:
        known = ", ".join(dict.fromkeys(tail(cell) for cell in chosen.cells))
        raise UserError(f"no test of {plan.name} matches {test!r}; it has {known}")
    if len(cells) > 1:
        listed = ", ".join(tail(cell) for cell in cells)
        raise UserError(
            f"{plan.name} has {len(cells)} tests: {listed}; a bisection boots one", hint=f"--test {tail(cells[0])}"
        )
    cell = cells[0]
    if cell.skip:
        raise UserError(f"{cell.id} is skipped by the plan: {cell.skip}", hint="choose another --test or --kernel")
    if cell.kernel.source.ready:
        raise UserError(
            f"kernel {cell.kernel.name} is a ready image: it cannot be built from a commit",
            hint="--kernel with a source",
        )
    return cell, same_test(plan, cell)


def same_test(plan: Plan, cell: Cell) -> tuple[Cell, ...]:
    """The cells of the same test on other kernels."""
    return tuple(other for other in plan.cells if other is not cell and tail(other) == tail(cell) and not other.skip)


def others_of(plan: Plan, cell: Cell) -> tuple[Cell, ...]:
    """The other cells of the same kernel."""
    return tuple(
        other
        for other in plan.cells
        if other.kernel.name == cell.kernel.name and other.id != cell.id and not other.skip
    )


def _of_one_kernel(plan: Plan, kernel: str) -> Plan:
    chosen = select(plan, kernels=(kernel,)) if kernel else plan
    names = tuple(dict.fromkeys(cell.kernel.name for cell in chosen.cells))
    if len(names) < 2:
        return chosen
    if kernel in names:  # a plan for several architectures: the pattern means the kernel on each, the name one of them
        return replace(chosen, cells=tuple(cell for cell in chosen.cells if cell.kernel.name == kernel))
    if kernel:
        raise UserError(f"--kernel {kernel} matches {len(names)} kernels: {', '.join(names)}", hint="name one")
    raise UserError(
        f"{plan.name} has {len(names)} kernels: {', '.join(names)}; a bisection takes patches and config of one",
        hint=f"--kernel {names[0]}",
    )


def tail(cell: Cell) -> str:
    """A cell's id without its kernel: test and axes."""
    return cell.id.removeprefix(f"{cell.kernel.name}/")


def _is_called(cell: Cell, test: str) -> bool:
    return any(glob_any(name, (test,)) for name in (cell.test, cell.id, tail(cell)))
