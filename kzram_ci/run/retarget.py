"""A plan on other sources than it names (`--kernel git:../linux@v6.13`). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace

from kzram_ci.base.errors import UserError
from kzram_ci.base.values import dataclass
from kzram_ci.kernel.series import SeriesKind
from kzram_ci.kernel.source import GIVE
from kzram_ci.model.cell import Cell, Plan
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.measure import Against
from kzram_ci.model.source import GivenSource, Source
from kzram_ci.plan.archs import ported
from kzram_ci.plan.source_args import is_source, label, split

BASE_KERNEL = "stock"  # whose series and config a source without a kernel gets
_CHANGING = frozenset({SeriesKind.FIX, SeriesKind.REGRESSION})


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What must be known of kernels to put them on ready images, or images' cells on source.

    kinds: of each series by name; stock: the kernel whose series and config a source without a kernel gets.
    """

    kinds: Mapping[str, SeriesKind] = field(default_factory=dict)
    stock: KernelSpec | None = None

    def changing(self, spec: KernelSpec) -> str:
        """The first series that makes a kernel another one than its source; "" when there is none."""
        if spec.patches:
            return spec.patches[0].series
        return next((name for name in spec.series if self.kinds.get(name) in _CHANGING), "")


def with_sources(plan: Plan, sources: Sequence[Source], known: Known) -> Plan:
    """The plan with the source of each of its kernels replaced; with several sources, once for each.

    Kernels keep series, config and make variables; where the series do not apply, the cell is skipped. Kernels that
    were ready images are built as `stock` is, as one, named after the source. Into a ready image nothing can be put:
    instruments are left out, and cells of kernels that a fix or a regression makes are skipped. What is left of a
    plan's kernels is the same then: they become one, named after the image. Cells of a kernel that still has no source
    are skipped. Raises UserError when that is all of them.
    """
    if not sources:
        return _without_source(plan)
    names = _names(sources)
    several = len(sources) > 1
    made: dict[tuple[str, int], Cell] = {}
    for cell in plan.cells:
        for number, (source, name) in enumerate(zip(sources, names, strict=True)):
            if source.ready:
                made[cell.id, number] = _on_image(cell, source, name, known)
            else:
                made[cell.id, number] = _on_source(cell, source, f"@{name}" if several else "", known, name)
    ids: list[dict[str, str]] = [{} for _ in sources]
    for (old, number), cell in made.items():
        ids[number][old] = cell.id
    cells: dict[str, Cell] = {}
    for (_, number), cell in made.items():
        cells.setdefault(cell.id, against(cell, ids[number]))
    return replace(plan, cells=tuple(cells.values()))


def against(cell: Cell, ids: Mapping[str, str]) -> Cell:
    """The cell with its control by another id, where that is one of `ids`: cells on another source have others."""

    def named(one: Against | None) -> Against | None:
        return None if one is None else replace(one, control=ids.get(one.control, one.control))

    cases = tuple(replace(case, evidence=named(case.evidence)) for case in cell.cases)
    return replace(cell, evidence=named(cell.evidence), cases=cases)


def _without_source(plan: Plan) -> Plan:
    cells = []
    for cell in plan.cells:
        source = cell.kernel.source
        cells.append(replace(cell, skip=f"no source: {source.how}") if isinstance(source, GivenSource) else cell)
    lacking = [cell for cell in cells if isinstance(cell.kernel.source, GivenSource)]
    if lacking and len(lacking) == len(cells):
        raise UserError(f"{lacking[0].kernel.name} has {lacking[0].skip}", hint=GIVE)
    return replace(plan, cells=tuple(cells)) if lacking else plan


def spec_with(spec: KernelSpec, source: Source) -> KernelSpec:
    """A kernel on another source; of a ready image only the name and architecture stay."""
    if source.ready:
        return KernelSpec(name=spec.name, source=source, arch=spec.arch)
    return replace(spec, source=source, line=spec.line if isinstance(spec.source, GivenSource) else "")


def meant(word: str, sources: Sequence[Source] = ()) -> tuple[str, tuple[Source, ...]]:
    """The kernel and the sources that a word of a command line means: a name, or a source in the place of stock's."""
    return (BASE_KERNEL, (*sources, *split((word,))[1])) if is_source(word) else (word, tuple(sources))


def on_sources(spec: KernelSpec, sources: Sequence[Source], known: Known) -> tuple[KernelSpec, ...]:
    """A kernel once on each of the sources; as it is where there are none. Raises UserError."""
    if any(source.ready for source in sources) and (changing := known.changing(spec)):
        message = f"{spec.name}: series {changing} cannot be put into a ready image"
        raise UserError(message, hint="take a source to build")
    found = []
    for source, name in zip(sources, _names(sources), strict=True):
        own = name if source.ready else f"{spec.name}@{name}" if len(sources) > 1 else spec.name
        found.append(replace(spec_with(spec, source), name=own))
    return tuple(found) or (spec,)


def _names(sources: Sequence[Source]) -> list[str]:
    """A name for each source, no two alike."""
    names: list[str] = []
    for source in sources:
        name = label(source)
        same = sum(other.partition("~")[0] == name for other in names)
        names.append(f"{name}~{same + 1}" if same else name)
    return names


def _on_source(cell: Cell, source: Source, suffix: str, known: Known, name: str) -> Cell:
    if cell.kernel.source.ready and known.stock is not None:  # an image has no config to build with
        spec = replace(spec_with(ported(known.stock, cell.kernel.arch), source), name=cell.kernel.name)
        return renamed(replace(cell, kernel=spec), name)
    spec = spec_with(cell.kernel, source)
    return renamed(replace(cell, kernel=spec), f"{spec.name}{suffix}")


def _on_image(cell: Cell, source: Source, name: str, known: Known) -> Cell:
    changing = known.changing(cell.kernel)
    spec = spec_with(cell.kernel, source)
    if not changing:
        return renamed(replace(cell, kernel=spec), name)
    skip = cell.skip or f"{name} is a ready image: series {changing} cannot be put into it"
    return renamed(replace(cell, kernel=spec, skip=skip), f"{spec.name}@{name}")


def renamed(cell: Cell, name: str) -> Cell:
    """The cell of a kernel with another name, which is the first part of the cell's id."""
    if name == cell.kernel.name:
        return cell
    identity = "/".join((name, *cell.id.split("/")[1:]))
    return replace(cell, id=identity, kernel=replace(cell.kernel, name=name))
