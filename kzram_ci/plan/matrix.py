"""Kernels by tests by axes: which cells a plan has, by name. Pure.

A cell's id is built from names only, axes sorted by name, so that reordering a plan renames nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import product
from typing import TYPE_CHECKING

from kzram_ci.base.grammar.problems import Document, Problems, Where
from kzram_ci.base.suggest import allowed
from kzram_ci.base.values import dataclass
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.plan import archs
from kzram_ci.plan.merge import Data

if TYPE_CHECKING:
    from kzram_ci.plan.kernel_schema import KernelAxes
    from kzram_ci.plan.matrix_schema import Selector
    from kzram_ci.plan.schema import PlanFile

MAX_CELLS = 10_000
Values = tuple[tuple[str, str], ...]  # (axis, label), sorted by axis


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cell stands in the matrix."""

    kernel: KernelSpec
    test: str
    values: Values = ()

    @property
    def id(self) -> str:
        """The cell's id."""
        return cell_id(self.kernel.name, self.test, self.values)


def cell_id(kernel: str, test: str, values: Values = ()) -> str:
    """`kernel/test[/axis=value…]`, axes in alphabetical order."""
    return "/".join((kernel, test, *(f"{axis}={label}" for axis, label in sorted(values))))


def safe_id(identity: str) -> str:
    """A cell id as one file name: `stock.anonmutate-failslab`. Plans with two ids of one such name are refused."""
    return identity.replace("/", ".")


def seed_of(plan_seed: int, identity: str) -> int:
    """A cell's seed: stable, apart from its neighbours', with room above for the attempts that count up from it."""
    digest = hashlib.sha256(f"{plan_seed}\0{identity}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % 2_000_000_000 + 1


def glob_any(name: str, patterns: Iterable[str]) -> bool:
    """Whether a name matches one of some shell patterns (case matters)."""
    return any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)


def kernel_words(spec: KernelSpec) -> tuple[str, ...]:
    """What a pattern for kernels can mean: the name, with the architecture or without, `line:5.10`, `variant:stock`."""
    axes = (f"{axis}:{getattr(spec, axis)}" for axis in ("line", "variant", "arch") if getattr(spec, axis))
    return (*dict.fromkeys((spec.name, archs.plain(spec))), *axes)


def kernel_any(spec: KernelSpec, patterns: Sequence[str]) -> bool:
    """Whether a kernel matches one of some patterns."""
    return any(glob_any(word, patterns) for word in kernel_words(spec))


def picks_kernel(selector: Selector, spec: KernelSpec) -> bool:
    """Whether a selector means cells of this kernel."""
    if selector.kernel is not None and not kernel_any(spec, selector.kernel):
        return False
    asked = ((spec.line, selector.line), (spec.variant, selector.variant), (spec.arch, selector.arch))
    return all(wanted is None or glob_any(have, wanted) for have, wanted in asked)


def picks(selector: Selector, place: Place) -> bool:
    """Whether a selector means this cell; a cell without an axis is not meant by a value of it."""
    if not picks_kernel(selector, place.kernel):
        return False
    if selector.test is not None and not glob_any(place.test, selector.test):
        return False
    labels = dict(place.values)
    return all(axis in labels and glob_any(labels[axis], wanted) for axis, wanted in selector.axes_.items())


