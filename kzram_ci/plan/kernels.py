"""Kernel definitions: a file each, or inline in a plan; `base` chains resolved to values."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kzram_ci.base.errors import PlanError
from kzram_ci.kernel import mechanism
from kzram_ci.model import source as sources
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.source import SourceKind, source_of
from kzram_ci.plan.lines import Definition
from kzram_ci.plan.marks import Problems, Where, did_you_mean, parse
from kzram_ci.plan.validation import checked

if TYPE_CHECKING:
    from kzram_ci.plan.kernel_schema import KernelFile, Source

FindKernel = Callable[[str], Path | Definition | None]  # a file of its own, or a kernel of the axes

# kind -> groups of fields; of each group one is needed. What is in no group and not optional is an error.
_NEEDED: dict[str, tuple[tuple[str, ...], ...]] = {
    "debian": (("package",),),
    "directory": (("path",),),
    "git": (("url", "path"), ("ref",)),
    "tarball": (("url", "path"), ("sha256",)),
    "image": (("path",),),
    "given": (("how",),),
}
_OPTIONAL = {"debian": {"suite", "mirror"}, "image": {"modules", "config", "debug"}}
_SOURCE_FIELDS = ("package", "suite", "mirror", "path", "url", "ref", "sha256", "modules", "config", "debug", "how")
_PATHS = ("path", "modules", "config", "debug")


def read_text(path: Path) -> bytes:
    """A plan's or kernel's bytes. Raises PlanError when the file cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise PlanError(f"{path}:1:1: cannot be read: {error.strerror}") from error


