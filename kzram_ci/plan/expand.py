"""From a checked plan to its cells: what applies to each, laid over each other, and what contradicts itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING

from kzram_ci.base.grammar.problems import Document, Problems, Where
from kzram_ci.base.suggest import allowed
from kzram_ci.base.values import dataclass
from kzram_ci.kernel import mechanism
from kzram_ci.kernel.mechanism import Facts
from kzram_ci.model.cell import Cell
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.plan import controls, merge
from kzram_ci.plan.axes import axis_fields, include_values, label
from kzram_ci.plan.draft import Layer, written
from kzram_ci.plan.lint import faults
from kzram_ci.plan.matrix import Grid, Place, picks, seed_of
from kzram_ci.plan.workloads import Workloads

if TYPE_CHECKING:
    from kzram_ci.plan.schema import PlanFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """From a checked model to cells."""

    model: PlanFile
    document: Document
    problems: Problems
    specs: Mapping[str, KernelSpec]
    facts: Callable[[KernelSpec], Facts | None]
    workloads: Workloads
    layers: dict[str, list[Layer]] = field(default_factory=dict)  # by cell id, filled by `cells`

    def cells(self) -> tuple[Cell, ...]:
        """All cells of the plan; what is wrong with them is recorded."""
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
        return self._against_controls(tuple(cells))

    def _against_controls(self, cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
        """The cells, each that ends by evidence with its control; one without is recorded."""
        for cell, text in controls.lacking(cells):
            where = written(self.document, self.layers.get(cell.id, ()), ("stop", "evidence"))
            self.problems.add(self.document.file, where, text, key=True, about=f"cell {cell.id}")
        return controls.assigned(cells)

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
                    text = f"unknown axis {axis!r}; {allowed(axis, self.model.matrix.axes)}"
                    self.problems.add(self.document.file, ("tests", name, "axes", index), text)

    def _layers(self, place: Place, axes: Mapping[str, Mapping[str, merge.Data]]) -> Iterator[Layer]:
        """All that applies to a cell before the overrides, later wins: plan's machine, defaults, test, axis values."""
        yield Layer(where=(), data={"machine": merge.written(self.model.machine)})
        yield Layer(where=("defaults",), data=merge.as_data(self.model.defaults))
        yield Layer(where=("tests", place.test), data=merge.as_data(self.model.tests[place.test]))
        for axis, name in place.values:
            yield Layer(where=self._axis_value(axis, name), data=axes[axis][name])

    def _axis_value(self, axis: str, name: str) -> Where:
        where: Where = ("matrix", "axes", axis)
        where = (*where, "values") if self.document.has((*where, "values")) else where
        values = self.model.matrix.axes[axis].values
        if isinstance(values, list):
            return next(((*where, index) for index, value in enumerate(values) if label(value) == name), where)
        return (*where, name)

    def _overrides(self, place: Place, used: set[int], case: str = "") -> Iterator[Layer]:
        """The overrides for a cell, of a derived expectation those for this case."""
        for index, entry in enumerate(self.model.expect):
            if picks(entry, place) and entry.derived in (None, case):
                used.add(index)
                yield Layer(where=("expect", index), data=merge.as_data(entry))

    def _cell(self, place: Place, axes: Mapping[str, Mapping[str, merge.Data]], used: set[int]) -> Cell | None:
        layers = list(self._layers(place, axes))
        data = merge.merge_all(layer.data for layer in layers)
        if data.get("expect", {}).get("outcome") != merge.DERIVED:
            layers += self._overrides(place, used)
            return self._checked(place, merge.merge_all(layer.data for layer in layers), layers)
        row = self.workloads.rows.get(data.get("workload", ""))
        if row is not None and row.zram == "files":
            text = "what this comes to depends on its mode and file system: say outcome: pass or oops"
            self.layers.setdefault(place.id, []).extend(layers)
            found = written(self.document, layers, ("expect", "outcome"))
            self.problems.add(self.document.file, found, text, key=True, about=f"cell {place.id}")
            return None
        made = []
        # one-off patches are tried as a fix: the map, which does not know them, would await the crash they prevent
        for word in (merge.CASES[:1] * 2) if place.kernel.patches else merge.CASES:
            own = list(self._overrides(place, used, word))
            fields = merge.merge_all((merge.case(data, word), *(layer.data for layer in own)))
            if (cell := self._checked(place, fields, [*layers, *own])) is None:
                return None
            made.append((cell, merge.case_of(cell, amplified="fault" not in fields)))
        first, cases = made[0][0], tuple(case for _, case in made)
        open_ = replace(first, expect=replace(first.expect, outcome=merge.DERIVED), cases=cases)
        facts = self.facts(place.kernel)
        return mechanism.decided(open_, facts) if facts is not None else open_

    def _checked(self, place: Place, data: merge.Data, layers: Sequence[Layer]) -> Cell | None:
        """The cell of these fields; what is wrong with it is recorded."""
        self.layers.setdefault(place.id, []).extend(layers)
        if "workload" not in data:
            text = "workload is required, in the test or under defaults"
            self.problems.add(self.document.file, ("tests", place.test), text, key=True)
            return None
        work = merge.workload(data)
        cell = Cell(
            id=place.id,
            kernel=place.kernel,
            test=place.test,
            axes=place.values,
            machine=merge.machine(data, place.kernel.arch, merge.own_cmdline(work)),
            workload=work,
            expect=merge.expectation(data.get("expect", {}), mounted=work.filesystem is not None),
            seed=seed_of(self.model.seed, place.id),
            repeats=data.get("repeats", 1),
            control=data.get("control", False),
            skip=data.get("skip", ""),
            evidence=merge.against(data),
        )
        for where, text in faults(cell, data.get("args", {}), self.workloads):
            found = written(self.document, layers, where)
            self.problems.add(self.document.file, found, text, key=True, about=f"cell {cell.id}")
        return cell