def on_kernel(choice: list[str] | KernelAxes | None, spec: KernelSpec) -> bool:
    """Whether a test that chooses kernels runs on this one."""
    if choice is None or isinstance(choice, list):
        return choice is None or kernel_any(spec, choice)
    asked = ((spec.line, choice.lines), (spec.variant, choice.variants))
    return all(wanted is None or glob_any(have, wanted) for have, wanted in asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A plan's names: what selectors may speak of.

    `axes` maps an axis to its values' fields by label; `extra` are labels that only `include` adds.
    """

    plan: PlanFile
    document: Document
    kernels: tuple[KernelSpec, ...]
    axes: Mapping[str, Mapping[str, Data]]
    extra: Mapping[str, frozenset[str]]
    problems: Problems

    def places(self) -> tuple[Place, ...]:
        """All cells of the plan, in the order it is written; problems are recorded, not raised."""
        found = dict.fromkeys(self._product())
        for index, entry in enumerate(self.plan.matrix.exclude):
            dropped = [place for place in found if picks(entry, place)]
            if not dropped:
                self.nothing(entry, ("matrix", "exclude", index), tuple(found))
            for place in dropped:
                del found[place]
        for index, entry in enumerate(self.plan.matrix.include):
            where: Where = ("matrix", "include", index)
            added = list(self._included(entry, where))
            doubles = [place.id for place in added if place in found]
            if doubles:
                self.problems.add(self.document.file, where, f"the cell {doubles[0]} is in the plan already")
            found.update(dict.fromkeys(added))
        self._unique(tuple(found))
        return tuple(found)

    def _product(self) -> Iterator[Place]:
        count = 0
        for kernel, (name, test) in product(self.kernels, self.plan.tests.items()):
            if not on_kernel(test.kernels, kernel):
                continue
            axes = sorted(self.axes if test.axes is None else set(test.axes) & set(self.axes))
            for labels in product(*(self._labels(axis) for axis in axes)):
                count += 1
                if count > MAX_CELLS:
                    self.problems.add(self.document.file, ("matrix",), f"more than {MAX_CELLS:,} cells")
                    return
                yield Place(kernel, name, tuple(zip(axes, labels, strict=True)))

    def _labels(self, axis: str) -> tuple[str, ...]:
        return tuple(label for label in self.axes[axis] if label not in self.extra.get(axis, frozenset()))

    def _included(self, entry: Selector, where: Where) -> Iterator[Place]:
        kernels = self._kernels_of(entry, where)
        tests = self._named(entry.test, tuple(self.plan.tests), "test", where)
        labels = []
        for axis, wanted in sorted(entry.axes_.items()):
            labels.append([(axis, label) for label in self._named(wanted, tuple(self.axes[axis]), axis, where)])
        for kernel, test in product(kernels, tests):
            for values in product(*labels):
                yield Place(kernel, test, values)

    def _kernels_of(self, entry: Selector, where: Where) -> list[KernelSpec]:
        """The kernels that an entry of include means; each of its patterns must mean one."""
        if (entry.kernel, entry.line, entry.variant, entry.arch) == (None,) * 4:
            self.problems.add(self.document.file, where, "an entry of include says which kernel")
            return []
        self.known_kernels(entry, where)
        return [spec for spec in self.kernels if picks_kernel(entry, spec)]

    def _named(self, patterns: Sequence[str] | None, names: tuple[str, ...], what: str, where: Where) -> list[str]:
        """The names that patterns mean; each pattern must mean one."""
        if patterns is None:
            self.problems.add(self.document.file, where, f"an entry of include says which {what}")
            return []
        for pattern in patterns:
            self.known(pattern, names, what, (*where, what))
        return [name for name in names if glob_any(name, patterns)]

    def known(self, pattern: str, names: Sequence[str], what: str, where: Where) -> bool:
        """Whether a pattern means at least one name; if not, that is recorded."""
        if any(glob_any(name, (pattern,)) for name in names):
            return True
        self.problems.add(self.document.file, where, f"no {what} {pattern!r}; {allowed(pattern, names)}")
        return False

    def known_kernels(self, entry: Selector | KernelAxes, where: Where) -> bool:
        """Whether every pattern for kernels, lines and variants means something; if not, that is recorded."""
        known = True
        for field in ("kernel", "line", "lines", "variant", "variants", "arch"):
            what = field.removesuffix("s")
            for index, pattern in enumerate(getattr(entry, field, None) or ()):
                known &= self.known(pattern, self.words(what, pattern), what, self.item(where, field, index))
        return known

    def words(self, what: str, pattern: str = "") -> tuple[str, ...]:
        """All names of kernels, or all values of the axis that this or its pattern is about."""
        axis = what if what != "kernel" else pattern.partition(":")[0] if ":" in pattern else ""
        if not axis:
            return tuple(dict.fromkeys(name for spec in self.kernels for name in (spec.name, archs.plain(spec))))
        values = dict.fromkeys(getattr(spec, axis, "") for spec in self.kernels)
        return tuple(value if what == axis else f"{axis}:{value}" for value in values if value)

    def item(self, where: Where, field: str, index: int) -> Where:
        """The place of one item of a field, which may be written without a list."""
        place = (*where, field, index)
        return place if self.document.has(place) else (*where, field)

    def nothing(self, entry: Selector, where: Where, places: Sequence[Place]) -> None:
        """Record that a selector selects no cell: the word that matches nothing, or their combination."""
        known = self.known_kernels(entry, where)
        for pattern in entry.test or ():
            known &= self.known(pattern, tuple(self.plan.tests), "test", (*where, "test"))
        for axis, wanted in entry.axes_.items():
            labels = tuple(dict.fromkeys(label for place in places for name, label in place.values if name == axis))
            for pattern in wanted:
                known &= self.known(pattern, labels or tuple(self.axes[axis]), axis, (*where, axis))
        if known:
            self.problems.add(
                self.document.file, where, "this entry selects no cell of the plan; `kzram-ci plan` lists them"
            )

    def _unique(self, places: Sequence[Place]) -> None:
        seen: dict[str, str] = {}
        for place in places:
            name = safe_id(place.id)
            if name in seen:
                text = f"the cells {seen[name]} and {place.id} would share the directory {name}; rename one"
                self.problems.add(self.document.file, ("tests", place.test), text, key=True)
            seen[name] = place.id
        if not places and not self.problems:
            self.problems.add(self.document.file, ("tests",), "the plan has no cells", key=True)
