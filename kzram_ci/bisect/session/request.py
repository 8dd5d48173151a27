"""From a plan and a repository to a bisection that can begin; every error that can be known is raised here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kzram_ci.base.errors import UserError
from kzram_ci.bisect.belief import model as states
from kzram_ci.bisect.belief.model import Settings
from kzram_ci.bisect.session import history as ranges
from kzram_ci.bisect.session import store as sessions
from kzram_ci.bisect.session.history import Range
from kzram_ci.bisect.session.observations import expectation
from kzram_ci.bisect.session.store import Asked, Session
from kzram_ci.model.cell import Cell, Plan
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.source import LocalGit, RemoteGit
from kzram_ci.plan.matrix import glob_any
from kzram_ci.plan.select import select


def pick(plan: Plan, kernel: str, test: str) -> tuple[Cell, tuple[Cell, ...]]:
    """The one cell to boot, and those of the same test on other kernels. Raises UserError naming the choices."""
    kernels = tuple(dict.fromkeys(cell.kernel.name for cell in plan.cells))
    if not kernel and len(kernels) > 1:
        raise UserError(
            f"{plan.name} has {len(kernels)} kernels: {', '.join(kernels)}; one of them gives patches and config",
            hint=f"--kernel {kernels[0]}",
        )
    chosen = select(plan, kernels=(kernel,)) if kernel else plan
    cells = [cell for cell in chosen.cells if not test or _named(cell, test)]
    if len({cell.kernel.name for cell in cells}) > 1:
        raise UserError(f"--kernel {kernel} means {len(kernels)} kernels: {', '.join(kernels)}", hint="name one")
    if not cells:
        known = ", ".join(dict.fromkeys(_tail(cell) for cell in chosen.cells))
        raise UserError(f"no test of {plan.name} matches {test!r}", hint=f"known: {known}")
    if len(cells) > 1:
        listed = ", ".join(_tail(cell) for cell in cells)
        raise UserError(
            f"{plan.name} has {len(cells)} tests: {listed}; a bisection boots one", hint=f"--test {_tail(cells[0])}"
        )
    cell = cells[0]
    if cell.skip:
        raise UserError(f"{cell.id} is skipped by the plan: {cell.skip}", hint="choose another --test or --kernel")
    if cell.kernel.source.ready:
        raise UserError(
            f"kernel {cell.kernel.name} is a ready image: it cannot be built from a commit",
            hint="--kernel with a source",
        )
    tail = _tail(cell)
    return cell, tuple(other for other in plan.cells if other is not cell and _tail(other) == tail and not other.skip)


def _tail(cell: Cell) -> str:
    """A cell's id without its kernel: test and axes."""
    return cell.id.removeprefix(f"{cell.kernel.name}/")


def _named(cell: Cell, test: str) -> bool:
    return any(glob_any(name, (test,)) for name in (cell.test, cell.id, _tail(cell)))


def begin(
    plan: Plan, cell: Cell, others: tuple[Cell, ...], found: Range, *, signatures: tuple[str, ...], settings: Settings,
    paths: tuple[str, ...], first_parent: bool, root: Path,
) -> Session:  # fmt: skip
    """A new bisection on disk. Raises UserError (a test that cannot tell, a range that is none), InfraError."""
    cell, wanted, note = expectation(cell, others, signatures)
    start = states.start(found.text, bad=found.bad, goods=found.goods, first_parent=first_parent, settings=settings)
    asked = Asked(
        plan=plan.name,
        cell=replace(cell, kernel=_at(cell.kernel, found), repeats=1),
        repository=found.repository,
        store=found.store,
        wanted=wanted,
        note=note,
        paths=paths,
        first_parent=first_parent,
        commits=ranges.describe(found.store, start.graph.names),
    )
    session = sessions.create(root, asked, start, plan.text)
    if found.notes:
        session.note(notes=found.notes)
    return session


def _at(kernel: KernelSpec, found: Range) -> KernelSpec:
    """The plan's kernel with the repository in the place of its own source."""
    if ranges.is_url(found.repository):
        return replace(kernel, source=RemoteGit(url=found.repository, ref=found.bad))
    return replace(kernel, source=LocalGit(path=found.repository, ref=found.bad))
