"""Kernel definitions: a file each, or inline in a plan; `base` chains resolved to values."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kzram_ci.base.errors import PlanError, UserError
from kzram_ci.base.grammar.problems import Problems, Where
from kzram_ci.base.grammar.read import read_model
from kzram_ci.base.library import Kind, Library
from kzram_ci.base.suggest import allowed
from kzram_ci.kernel import mechanism
from kzram_ci.model import source as sources
from kzram_ci.model.arch import DEFAULT
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.source import SourceKind, source_of
from kzram_ci.plan import archs
from kzram_ci.plan.lines import Definition
from kzram_ci.plan.tables import axes, kernel_names

if TYPE_CHECKING:
    from kzram_ci.plan.kernel_schema import KernelFile, Source

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


@dataclass(slots=True, kw_only=True)
class Kernels:
    """Looks kernels up by name: in the plan first, then in the library."""

    library: Library
    problems: Problems
    _inline: dict[str, Definition] = field(default_factory=dict)
    _files: dict[str, Definition | None] = field(default_factory=dict)
    # kernel: series or fragment: the file and place that names it
    _parts: dict[str, dict[str, tuple[str, Where]]] = field(default_factory=dict)

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
            plain, arch = archs.split(name)
            if plain and self._definition(plain, chain) is not None:
                base = self._resolve(plain, file, where, chain)
                return self.on_arch(base, arch, file, where) if base is not None else None
            if not self._exists(name):
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

    def on_arch(self, spec: KernelSpec, arch: str, file: str, where: Where) -> KernelSpec | None:
        """A kernel for another architecture, or None with the reason recorded at the place that asks for it."""
        try:
            made = archs.ported(spec, arch)
        except UserError as error:
            self.problems.add(file, where, error.message)
            return None
        self._parts.setdefault(made.name, self._parts.get(spec.name, {}))
        return made

    def _definition(self, name: str, chain: tuple[tuple[str, str], ...]) -> Definition | None:
        """A plan's kernel may have the file of its own name as its base; otherwise the plan's own wins."""
        inline = self._inline.get(name)
        if inline is not None and not (chain and chain[-1] == (name, inline.file)):
            return inline
        if name not in self._files:
            path = self.library.kernel(name)
            self._files[name] = found = (
                self._read(name, path) if path is not None else axes(self.library).definition(name)
            )
            for document in found.documents if found is not None else ():
                self.problems.documents.setdefault(document.file, document)
        return self._files[name]

    def _exists(self, name: str) -> bool:
        return self.library.kernel(name) is not None or axes(self.library).split(name) is not None

    def _read(self, name: str, path: Path) -> Definition | None:
        from kzram_ci.plan.kernel_schema import KernelFile

        file = str(path)
        model = read_model(KernelFile, path, self.problems)
        if model is None:
            return None
        if model.name is not None and model.name != name:
            self.problems.add(file, ("name",), f"the name is {model.name!r}, the file is called {path.name}")
        return Definition(model=model, file=file, directory=path.parent, where=())

    def _unknown(self, name: str, file: str, where: Where) -> None:
        if name in self._inline:  # only its own base asks for what the plan itself does not have
            self.problems.add(file, where, f"{name!r} builds on itself, and no other kernel has that name")
            return
        known = sorted({*self._inline, *kernel_names(self.library)})
        self.problems.add(file, where, f"unknown kernel {name!r}; {allowed(name, known)}")

    def _combine(self, name: str, definition: Definition, base: KernelSpec | None) -> KernelSpec | None:
        model = definition.model
        if model.source is None and base is None:
            self.problems.add(definition.file, definition.where, "a kernel needs a source or a base")
            return None
        source = self._source(model.source, definition) if model.source is not None else base.source if base else None
        if source is None:
            return None
        self._check_parts(name, definition, base)
        self._check_ready(source, definition, base)
        arch = model.arch or (base.arch if base else DEFAULT)
        make = {**dict(base.make_vars if base else ()), **(model.make or {})}
        series = _stack(model.series, model.add_series, base.series if base else ())
        if definition.facts is not None:
            series = mechanism.opened(definition.facts, series)
        return KernelSpec(
            name=name,
            source=source,
            arch=arch,
            series=series,
            config=_stack(model.config, model.add_config, self._inherited_config(arch, definition, base)),
            make_vars=tuple(make.items()),
            line=definition.line or (base.line if base and model.source is None else ""),
            variant=definition.variant,
        )

    def _inherited_config(self, arch: str, definition: Definition, base: KernelSpec | None) -> tuple[str, ...]:
        """The base's fragments; for another architecture, with that one's in the place of the base's own."""
        if base is None or definition.model.config is not None:
            return base.config if base is not None else ()
        try:
            return archs.fragments(base.config, base.arch, arch)
        except UserError as error:
            self.problems.add(definition.file, (*definition.where, "arch"), error.message, key=True)
            return base.config

    def report(self, kernel: str, part: str, text: str) -> None:
        """Record what is wrong with a series or fragment of a kernel, at the place that names it."""
        file, where = self._parts.get(kernel, {}).get(part) or (next(iter(self.problems.documents), ""), ("kernels",))
        self.problems.add(file, where, text, about=f"kernel {kernel}")

    def _check_ready(self, source: sources.Source, definition: Definition, base: KernelSpec | None) -> None:
        """A ready image cannot be patched, configured or built."""
        model = definition.model
        given = {"series": model.series, "add_series": model.add_series, "config": model.config, "make": model.make}
        inherited = base is not None and (base.series or base.config or base.make_vars)
        if not source.ready or not (any(given.values()) or (inherited and model.series is None)):
            return
        key = next((key for key, value in given.items() if value), "source")
        text = "a ready image cannot be changed: leave series, config, make and base out, or name a source to build"
        self.problems.add(definition.file, (*definition.where, key), text, key=True)

    def _check_parts(self, kernel: str, definition: Definition, base: KernelSpec | None) -> None:
        """Series and fragments that a definition names: their places, and those that are not in the library."""
        model = definition.model
        places = self._parts.setdefault(kernel, {})
        places |= self._parts.get(base.name, {}) if base is not None else {}
        rows = (
            (Kind.SERIES, "series", model.series),
            (Kind.SERIES, "add_series", model.add_series),
            (Kind.FRAGMENT, "config", model.config),
            (Kind.FRAGMENT, "add_config", model.add_config),
        )
        for kind, key, names in rows:
            for index, name in enumerate(names or ()):
                places[name] = definition.place(key, index)
                if self.library.find(kind, name) is None:
                    self.problems.add(*definition.place(key, index), self.library.missing(kind, name))

    def _source(self, source: Source, definition: Definition) -> sources.Source | None:
        where = (*definition.where, "source")
        given = {name for name in _SOURCE_FIELDS if getattr(source, name) is not None}
        needed = _NEEDED[source.kind]
        allowed = {name for group in needed for name in group} | _OPTIONAL.get(source.kind, set())
        wrong = [
            (where, f"a {source.kind} source needs {' or '.join(group)}") for group in needed if not given & set(group)
        ]
        wrong += [
            ((*where, name), f"{name} does not apply to a {source.kind} source; allowed: {', '.join(sorted(allowed))}")
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


def load_kernel(name: str, library: Library) -> KernelSpec:
    """One kernel by name, its bases resolved: for commands without a plan. Raises PlanError, with positions."""
    problems = Problems()
    kernels = Kernels(library=library, problems=problems)
    if not any(library.kernel(one) or axes(library).split(one) for one in (name, archs.split(name)[0]) if one):
        raise PlanError(f"unknown kernel {name!r}; {allowed(name, kernel_names(library))}")
    spec = kernels.spec(name, "", ())
    problems.raise_if_any()
    assert spec is not None
    return spec
