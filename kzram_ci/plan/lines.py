"""Kernels as line by variant: what the rows of kernels/lines.yaml and kernels/variants.yaml come to. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from kzram_ci.base.grammar.problems import Document, Problems, Where
from kzram_ci.base.grammar.validation import checked
from kzram_ci.base.suggest import allowed
from kzram_ci.base.values import dataclass
from kzram_ci.kernel import mechanism
from kzram_ci.kernel.mechanism import Facts

if TYPE_CHECKING:
    from pydantic import BaseModel

    from kzram_ci.plan.kernel_schema import KernelAxes, KernelFile, LineRow, VariantRow

LINES, VARIANTS = "lines.yaml", "variants.yaml"
R = TypeVar("R", bound="BaseModel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A kernel as written, and where; one that lies on the axes has a line, with the facts on record, and a variant."""

    model: KernelFile
    file: str
    directory: Path
    where: Where = ()
    line: str = ""
    variant: str = ""
    facts: Facts | None = None
    documents: tuple[Document, ...] = ()
    parts: Mapping[tuple[str, int], tuple[str, Where]] = field(default_factory=dict)  # (key, index): file and place

    def place(self, key: str, index: int) -> tuple[str, Where]:
        """File and place of an item of one of its lists."""
        return self.parts.get((key, index), (self.file, (*self.where, key, index)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Written(Generic[R]):
    """A row, and the file it stands in."""

    row: R
    document: Document

    @property
    def file(self) -> str:
        """The file's name."""
        return self.document.file


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """All lines and variants. A kernel of the default line has the variant's name, others `VARIANT-LINE`."""

    default: str = ""
    lines: Mapping[str, Written[LineRow]] = field(default_factory=dict)
    variants: Mapping[str, Written[VariantRow]] = field(default_factory=dict)

    def name(self, variant: str, line: str) -> str:
        """The name of a kernel."""
        return variant if line == self.default else f"{variant}-{line}"

    def names(self) -> tuple[str, ...]:
        """Every variant on every line."""
        return tuple(self.name(variant, line) for line in self.lines for variant in self.variants)

    def split(self, name: str) -> tuple[str, str] | None:
        """Variant and line of a kernel's name; None when it is not on the axes. The default line may be written out."""
        if name in self.variants and self.default in self.lines:
            return name, self.default
        for line in self.lines:
            variant = name.removesuffix(f"-{line}")
            if variant != name and variant in self.variants:
                return variant, line
        return None

    def facts(self, line: str) -> Facts | None:
        """The facts on record for a line; None when there are none."""
        written = self.lines.get(line)
        if written is None or written.row.facts is None:
            return None
        return mechanism.on_record(written.row.facts, f"line {line} of {written.file}")

    def definition(self, name: str) -> Definition | None:
        """A kernel of the axes as if it had a file of its own: the base is the base variant on the same line."""
        if (place := self.split(name)) is None:
            return None
        from kzram_ci.plan.kernel_schema import KernelFile

        variant, line = place
        row, of_line = self.variants[variant].row, self.lines[line].row
        data = row.model_dump(exclude_none=True, exclude={"idea"})
        documents = (self.variants[variant].document, self.lines[line].document)
        if row.base is not None:
            data["base"] = self.name(row.base, line)
            document, where = documents[0], ("variants", variant)
        else:
            data["source"] = of_line.source.model_dump(exclude_none=True) if of_line.source is not None else None
            data["add_config"] = [*(row.add_config or ()), *(of_line.add_config or ())]
            document, where = documents[1], ("lines", line)
        return Definition(
            model=KernelFile.model_validate(data),
            file=document.file,
            directory=Path(document.file).parent,
            where=where,
            line=line,
            variant=variant,
            facts=self.facts(line),
            documents=documents,
            parts=_parts(row, documents[0].file, ("variants", variant))
            | _added(row, of_line, documents[1].file, ("lines", line)),
        )


def _parts(row: VariantRow, file: str, where: Where) -> dict[tuple[str, int], tuple[str, Where]]:
    """Where a variant's series and fragments stand."""
    lists = {key: getattr(row, key) or () for key in ("series", "add_series", "config", "add_config")}
    return {(key, index): (file, (*where, key, index)) for key, names in lists.items() for index in range(len(names))}


def _added(row: VariantRow, line: LineRow, file: str, where: Where) -> dict[tuple[str, int], tuple[str, Where]]:
    """Where the fragments stand that a line adds after the variant's."""
    key, before = "add_config", len(row.add_config or ())
    return {(key, before + index): (file, (*where, key, index)) for index in range(len(line.add_config or ()))}


def axes_of(documents: Sequence[Document], problems: Problems) -> Axes:
    """The axes that files of rows come to: a row of an earlier file lies over one of that name in a later file."""
    from kzram_ci.plan.kernel_schema import LinesFile, VariantsFile

    default = ""
    lines: dict[str, Written[LineRow]] = {}
    variants: dict[str, Written[VariantRow]] = {}
    for document in reversed([document for document in documents if document.data is not None]):
        if Path(document.file).name == LINES:
            if (of_lines := checked(LinesFile, document.data, document, problems)) is not None:
                _lay(lines, of_lines.lines, document, "source")
                for name, row in of_lines.lines.items():
                    _check_facts(row.facts or {}, document.file, ("lines", name, "facts"), problems)
                default = of_lines.default or default
                if default not in lines:
                    problems.add(document.file, ("default",), f"no line {default!r}; {allowed(default, lines)}")
        elif (of_variants := checked(VariantsFile, document.data, document, problems)) is not None:
            _lay(variants, of_variants.variants, document, "base")
    axes = Axes(default=default, lines=lines, variants=variants)
    _check_rows(axes, problems)
    return axes


def _lay(rows: dict[str, Written[R]], over: Mapping[str, R], document: Document, key: str) -> None:
    """Lay rows over others, field by field; what stands at `key` has the place of a row."""
    for name, row in over.items():
        under = rows.get(name)
        if under is None:
            rows[name] = Written(row=row, document=document)
            continue
        merged = under.row.model_copy(update={field: getattr(row, field) for field in row.model_fields_set})
        rows[name] = Written(row=merged, document=document if key in row.model_fields_set else under.document)


def _check_rows(axes: Axes, problems: Problems) -> None:
    """What a row needs, and what it says of other rows."""
    for name, line in axes.lines.items():
        if line.row.source is None:
            problems.add(line.file, ("lines", name), "a line needs a source", key=True)
    for name, variant in axes.variants.items():
        base = variant.row.base
        if base is not None and base not in axes.variants:
            text = f"no variant {base!r}; {allowed(base, axes.variants)}"
            problems.add(variant.file, ("variants", name, "base"), text)


def _check_facts(facts: Mapping[str, str], file: str, where: Where, problems: Problems) -> None:
    """Facts on record are all that the rules ask for, with values the map knows."""
    known = mechanism.asked()
    for name, value in facts.items():
        if name not in known:
            problems.add(file, (*where, name), f"no fact {name!r}; {allowed(name, known)}", key=True)
        elif value not in known[name]:
            shown = allowed(value, [word or "''" for word in known[name]])
            problems.add(file, (*where, name), f"{name} is never {value!r}; {shown}")
    if facts and (missing := [name for name in known if name not in facts]):
        problems.add(file, where, f"facts that the rules ask for are missing: {', '.join(missing)}", key=True)


def on_axes(asked: KernelAxes, axes: Axes, document: Document, problems: Problems) -> dict[str, tuple[str, str, Where]]:
    """The kernels that a plan's `kernels: {lines, variants}` means: variant, line, and the place in the plan."""
    lines = _named(asked.lines, tuple(axes.lines), "line", document, problems)
    variants = _named(asked.variants, tuple(axes.variants), "variant", document, problems)
    return {axes.name(variant, line): (variant, line, lines[line]) for line in lines for variant in variants}


def _named(
    patterns: list[str] | None, names: tuple[str, ...], what: str, document: Document, problems: Problems
) -> dict[str, Where]:
    """The names that patterns mean, in the order of the patterns; each pattern must mean one."""
    found: dict[str, Where] = {}
    for index, pattern in enumerate(patterns if patterns is not None else ("*",)):
        place: Where = ("kernels", f"{what}s", index)
        where = place if document.has(place) else place[:-1]
        meant = [name for name in names if name == pattern or fnmatchcase(name, pattern)]
        if not meant:
            problems.add(document.file, where, f"no {what} {pattern!r}; {allowed(pattern, names)}")
        found.update({name: where for name in meant if name not in found})
    return found
