"""A plan's file to a `Plan`: every cell expanded, or every error of it, with file, line and column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kzram_ci.model.cell import Cell, Plan
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.source import DirectorySource
from kzram_ci.plan import merge, vocabulary
from kzram_ci.plan.axes import axis_fields, axis_names, include_values
from kzram_ci.plan.kernels import FindKernel, Kernels, read_text
from kzram_ci.plan.lint import contradictions
from kzram_ci.plan.marks import Document, Problems, Where, allowed, parse
from kzram_ci.plan.matrix import Grid, Place, picks, seed_of
from kzram_ci.plan.validation import checked

if TYPE_CHECKING:
    from kzram_ci.plan.schema import PlanFile

_UNRESOLVED = DirectorySource(path="")


def load_plan(
    path: Path,
    *,
    find_kernel: FindKernel,
    known_kernels: Iterable[str] = (),
    workloads: Iterable[str] = vocabulary.WORKLOADS,
) -> Plan:
    """Read, check and expand a plan.

    `find_kernel` gives the file of a kernel by name; `known_kernels` and `workloads` are the names that
    suggestions and checks use. Raises PlanErrors (a PlanError) with all that is wrong in `.errors`.
    """
    return parse_plan(read_text(path), path, find_kernel=find_kernel, known_kernels=known_kernels, workloads=workloads)


def parse_plan(
    text: str | bytes,
    path: Path,
    *,
    find_kernel: FindKernel,
    known_kernels: Iterable[str] = (),
    workloads: Iterable[str] = vocabulary.WORKLOADS,
) -> Plan:
    """As `load_plan`, from a text; `path` names it in errors, and relative paths start beside it."""
    from kzram_ci.plan.schema import PlanFile

    problems = Problems()
    document = parse(text, str(path), problems)
    if document.data is None:
        problems.raise_if_any()
    axes = axis_names(document.data, document.file, problems)
    model = checked(PlanFile, document.data, document, problems, context={"axes": axes, "workloads": tuple(workloads)})
    if model is None:
        _kernels_of_broken_plan(document, problems, find_kernel, tuple(known_kernels))
        problems.raise_if_any()
    assert model is not None
    kernels = Kernels(find=find_kernel, problems=problems, known=tuple(known_kernels))
    specs = _kernels(model, document, path.parent, kernels)
    cells = _Expansion(model=model, document=document, problems=problems, specs=specs).cells()
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


def _kernels_of_broken_plan(document: Document, problems: Problems, find: FindKernel, known: tuple[str, ...]) -> None:
    """A plan whose schema is broken still gets its kernel names checked: all errors in one go."""
    entries = document.data.get("kernels") if isinstance(document.data, dict) else None
    if not isinstance(entries, list):
        return
    inline = {entry.get("name") for entry in entries if isinstance(entry, dict)}
    kernels = Kernels(find=find, problems=problems, known=known)
    for index, entry in enumerate(entries):
        if isinstance(entry, str) and entry not in inline:
            kernels.spec(entry, document.file, ("kernels", index))


def _kernels(model: PlanFile, document: Document, directory: Path, kernels: Kernels) -> dict[str, KernelSpec]:
    """The plan's kernels by name; one that cannot be resolved stands in the matrix, its problem is recorded."""
    places: dict[str, Where] = {}
    for index, entry in enumerate(model.kernels):
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
    unresolved = {name: KernelSpec(name=name, source=_UNRESOLVED) for name in places}
    return {name: kernels.spec(name, document.file, where) or unresolved[name] for name, where in places.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Expansion:
    """From a checked model to cells."""

    model: PlanFile
    document: Document
    problems: Problems
    specs: Mapping[str, KernelSpec]

    def cells(self) -> tuple[Cell, ...]:
        axes = axis_fields(self.model, self.document, self.problems)
        full = include_values(self.model, axes, self.document, self.problems)
        grid = Grid(
            plan=self.model,
            file=self.document.file,
            kernels=tuple(self.specs),
            axes=full,
            extra={axis: frozenset(full[axis]) - frozenset(axes[axis]) for axis in axes},
            problems=self.problems,
        )
        self._check_names(grid)
        places = grid.places()
        used = [False] * len(self.model.expect)
        cells = []
        for place in places:
            data = self._fields(place, grid.axes, used)
            cell = self._cell(place, data)
            if cell is not None:
                cells.append(cell)
        for index, hit in enumerate(used):
            if not hit:
                grid.nothing(self.model.expect[index], ("expect", index), places)
        return tuple(cells)

    def _check_names(self, grid: Grid) -> None:
        for name, test in self.model.tests.items():
            for index, pattern in enumerate(test.kernels or ()):
                where: Where = ("tests", name, "kernels", index)
                where = where if self.document.has(where) else where[:-1]
                grid.known(pattern, grid.kernels, "kernel", where)
            for index, axis in enumerate(test.axes or ()):
                if axis not in self.model.matrix.axes:
                    told = f"unknown axis {axis!r}; {allowed(axis, self.model.matrix.axes)}"
                    self.problems.add(self.document.file, ("tests", name, "axes", index), told)

    def _fields(self, place: Place, axes: Mapping[str, Mapping[str, merge.Data]], used: list[bool]) -> merge.Data:
        """All that applies to a cell: plan's machine, defaults, test, axis values, overrides; later wins."""
        data: merge.Data = {"machine": self.model.machine.model_dump(exclude_unset=True)}
        layers = [merge.as_data(self.model.defaults), merge.as_data(self.model.tests[place.test])]
        layers += [axes[axis][label] for axis, label in place.values]
        for index, entry in enumerate(self.model.expect):
            if picks(entry, place):
                used[index] = True
                layers.append(merge.as_data(entry))
        for layer in layers:
            data = merge.merge(data, layer)
        return data

    def _cell(self, place: Place, data: merge.Data) -> Cell | None:
        where: Where = ("tests", place.test)
        if "workload" not in data:
            self._bad(where, "workload is required, in the test or under defaults")
            return None
        spec = self.specs[place.kernel]
        cell = Cell(
            id=place.id,
            kernel=spec,
            test=place.test,
            axes=place.values,
            machine=merge.machine(data.get("machine", {}), spec.arch),
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
    from kzram_ci.plan import schema

    if kind == "kernel":
        return schema.schema(schema.KernelFile, schema.KERNEL_SCHEMA_ID)
    return schema.schema()