@dataclass(slots=True, kw_only=True)
class Kernels:
    """Looks kernels up by name, in the plan first, then by `find`; `known` names serve suggestions only."""

    find: FindKernel
    problems: Problems
    known: tuple[str, ...] = ()
    _inline: dict[str, Definition] = field(default_factory=dict)
    _files: dict[str, Definition | None] = field(default_factory=dict)

    def add_inline(self, model: KernelFile, file: str, directory: Path, where: Where) -> None:
        """Register a kernel that a plan writes out."""
        if model.name is not None:
            self._inline[model.name] = Definition(model=model, file=file, directory=directory, where=where)

    def spec(self, name: str, file: str, where: Where) -> KernelSpec | None:
        """The kernel with its bases resolved, or None with the reason recorded at the place that names it."""
        return self._resolve(name, file, where, ())

    def _resolve(self, name: str, file: str, where: Where, chain: tuple[tuple[str, str], ...]) -> KernelSpec | None:
        definition = self._definition(name, chain)
        if definition is None:
            if self._files.get(name) is None and self.find(name) is None:
                self._unknown(name, file, where)
            return None
        link = (name, definition.file)
        if link in chain:
            names = " -> ".join([n for n, _ in chain[chain.index(link) :]] + [name])
            self.problems.add(file, where, f"kernels build on each other in a circle: {names}")
            return None
        model, base = definition.model, None
        if model.base is not None:
            place = (*definition.where, "base")
            base = self._resolve(model.base, definition.file, place, (*chain, link))
            if base is None:
                return None
        return self._combine(name, definition, base)

    def _definition(self, name: str, chain: tuple[tuple[str, str], ...]) -> Definition | None:
        """A plan's kernel may stand on the file of the same name; otherwise the plan's own wins."""
        inline = self._inline.get(name)
        if inline is not None and not (chain and chain[-1] == (name, inline.file)):
            return inline
        if name not in self._files:
            found = self.find(name)
            self._files[name] = self._read(name, found) if isinstance(found, Path) else found
            if isinstance(found, Definition) and found.document is not None:
                self.problems.documents.setdefault(found.file, found.document)
        return self._files[name]

    def _read(self, name: str, path: Path) -> Definition | None:
        from kzram_ci.plan.kernel_schema import KernelFile

        file = str(path)
        document = parse(read_text(path), file, self.problems)
        if document.data is None:
            return None
        model = checked(KernelFile, document.data, document, self.problems)
        if model is None:
            return None
        if model.name is not None and model.name != name:
            self.problems.add(file, ("name",), f"the name is {model.name!r}, the file is called {path.name}")
        return Definition(model=model, file=file, directory=path.parent, where=())

    def _unknown(self, name: str, file: str, where: Where) -> None:
        known = (*self._inline, *self.known)
        listed = f"; known: {', '.join(sorted(set(known)))}" if known else ""
        near = did_you_mean(name, known)
        self.problems.add(file, where, f"unknown kernel {name!r}: no kernels/{name}.yaml{listed}{near}")

    def _combine(self, name: str, definition: Definition, base: KernelSpec | None) -> KernelSpec | None:
        model = definition.model
        if model.source is None and base is None:
            self.problems.add(definition.file, definition.where, "a kernel needs a source or a base")
            return None
        source = self._source(model.source, definition) if model.source is not None else base.source if base else None
        if source is None:
            return None
        make = {**dict(base.make_vars if base else ()), **(model.make or {})}
        series = _stack(model.series, model.add_series, base.series if base else ())
        if definition.facts is not None:
            series = mechanism.opened(definition.facts, series)
        return KernelSpec(
            name=name,
            source=source,
            arch=model.arch or (base.arch if base else "x86_64"),
            series=series,
            config=_stack(model.config, model.add_config, base.config if base else ()),
            make_vars=tuple(make.items()),
            line=definition.line or (base.line if base and model.source is None else ""),
            variant=definition.variant,
        )

    def _source(self, source: Source, definition: Definition) -> sources.Source | None:
        where = (*definition.where, "source")
        given = {name for name in _SOURCE_FIELDS if getattr(source, name) is not None}
        needed = _NEEDED[source.kind]
        allowed = {name for group in needed for name in group} | _OPTIONAL.get(source.kind, set())
        wrong = [
            (where, f"a {source.kind} source needs {' or '.join(group)}") for group in needed if not given & set(group)
        ]
        wrong += [
            ((*where, name), f"{name} means nothing for a {source.kind} source; allowed: {', '.join(sorted(allowed))}")
            for name in sorted(given - allowed)
        ]
        if len(given & {"url", "path"}) == 2 and "url" in allowed:
            wrong.append(((*where, "url"), f"a {source.kind} source has a url or a path, not both"))
        for place, text in wrong:
            self.problems.add(definition.file, place, text, key=True)
        if wrong:
            return None
        fields = {name: getattr(source, name) or "" for name in _SOURCE_FIELDS}
        fields |= {name: absolute(fields[name], definition.directory) for name in _PATHS if fields[name]}
        return source_of(SourceKind(source.kind), fields)


def absolute(path: str, directory: Path) -> str:
    """A path that a file in `directory` names; `~` is the user's home."""
    return os.path.normpath(directory.absolute() / Path(path).expanduser())


def _stack(replaced: list[str] | None, added: list[str] | None, inherited: Iterable[str]) -> tuple[str, ...]:
    """Items in order, each once: a fragment or series named twice is applied where it came first."""
    start = tuple(replaced) if replaced is not None else tuple(inherited)
    return tuple(dict.fromkeys((*start, *(added or ()))))


def load_kernel(name: str, *, find_kernel: FindKernel, known_kernels: Iterable[str] = ()) -> KernelSpec:
    """One kernel by name, its bases resolved. Raises PlanErrors with positions, for whoever builds without a plan."""
    problems = Problems()
    kernels = Kernels(find=find_kernel, problems=problems, known=tuple(known_kernels))
    if find_kernel(name) is None:
        listed = f"known: {', '.join(sorted(known_kernels))}" if known_kernels else "see kernels/"
        raise PlanError(f"unknown kernel {name!r}{did_you_mean(name, known_kernels)}", hint=listed)
    spec = kernels.spec(name, "", ())
    problems.raise_if_any()
    if spec is None:
        raise PlanError(f"kernel {name!r} cannot be used")
    return spec
