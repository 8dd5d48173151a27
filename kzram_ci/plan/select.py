"""Part of a plan, by names. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from kzram_ci.base.errors import UserError
from kzram_ci.base.suggest import did_you_mean
from kzram_ci.model.cell import Cell, Plan
from kzram_ci.plan.matrix import glob_any, kernel_any, kernel_words, safe_id

_LISTED = 12


def select(
    plan: Plan,
    *,
    kernels: Sequence[str] = (),
    tests: Sequence[str] = (),
    cells: Sequence[str] = (),
    archs: Sequence[str] = (),
) -> Plan:
    """The plan with the cells that match all given filters (globs; ids as shown or as directory names).

    A kernel is meant by its name, by `line:GLOB`, by `variant:GLOB` or by `arch:GLOB`.

    Raises UserError with near matches when a pattern matches nothing, or all of them together nothing.
    """
    _must_match(kernels, [word for cell in plan.cells for word in kernel_words(cell.kernel)], f"kernel of {plan.name}")
    _must_match(tests, [cell.test for cell in plan.cells], f"test of {plan.name}")
    _must_match(cells, [name for cell in plan.cells for name in (cell.id, safe_id(cell.id))], f"cell of {plan.name}")
    _must_match(archs, [cell.kernel.arch for cell in plan.cells], f"architecture of {plan.name}")
    chosen = tuple(
        cell for cell in plan.cells if _wanted(cell, kernels, tests, cells) and (not archs or cell.kernel.arch in archs)
    )
    if not chosen:
        raise UserError(f"no cell of {plan.name} matches all filters together", hint=_hint(plan))
    return replace(plan, cells=chosen)


def _wanted(cell: Cell, kernels: Sequence[str], tests: Sequence[str], cells: Sequence[str]) -> bool:
    return (
        (not kernels or kernel_any(cell.kernel, kernels))
        and (not tests or glob_any(cell.test, tests))
        and (not cells or glob_any(cell.id, cells) or glob_any(safe_id(cell.id), cells))
    )


def _must_match(patterns: Sequence[str], names: Iterable[str], what: str) -> None:
    known = list(dict.fromkeys(names))
    for pattern in patterns:
        if not any(glob_any(name, (pattern,)) for name in known):
            alike = [name for name in known if (":" in name) is (":" in pattern)]
            shown = [name for name in alike if name == safe_id(name)] if "cell" not in what else known[::2]
            more = f" and {len(shown) - _LISTED} more" if len(shown) > _LISTED else ""
            listed = f"{', '.join(shown[:_LISTED])}{more}"
            raise UserError(f"no {what} matches {pattern!r}; it has {listed}{did_you_mean(pattern, known)}")


def _hint(plan: Plan) -> str:
    return f"kzram-ci plan {plan.path}" if plan.path else "kzram-ci plan PLAN"
