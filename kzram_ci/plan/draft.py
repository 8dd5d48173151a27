"""A plan that was read, with the places of its fields: what is found wrong later is reported where it was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kzram_ci.base.grammar.problems import Document, Problems, Where
from kzram_ci.base.values import dataclass
from kzram_ci.model.cell import Cell, Plan
from kzram_ci.plan.kernels import Kernels
from kzram_ci.plan.merge import Data


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Fields that apply to a cell, and the place they were written at."""

    where: Where
    data: Data

    def sets(self, field: Where) -> bool:
        """Whether a field, or all it is part of, is set here."""
        data: object = self.data
        for part in field:
            if not isinstance(data, Mapping) or part not in data:
                return False
            data = data[part]
        return True


def written(document: Document, layers: Sequence[Layer], field: Where) -> Where:
    """Where the field of a cell was written: by the last of its layers that sets it, else in its test."""
    for layer in reversed(layers):
        if layer.sets(field):
            return next(where for where in _spellings(layer.where, field) if document.has(where))
    return next(((*layer.where, *field) for layer in layers if layer.where[:1] == ("tests",)), ())


def _spellings(where: Where, field: Where) -> Iterator[Where]:
    """A field below a place; an override's expectation is flat there; an axis has the value alone; then its parents."""
    for depth in range(len(field), 0, -1):
        yield (*where, *field[:depth])
        if field[0] == "expect":
            yield (*where, *field[1:depth])
    yield where
    yield ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A plan, all of its cells expanded, and what is wrong with it so far."""

    plan: Plan
    document: Document
    problems: Problems
    layers: Mapping[str, Sequence[Layer]]  # by cell id
    kernels: Kernels

    def report(self, cell: Cell, field: Where, text: str) -> None:
        """Record what is wrong with a field of a cell."""
        where = written(self.document, self.layers.get(cell.id, ()), field)
        self.problems.add(self.document.file, where, text, key=True, about=f"cell {cell.id}")
