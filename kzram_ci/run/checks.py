"""A plan, checked against all that it names and against this host, before anything is fetched, built or booted.

The plan room knows the grammar; what a series, a fragment and the guest hold is known to their rooms.
"""

from __future__ import annotations

import re
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
from kzram_ci.kernel.parts import load_fragment, read_series
from kzram_ci.kernel.series import missing_before
from kzram_ci.model.cell import Cell, Plan
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.source import DebianSource
from kzram_ci.plan.draft import Draft
from kzram_ci.plan.load import draft_plan


def checked_plan(path: Path, library: Library) -> Plan:
    """A plan that can run, as far as is known without its sources. Raises GrammarErrors with all that is wrong."""
    draft = draft_plan(read_bytes(path), path, library)
    offered = {spec.name: _offered(spec, draft, library) for spec in draft.plan.kernels()}
    programs = _programs(draft.problems, library)
    for cell in draft.plan.cells:
        _memory(cell, draft)
        if programs and cell.workload.program not in programs:
            draft.report(cell, ("workload",), f"{library.rootfs()} does not build {cell.workload.program}")
        algorithm, known = cell.workload.zram.algorithm, offered[cell.kernel.name]
        if known and algorithm not in known:
            text = f"the config of {cell.kernel.name} gives zram no {algorithm}; {allowed(algorithm, known)}"
            draft.report(cell, ("zram", "algorithm"), text)
    draft.problems.raise_if_any()
    return draft.plan


def version_of(spec: KernelSpec) -> str:
    """The kernel version as far as the definition tells it: by its line, or by the name of Debian's package."""
    source = spec.source
    named = re.search(r"-(\d+\.\d+)", source.package) if isinstance(source, DebianSource) else None
    return spec.line or (named[1] if named else "")


def _memory(cell: Cell, draft: Draft) -> None:
    has = budget.memory().total
    for machine in (cell.machine, *(case.machine for case in cell.cases)):
        if machine.memory_mib > has:
            text = f"{machine.memory_mib:,} MiB of memory, and this host has {has:,} MiB"
            draft.report(cell, ("machine", "memory"), text)


def _offered(spec: KernelSpec, draft: Draft, library: Library) -> tuple[str, ...]:
    """The algorithms that a kernel gives zram, its series and fragments checked on the way; none: not known."""
    loaded = []
    for name in spec.series:
        if (path := library.find(Kind.SERIES, name)) is not None:
            loaded.append(read_series(path, draft.problems))
    for name, missing in missing_before([series for series in loaded if series is not None]):
        draft.kernels.report(spec.name, name, f"series {name} requires {missing}: put {missing} before it")
    version, fragments = version_of(spec), []
    for name in spec.config:
        if library.find(Kind.FRAGMENT, name) is None:
            continue
        try:
            fragments.append(for_version(load_fragment(name, library), version))
            merged = kconfig.merge(fragments)
        except UserError as error:
            draft.kernels.report(spec.name, name, str(error))
            return ()
    values = {symbol: want.value for symbol, want in merged.items()} if fragments else {}
    return compressors.offered(values, version)


def _programs(problems: Problems, library: Library) -> tuple[str, ...]:
    """The programs of the guest; none when its recipe is wrong, which is recorded."""
    recipe = rootfs.read(library.rootfs(), problems)
    return tuple(recipe.programs) if recipe is not None else ()
