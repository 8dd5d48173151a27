"""Which part of a plan is meant, and on which sources: --kernel, --test and --cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kzram_ci.base.library import Library
from kzram_ci.model.cell import Plan
from kzram_ci.plan.select import select
from kzram_ci.plan.source_args import split
from kzram_ci.run.checks import checked_plan
from kzram_ci.run.known import known_of
from kzram_ci.run.retarget import with_sources

IMAGE_PLAN = "distro"  # the plan for kernels that are ready


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """`kernels`: patterns of names, and sources, on which the plan's kernels are put."""

    kernels: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()

    @property
    def everything(self) -> bool:
        """Whether nothing is left out or replaced."""
        return not (self.kernels or self.tests or self.cells)


def plan_without_name(words: Sequence[str]) -> str:
    """The plan of `kzram-ci run --kernel image:...` alone: the one made for ready kernels; "" for others."""
    _, sources = split(words)
    return IMAGE_PLAN if sources and all(source.ready for source in sources) else ""


def plan_of(name: str) -> Plan:
    """A plan by file or by name, checked as far as this host tells. Raises UserError with every error in it."""
    library = Library()
    return checked_plan(library.plan(name), library)


def selected(plan: Plan, selection: Selection) -> Plan:
    """The selected part of a plan, on the sources given. Raises UserError."""
    globs, sources = split(selection.kernels)
    part = select(plan, kernels=globs, tests=selection.tests, cells=selection.cells)
    return with_sources(part, sources, known_of(part.kernels(), sources))
