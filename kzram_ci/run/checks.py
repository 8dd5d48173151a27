"""A plan, checked against all that it names and against this host, before anything is fetched, built or booted.

The plan room knows the grammar; what a series, a fragment and the guest hold is known to their rooms.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kzram_ci.base import budget
from kzram_ci.base.errors import UserError
from kzram_ci.base.grammar.problems import Problems
from kzram_ci.base.grammar.read import read_bytes
from kzram_ci.base.library import Kind, Library
from kzram_ci.base.suggest import allowed
from kzram_ci.guest import rootfs
from kzram_ci.kernel import compressors, kconfig
from kzram_ci.kernel.fragments import for_version
from kzram_ci.kernel.kconfig import Fragment
from kzram_ci.kernel.parts import load_fragment, read_series
from kzram_ci.kernel.series import Series, missing_before
from kzram_ci.model.cell import Cell, Plan
from kzram_ci.model.filesystem import kind_of
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.source import DebianSource
from kzram_ci.plan.draft import Draft
from kzram_ci.plan.load import draft_plan


def checked_plan(path: Path, library: Library) -> Plan:
    """A plan that can run, as far as is known without its sources. Raises GrammarErrors with all that is wrong."""
    draft = draft_plan(read_bytes(path), path, library)
    parts = _Parts(draft=draft, library=library)
    config = {spec.name: parts.config(spec) for spec in draft.plan.kernels()}
    programs = _programs(draft.problems, library)
    for cell in draft.plan.cells:
        _memory(cell, draft)
        if programs and cell.workload.program not in programs:
            draft.report(cell, ("workload",), f"{library.rootfs()} does not build {cell.workload.program}")
        _config(cell, config[cell.kernel.name], draft)
    draft.problems.raise_if_any()
    return draft.plan


def version_of(spec: KernelSpec) -> str:
    """The kernel version as far as the definition tells it: by its line, or by the name of Debian's package."""
    source = spec.source
    named = re.search(r"-(\d+\.\d+)", source.package) if isinstance(source, DebianSource) else None
    return spec.line or (named[1] if named else "")


def _config(cell: Cell, values: Mapping[str, str], draft: Draft) -> None:
    """What a kernel's fragments do not give this cell, as far as they are known."""
    algorithm, known = cell.workload.zram.algorithm, compressors.offered(values, version_of(cell.kernel))
    if known and algorithm not in known:
        text = f"the config of {cell.kernel.name} gives zram no {algorithm}; {allowed(algorithm, known)}"
        draft.report(cell, ("zram", "algorithm"), text)
    if not values or (spec := cell.workload.filesystem) is None:
        return
    kind = kind_of(spec.kind)
    if all(values.get(symbol, "n") == "n" for symbol in kind.symbols):
        text = f"the config of {cell.kernel.name} has no {kind.symbols[0]}: add_config: [fs]"
        draft.report(cell, ("filesystem",), text)


def _memory(cell: Cell, draft: Draft) -> None:
    has = budget.memory().total
    for machine in (cell.machine, *(case.machine for case in cell.cases)):
        if machine.memory_mib > has:
            text = f"{machine.memory_mib:,} MiB of memory, and this host has {has:,} MiB"
            draft.report(cell, ("machine", "memory"), text)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """The series and fragments that a plan's kernels name, each read once."""

    draft: Draft
    library: Library
    series: dict[Path, Series | None] = field(default_factory=dict)
    fragments: dict[str, Fragment] = field(default_factory=dict)

    def config(self, spec: KernelSpec) -> dict[str, str]:
        """What a kernel's fragments ask for, its series and fragments checked on the way; nothing: not known."""
        paths = [path for name in spec.series if (path := self.library.find(Kind.SERIES, name)) is not None]
        loaded = [series for path in paths if (series := self._series(path)) is not None]
        unread = set(spec.series) - {series.name for series in loaded}  # what is wrong with them is recorded
        for name, missing in missing_before(loaded):
            if missing in unread:
                continue
            self.draft.kernels.report(spec.name, name, f"series {name} requires {missing}: put {missing} before it")
        version, fragments = version_of(spec), []
        for name in spec.config:
            if self.library.find(Kind.FRAGMENT, name) is None:  # the draft has it among its problems
                return {}
            try:
                fragments.append(for_version(self._fragment(name), version))
                kconfig.merge(fragments)
            except UserError as error:
                self.draft.kernels.report(spec.name, name, str(error))
                return {}
        return {symbol: want.value for symbol, want in kconfig.merge(fragments).items()}

    def _series(self, path: Path) -> Series | None:
        if path not in self.series:
            self.series[path] = read_series(path, self.draft.problems)
        return self.series[path]

    def _fragment(self, name: str) -> Fragment:
        if name not in self.fragments:
            self.fragments[name] = load_fragment(name, self.library)
        return self.fragments[name]


def _programs(problems: Problems, library: Library) -> tuple[str, ...]:
    """The programs of the guest; none when its recipe is wrong, which is recorded."""
    recipe = rootfs.read(library.rootfs(), problems)
    return tuple(recipe.programs) if recipe is not None else ()
