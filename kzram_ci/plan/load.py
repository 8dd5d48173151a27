"""A plan's file to a `Plan`: every cell expanded, or every error of it, with file, line and column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kzram_ci.kernel import mechanism
from kzram_ci.kernel.mechanism import Facts
from kzram_ci.model.cell import Cell, Plan
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.source import DirectorySource
from kzram_ci.plan import library, merge, vocabulary
from kzram_ci.plan.axes import axis_fields, axis_names, include_values
from kzram_ci.plan.kernels import FindKernel, Kernels, read_text
from kzram_ci.plan.lines import Axes, on_axes
from kzram_ci.plan.lint import contradictions
from kzram_ci.plan.marks import Document, Problems, Where, allowed, parse
from kzram_ci.plan.matrix import Grid, Place, picks, seed_of
from kzram_ci.plan.validation import checked

if TYPE_CHECKING:
    from kzram_ci.plan.kernel_schema import KernelFile
    from kzram_ci.plan.schema import PlanFile

_UNRESOLVED = DirectorySource(path="")


def load_plan(
    path: Path,
    *,
    find_kernel: FindKernel,
    known_kernels: Iterable[str] = (),
    workloads: Iterable[str] = vocabulary.WORKLOADS,
    axes: Callable[[], Axes] = library.axes,
) -> Plan:
    """Read, check and expand a plan.

    `find_kernel` gives a kernel by name; `known_kernels` and `workloads` are the names that suggestions and checks
    use, `axes` the lines and variants there are. Raises PlanErrors (a PlanError) with all that is wrong in `.errors`.
    """
    return parse_plan(
        read_text(path), path, find_kernel=find_kernel, known_kernels=known_kernels, workloads=workloads, axes=axes
    )


def parse_plan(
    text: str | bytes,
    path: Path,
    *,
    find_kernel: FindKernel,
    known_kernels: Iterable[str] = (),
    workloads: Iterable[str] = vocabulary.WORKLOADS,
    axes: Callable[[], Axes] = library.axes,
) -> Plan:
    """As `load_plan`, from a text; `path` names it in errors, and relative paths start beside it."""
    from kzram_ci.plan.schema import PlanFile

    problems = Problems()
    document = parse(text, str(path), problems)
    if document.data is None:
        problems.raise_if_any()
    names = axis_names(document.data, document.file, problems)
    model = checked(PlanFile, document.data, document, problems, context={"axes": names, "workloads": tuple(workloads)})
    if model is None:
        _kernels_of_broken_plan(document, problems, find_kernel, tuple(known_kernels), axes)
        problems.raise_if_any()
    assert model is not None
    kernels = Kernels(find=find_kernel, problems=problems, known=tuple(known_kernels))
    specs = _kernels(model, document, path.parent, kernels, axes)

    def facts(spec: KernelSpec) -> Facts | None:
        return axes().facts(spec.line) if spec.line else None

    cells = _Expansion(model=model, document=document, problems=problems, specs=specs, facts=facts).cells()
    problems.raise_if_any()
    return Plan(
        name=model.name,
        description=model.description,
        path=str(path),
        text=text.decode() if isinstance(text, bytes) else text,
        cells=cells,
        boot_retries=model.boot_retries,
        jobs=model.jobs,
    )


def _kernels_of_broken_plan(
    document: Document, problems: Problems, find: FindKernel, known: tuple[str, ...], axes: Callable[[], Axes]
) -> None:
    """A plan whose schema is broken still gets its kernel names checked: all errors in one go."""
    entries = document.data.get("kernels") if isinstance(document.data, dict) else None
    if isinstance(entries, dict):
        from kzram_ci.plan.kernel_schema import KernelAxes

        place: Where = ("kernels",)
        if (asked := checked(KernelAxes, entries, document, problems, where=place)) is not None:
            on_axes(asked, axes(), document, problems)
    if not isinstance(entries, list):
        return
    inline = {entry.get("name") for entry in entries if isinstance(entry, dict)}
    kernels = Kernels(find=find, problems=problems, known=known)
    for index, entry in enumerate(entries):
        if isinstance(entry, str) and entry not in inline:
            kernels.spec(entry, document.file, ("kernels", index))


def _kernels(
    model: PlanFile, document: Document, directory: Path, kernels: Kernels, axes: Callable[[], Axes]
) -> dict[str, KernelSpec]:
    """The plan's kernels by name; one that cannot be resolved stands in the matrix, its problem is recorded."""
    if isinstance(model.kernels, list):
        places = _listed(model.kernels, document, directory, kernels)
        return {name: _spec(kernels, name, document, where) for name, where in places.items()}
    chosen = on_axes(model.kernels, axes(), document, kernels.problems)
    return {  # a kernel of the user's own that bears such a name stands for that variant and line
        name: replace(_spec(kernels, name, document, where), line=line, variant=variant)
        for name, (variant, line, where) in chosen.items()
    }


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Expansion:
    """From a checked model to cells."""

    model: PlanFile
    document: Document
    problems: Problems
    specs: Mapping[str, KernelSpec]
    facts: Callable[[KernelSpec], Facts | None]

    def cells(self) -> tuple[Cell, ...]:
        axes = axis_fields(self.model, self.document, self.problems)
        full = include_values(self.model, axes, self.document, self.problems)
        grid = Grid(
            plan=self.model,
            document=self.document,
            kernels=tuple(self.specs.values()),
            axes=full,
            extra={axis: frozenset(full[axis]) - frozenset(axes[axis]) for axis in axes},
            problems=self.problems,
        )
        self._check_names(grid)
        places = grid.places()
        used: set[int] = set()
        cells = [cell for place in places if (cell := self._cell(place, grid.axes, used)) is not None]
        for index, entry in enumerate(self.model.expect):
            if index not in used:
                grid.nothing(entry, ("expect", index), places)
        return tuple(cells)

    def _check_names(self, grid: Grid) -> None:
        for name, test in self.model.tests.items():
            if isinstance(test.kernels, list):
                for index, pattern in enumerate(test.kernels):
                    where = grid.item(("tests", name), "kernels", index)
                    grid.known(pattern, grid.words("kernel", pattern), "kernel", where)
            elif test.kernels is not None:
                grid.known_kernels(test.kernels, ("tests", name, "kernels"))
            for index, axis in enumerate(test.axes or ()):
                if axis not in self.model.matrix.axes:
                    told = f"unknown axis {axis!r}; {allowed(axis, self.model.matrix.axes)}"
                    self.problems.add(self.document.file, ("tests", name, "axes", index), told)

    def _fields(self, place: Place, axes: Mapping[str, Mapping[str, merge.Data]]) -> merge.Data:
        """All that applies to a cell before the overrides: plan's machine, defaults, test, axis values; later wins."""
        data: merge.Data = {"machine": self.model.machine.model_dump(exclude_unset=True)}
        layers = [merge.as_data(self.model.defaults), merge.as_data(self.model.tests[place.test])]
        for layer in (*layers, *(axes[axis][label] for axis, label in place.values)):
            data = merge.merge(data, layer)
        return data

    def _overridden(self, place: Place, data: merge.Data, used: set[int], case: str = "") -> merge.Data:
        """A cell's fields with the overrides for it, of a derived expectation those for this case."""
        for index, entry in enumerate(self.model.expect):
            if picks(entry, place) and entry.derived in (None, case):
                used.add(index)
                data = merge.merge(data, merge.as_data(entry))
        return data

    def _cell(self, place: Place, axes: Mapping[str, Mapping[str, merge.Data]], used: set[int]) -> Cell | None:
        data = self._fields(place, axes)
        if data.get("expect", {}).get("outcome") != merge.DERIVED:
            return self._checked(place, self._overridden(place, data, used))
        made = []
        for word in merge.CASES:
            fields = self._overridden(place, merge.case(data, word), used, word)
            if (cell := self._checked(place, fields)) is None:
                return None
            made.append((cell, merge.case_of(cell, amplified="fault" not in fields)))
        first, cases = made[0][0], tuple(case for _, case in made)
        open_ = replace(first, expect=replace(first.expect, outcome=merge.DERIVED), cases=cases)
        facts = self.facts(place.kernel)
        return mechanism.decided(open_, facts) if facts is not None else open_

    def _checked(self, place: Place, data: merge.Data) -> Cell | None:
        """The cell of these fields; what is wrong with it is recorded."""
        where: Where = ("tests", place.test)
        if "workload" not in data:
            self._bad(where, "workload is required, in the test or under defaults")
            return None
        cell = Cell(
            id=place.id,
            kernel=place.kernel,
            test=place.test,
            axes=place.values,
            machine=merge.machine(data.get("machine", {}), place.kernel.arch),
            workload=merge.workload(data),
            expect=merge.expectation(data.get("expect", {})),
            seed=seed_of(self.model.seed, place.id),
            repeats=data.get("repeats", 1),
            control=data.get("control", False),
            skip=data.get("skip", ""),
        )
        for field, text in contradictions(cell):
            self._bad(self._written(place.test, field), text)
        return cell

    def _written(self, test: str, field: Where) -> Where:
        """Where a field of a test was written: in the test, in what tests share, or not at all."""
        candidates: tuple[Where, ...] = (("tests", test, *field), ("defaults", *field), field)
        return next((where for where in candidates if self.document.has(where)), candidates[0])

    def _bad(self, where: Where, text: str) -> None:
        self.problems.add(self.document.file, where, text, key=True)


def schema_of(kind: str = "plan") -> dict[str, Any]:
    """JSON Schema of plans ("plan") or kernel files ("kernel")."""
    from kzram_ci.plan import kernel_schema, schema

    if kind == "kernel":
        return schema.schema(kernel_schema.KernelFile, schema.KERNEL_SCHEMA_ID)
    return schema.schema()
