"""`--kernel GLOB|SOURCE`: which kernels of a plan, and on which sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kzram_ci.model.cell import Plan
from kzram_ci.plan.select import select
from kzram_ci.plan.source_args import FORMS, split

_FORMS = ", ".join(FORMS.values())
KERNEL_HELP = (
    "only these kernels; or a source, which takes the place of their own while their series and config stay "
    f"(with several, all kernels on each): {_FORMS}. An image gets no series and no config"
)
SOURCE_HELP = f"source to take in place of the kernel's own: {_FORMS}"
REFRESH_HELP = "ask for newer packages than were downloaded before"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The part of a plan that is meant: --kernel (globs and sources), --test, --cell."""

    kernels: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()


def plan_without_name(words: Sequence[str]) -> str:
    """The plan of `kzram-ci run --kernel image:...` alone: the one made for kernels as they are; "" for others."""
    _, sources = split(words)
    return "distro" if sources and all(source.ready for source in sources) else ""


def chosen(plan: Plan, selection: Selection) -> Plan:
    """The selected part of a plan, on the sources given. Raises UserError."""
    from kzram_ci.run.retarget import with_sources

    globs, sources = split(selection.kernels)
    return with_sources(select(plan, kernels=globs, tests=selection.tests, cells=selection.cells), sources)
