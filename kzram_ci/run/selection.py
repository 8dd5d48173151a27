"""Which part of a plan is meant, and on which sources: --kernel, --test and --cell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from kzram_ci.base.errors import UserError
from kzram_ci.base.library import Library
from kzram_ci.base.values import dataclass
from kzram_ci.kernel import source
from kzram_ci.kernel.oneoff import OneOff
from kzram_ci.kernel.workshop import KernelContext
from kzram_ci.model.cell import Plan, evidence_of
from kzram_ci.model.evidence import CellResult
from kzram_ci.plan.load import Beside, load_plan
from kzram_ci.plan.select import select
from kzram_ci.plan.source_args import split
from kzram_ci.run import patching
from kzram_ci.run.checks import checked_plan, sent_along
from kzram_ci.run.known import known_of
from kzram_ci.run.retarget import with_sources

IMAGE_PLAN = "distro"  # the plan for kernels that are ready


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """`kernels`: patterns of names, and sources, on which the plan's kernels are put. `patches`: for this run only.

    `archs`: in place of the plan's.
    """

    kernels: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()
    patches: tuple[OneOff, ...] = ()
    archs: tuple[str, ...] = ()

    @property
    def everything(self) -> bool:
        """Whether nothing is left out or replaced."""
        return not (self.kernels or self.tests or self.cells or self.patches or self.archs)


def plan_without_name(words: Sequence[str]) -> str:
    """The plan of `kzram-ci run --kernel image:...` alone: the one made for ready kernels; "" for others."""
    _, sources = split(words)
    return IMAGE_PLAN if sources and all(source.ready for source in sources) else ""


def plan_of(name: str, archs: Sequence[str] = ()) -> Plan:
    """A plan by file or by name, checked as far as this host tells; on `archs`, where any are given.

    Raises UserError with every error in it.
    """
    library = Library()
    return checked_plan(library.plan(name), library, archs=archs)


def plan_with(name: str, beside: Beside, archs: Sequence[str] = ()) -> Plan:
    """A plan that was checked, with more kernels beside its own."""
    library = Library()
    return sent_along(load_plan(library.plan(name), library, beside, archs), library)


def again(name: str, selection: Selection) -> Callable[[Beside], Plan]:
    """What expands a plan once more, as `selected` asks for it."""
    return partial(plan_with, name, archs=selection.archs)


def selected(
    plan: Plan,
    selection: Selection,
    expand: Callable[[Beside], Plan] | None = None,
    recorded: Iterable[CellResult] = (),
) -> Plan:
    """The selected part of a plan, on the sources given and with the patches, once the sources were looked at.

    `expand` expands the plan with more kernels; None for a plan that was expanded before, whose results are `recorded`.
    A cell that ends by evidence brings its control along. Raises UserError.
    """
    globs, sources = split(selection.kernels)
    context = KernelContext().begin()
    for ref in sources:
        source.check(ref, context)
    part = select(plan, kernels=globs, tests=selection.tests, cells=selection.cells, archs=selection.archs)
    if made := patching.variants_of(selection.patches):
        part, plan = _with_variants(part, selection, globs, made, expand)
    part = measured(part, plan, () if sources or selection.patches else recorded)
    part = with_sources(part, sources, known_of(part.kernels(), sources))
    return patching.on_every_kernel(part, [oneoff for oneoff in selection.patches if not oneoff.variant])


def measured(part: Plan, whole: Plan, recorded: Iterable[CellResult] = ()) -> Plan:
    """The part of a plan with the controls that its cells end by: their recorded results, or else the cells."""
    wanted = {against.control for cell in part.cells for against in evidence_of(cell)} - {c.id for c in part.cells}
    known = tuple(result for result in recorded if result.id in wanted)
    missing = wanted - {result.id for result in known}
    chosen = {cell.id for cell in part.cells} | missing
    cells = tuple(cell for cell in whole.cells if cell.id in chosen) if missing else part.cells
    return replace(part, cells=cells, controls=known)


def _with_variants(
    part: Plan, selection: Selection, globs: Sequence[str], made: Mapping[str, Sequence[OneOff]],
    expand: Callable[[Beside], Plan] | None,
) -> tuple[Plan, Plan]:  # fmt: skip
    """The selected part with new kernels in all its tests, and the controls that these need; and the whole plan."""
    if expand is None or selection.cells:
        raise UserError("--patch NAME=FILE needs a plan to which NAME can be added", hint="its file, and --test")
    specs = {name: patching.variant(patching.base_of(part, name), name, parts) for name, parts in made.items()}
    whole = expand(lambda known: {**known, **specs})
    chosen = select(whole, kernels=(*globs, *made) if globs else (), tests=selection.tests)
    return patching.with_controls(chosen, whole, tuple(made)), whole
