"""A plan's file to a `Plan`: every cell expanded, or every error of it, with file, line and column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kzram_ci.base.grammar.problems import Document, Problems, Where
from kzram_ci.base.grammar.read import read_bytes
from kzram_ci.base.grammar.validation import checked
from kzram_ci.base.grammar.yaml_source import parse
from kzram_ci.base.library import Library
from kzram_ci.kernel.mechanism import Facts
from kzram_ci.model.arch import arch_of
from kzram_ci.model.cell import Plan
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.source import DirectorySource
from kzram_ci.model.workload import OWN_TESTS
from kzram_ci.plan import tables
from kzram_ci.plan.axes import axis_names
from kzram_ci.plan.draft import Draft
from kzram_ci.plan.expand import Expansion
from kzram_ci.plan.kernels import Kernels
from kzram_ci.plan.lines import on_axes

if TYPE_CHECKING:
    from kzram_ci.plan.kernel_schema import KernelFile
    from kzram_ci.plan.schema import PlanFile

Beside = Callable[[Mapping[str, KernelSpec]], Mapping[str, KernelSpec]]
_UNRESOLVED = DirectorySource(path="")


def load_plan(path: Path, library: Library, beside: Beside = dict, archs: Sequence[str] = ()) -> Plan:
    """Read, check and expand a plan; `beside` may put kernels beside its own, `archs` takes the place of its `arch`.

    Raises GrammarErrors (a PlanError) with all that is wrong in `.errors`.
    """
    draft = draft_plan(read_bytes(path), path, library, beside, archs)
    draft.problems.raise_if_any()
    return draft.plan


def parse_plan(text: str | bytes, path: Path, library: Library) -> Plan:
    """As `load_plan`, from a text; `path` names it in errors, and relative paths start beside it."""
    draft = draft_plan(text, path, library)
    draft.problems.raise_if_any()
    return draft.plan


def draft_plan(
    text: str | bytes, path: Path, library: Library, beside: Beside = dict, archs: Sequence[str] = ()
) -> Draft:
    """A plan with what is wrong with it so far. Raises GrammarErrors when its grammar leaves nothing to expand."""
    from kzram_ci.plan.schema import PlanFile

    problems = Problems()
    document = parse(text, str(path), problems)
    if document.data is None:
        problems.raise_if_any()
    names, workloads = axis_names(document.data, document.file, problems), tables.workloads(library)
    context = {"axes": names, "workloads": (*workloads.rows, *OWN_TESTS)}
    model = checked(PlanFile, document.data, document, problems, context=context)
    kernels = Kernels(library=library, problems=problems)
    if model is None:
        _kernels_of_broken_plan(document, kernels)
        problems.raise_if_any()
    assert model is not None
    named = _kernels(model, document, path.parent, kernels)
    specs = beside(_on_archs(named, archs or model.arch or (), document, kernels))

    def facts(spec: KernelSpec) -> Facts | None:
        return tables.axes(library).facts(spec.line) if spec.line else None

    expansion = Expansion(
        model=model, document=document, problems=problems, specs=specs, facts=facts, workloads=workloads
    )
    plan = Plan(
        name=model.name,
        description=model.description,
        path=str(path),
        text=text.decode() if isinstance(text, bytes) else text,
        cells=expansion.cells(),
        boot_retries=model.boot_retries,
        jobs=model.jobs,
    )
    return Draft(plan=plan, document=document, problems=problems, layers=expansion.layers, kernels=kernels)


def _kernels_of_broken_plan(document: Document, kernels: Kernels) -> None:
    """A plan whose schema is broken still gets its kernel names checked: all errors in one go."""
    entries = document.data.get("kernels") if isinstance(document.data, dict) else None
    if isinstance(entries, dict):
        from kzram_ci.plan.kernel_schema import KernelAxes

        place: Where = ("kernels",)
        if (asked := checked(KernelAxes, entries, document, kernels.problems, where=place)) is not None:
            on_axes(asked, tables.axes(kernels.library), document, kernels.problems)
    if not isinstance(entries, list):
        return
    inline = {entry.get("name") for entry in entries if isinstance(entry, dict)}
    for index, entry in enumerate(entries):
        if isinstance(entry, str) and entry not in inline:
            kernels.spec(entry, document.file, ("kernels", index))


def _kernels(model: PlanFile, document: Document, directory: Path, kernels: Kernels) -> dict[str, KernelSpec]:
    """The plan's kernels by name; one that cannot be resolved stands in the matrix, its problem is recorded."""
    if isinstance(model.kernels, list):
        places = _listed(model.kernels, document, directory, kernels)
        return {name: _spec(kernels, name, document, where) for name, where in places.items()}
    chosen = on_axes(model.kernels, tables.axes(kernels.library), document, kernels.problems)
    return {  # a kernel of the user's own that bears such a name stands for that variant and line
        name: replace(_spec(kernels, name, document, where), line=line, variant=variant)
        for name, (variant, line, where) in chosen.items()
    }


def _on_archs(
    specs: Mapping[str, KernelSpec], archs: Sequence[str], document: Document, kernels: Kernels
) -> dict[str, KernelSpec]:
    """Each kernel on each of the architectures; as they are where none is asked for."""
    if not archs:
        return dict(specs)
    for arch in archs:
        arch_of(arch)  # a word of a command line; one of the plan was checked with its grammar
    place: Where = ("arch",) if document.has(("arch",)) else ("kernels",)
    made: dict[str, KernelSpec] = {}
    for spec in specs.values():
        for arch in archs if spec.source != _UNRESOLVED else (spec.arch,):
            found = kernels.on_arch(spec, arch, document.file, place) or replace(spec, source=_UNRESOLVED)
            made.setdefault(found.name, found)
    return made


def _spec(kernels: Kernels, name: str, document: Document, where: Where) -> KernelSpec:
    return kernels.spec(name, document.file, where) or KernelSpec(name=name, source=_UNRESOLVED)


def _listed(
    entries: Sequence[str | KernelFile], document: Document, directory: Path, kernels: Kernels
) -> dict[str, Where]:
    places: dict[str, Where] = {}
    for index, entry in enumerate(entries):
        where: Where = ("kernels", index)
        name = entry if isinstance(entry, str) else entry.name
        if name is None:
            kernels.problems.add(document.file, where, "a kernel that is written out needs a name")
            continue
        if name in places:
            kernels.problems.add(document.file, where, f"the kernel {name!r} is listed twice")
            continue
        places[name] = where
        if not isinstance(entry, str):
            kernels.add_inline(entry, document.file, directory, where)
    return places
