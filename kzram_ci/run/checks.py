"""A plan, checked against all that it names and against this host, before anything is fetched, built or booted.

The plan room knows the grammar; what a series, a fragment and the guest hold is known to their rooms.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import field, replace
from pathlib import Path

from kzram_ci.base import budget
from kzram_ci.base.errors import UserError
from kzram_ci.base.grammar.problems import Where
from kzram_ci.base.grammar.read import read_bytes
from kzram_ci.base.library import Kind, Library
from kzram_ci.base.suggest import allowed
from kzram_ci.base.values import dataclass
from kzram_ci.guest import recipe as guest_recipe
from kzram_ci.guest.recipe import Recipe
from kzram_ci.kernel import compressors, kconfig
from kzram_ci.kernel.fragments import for_version
from kzram_ci.kernel.kconfig import Fragment
from kzram_ci.kernel.parts import load_fragment, read_series
from kzram_ci.kernel.series import missing_before
from kzram_ci.model.cell import Cell, Plan
from kzram_ci.model.filesystem import kind_of
from kzram_ci.model.kernel import KernelSpec
from kzram_ci.model.machine import Dump, MachineSpec
from kzram_ci.model.source import DebianSource
from kzram_ci.model.workload import KUNIT, OwnTest, WorkloadSpec
from kzram_ci.plan.draft import Draft
from kzram_ci.plan.load import draft_plan


def checked_plan(
    path: Path,
    library: Library,
    text: str = "",
    archs: Sequence[str] = (),
    *,
    series: MutableMapping[str, tuple[str, ...]] | None = None,
) -> Plan:
    """A plan that can run, as far as is known without its sources. Raises GrammarErrors with all that is wrong.

    `text`: in place of the file's; relative paths in it start beside `path` all the same. `archs`: of the plan's.
    `series`: those that are known to be good, by their path, and what each comes after. The others that the plan names
    are added to it, and good as well unless something is wrong.
    """
    draft = draft_plan(text or read_bytes(path), path, library, archs=archs)
    parts = _Parts(draft=draft, library=library, good={} if series is None else series)
    config = {spec.name: parts.config(spec) for spec in draft.plan.kernels()}
    recipe = guest_recipe.read(library.rootfs(), draft.problems)  # None: what is wrong is recorded
    has = budget.memory().total
    for cell in draft.plan.cells:
        _memory(cell, has, draft)
        program = "kztest" if cell.workload.own is not None else cell.workload.program
        if recipe is not None and program not in recipe.programs:
            draft.report(cell, ("workload",), f"{library.rootfs()} does not build {program}")
        _config(cell, config[cell.kernel.name], draft)
        _dump(cell, config[cell.kernel.name], draft)
    sent = with_files(draft.plan, recipe, draft.report) if recipe is not None else draft.plan
    draft.problems.raise_if_any()
    return sent


def version_of(spec: KernelSpec) -> str:
    """The kernel version as far as the definition tells it: by its line, or by the name of Debian's package."""
    source = spec.source
    named = re.search(r"-(\d+\.\d+)", source.package) if isinstance(source, DebianSource) else None
    return spec.line or (named[1] if named else "")


def _config(cell: Cell, values: Mapping[str, str], draft: Draft) -> None:
    """What a kernel's fragments do not give this cell, as far as they are known."""
    algorithm, known = cell.workload.zram.algorithm, compressors.offered(values, version_of(cell.kernel))
    if known and algorithm not in known and cell.workload.zram.present:
        text = f"the config of {cell.kernel.name} gives zram no {algorithm}; {allowed(algorithm, known)}"
        draft.report(cell, ("zram", "algorithm"), text)
    if values and cell.workload.program == KUNIT and values.get("CONFIG_KUNIT", "n") == "n":
        draft.report(cell, ("workload",), f"the config of {cell.kernel.name} has no CONFIG_KUNIT: add_config: [kunit]")
    if values and cell.machine.root is not None and values.get("CONFIG_EXT4_FS") != "y":
        text = f"the config of {cell.kernel.name} has no file system for it: add_config: [rootdisk]"
        draft.report(cell, ("rootfs",), text)
    if not values or (spec := cell.workload.filesystem) is None:
        return
    kind = kind_of(spec.kind)
    if all(values.get(symbol, "n") == "n" for symbol in kind.symbols):
        text = f"the config of {cell.kernel.name} has no {kind.symbols[0]}: add_config: [fs]"
        draft.report(cell, ("filesystem",), text)


def _memory(cell: Cell, has: int, draft: Draft) -> None:
    for machine in (cell.machine, *(case.machine for case in cell.cases)):
        if machine.memory_mib > has:
            text = f"{machine.memory_mib:,} MiB of memory, and this host has {has:,} MiB"
            draft.report(cell, ("machine", "memory"), text)


def _dump(cell: Cell, values: Mapping[str, str], draft: Draft) -> None:
    """A dump of a kernel that does not tell QEMU of its VMCOREINFO is a file that no program opens."""
    if values and cell.machine.dump is Dump.ON_CRASH and values.get("CONFIG_FW_CFG_SYSFS") != "y":
        text = f"no program could open a dump of {cell.kernel.name}: give it add_config: [vmcore, debug-info]"
        draft.report(cell, ("machine", "dump"), text)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Series:
    """What a check of a plan wants of a series that is good."""

    name: str
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """The series and fragments that a plan's kernels name, each read once."""

    draft: Draft
    library: Library
    good: MutableMapping[str, tuple[str, ...]]
    series: dict[Path, _Series | None] = field(default_factory=dict)
    fragments: dict[str, Fragment] = field(default_factory=dict)
    configs: dict[tuple[tuple[str, ...], str], tuple[dict[str, str], tuple[str, str] | None]] = field(
        default_factory=dict
    )

    def config(self, spec: KernelSpec) -> dict[str, str]:
        """What a kernel's fragments ask for, its series and fragments checked on the way; nothing: not known."""
        paths = [path for name in spec.series if (path := self.library.find(Kind.SERIES, name)) is not None]
        loaded = [series for path in paths if (series := self._series(path)) is not None]
        unread = set(spec.series) - {series.name for series in loaded}  # what is wrong with them is recorded
        for name, missing in missing_before(loaded):
            if missing in unread:
                continue
            self.draft.kernels.report(spec.name, name, f"series {name} requires {missing}: put {missing} before it")
        asked = (spec.config, version_of(spec))
        if asked not in self.configs:
            self.configs[asked] = self._merged(*asked)
        values, wrong = self.configs[asked]
        if wrong is not None:
            self.draft.kernels.report(spec.name, *wrong)
        return values

    def _merged(self, names: Sequence[str], version: str) -> tuple[dict[str, str], tuple[str, str] | None]:
        """What fragments ask for together; nothing, and which is wrong in what way unless the draft has it already."""
        merged: dict[str, kconfig.Want] = {}
        for name in names:
            if self.library.find(Kind.FRAGMENT, name) is None:
                return {}, None
            try:
                merged = kconfig.merge((for_version(self._fragment(name), version),), merged)
            except UserError as error:
                return {}, (name, str(error))
        return {symbol: want.value for symbol, want in merged.items()}, None

    def _series(self, path: Path) -> _Series | None:
        if path not in self.series:
            self.series[path] = self._read(path)
        return self.series[path]

    def _read(self, path: Path) -> _Series | None:
        known = self.good.get(str(path))
        if known is not None:
            return _Series(name=path.parent.name, after=known)
        series = read_series(path, self.draft.problems)
        if series is None:
            return None
        self.good[str(path)] = series.after
        return _Series(name=series.name, after=series.after)

    def _fragment(self, name: str) -> Fragment:
        if name not in self.fragments:
            self.fragments[name] = load_fragment(name, self.library)
        return self.fragments[name]


def with_files(plan: Plan, recipe: Recipe, report: Callable[[Cell, Where, str], None]) -> Plan:
    """The plan with the files that its own tests bring, each looked at once; what is wrong with them is reported."""
    if not any(cell.workload.own for cell in plan.cells):
        return plan
    from kzram_ci.guest import parcel  # late: few plans bring files

    known: dict[object, tuple[OwnTest, tuple[parcel.Fault, ...]]] = {}

    def sent(cell: Cell, work: WorkloadSpec, machine: MachineSpec) -> WorkloadSpec:
        if (own := work.own) is None:
            return work
        rooted, folder = machine.root is not None, Path(plan.path).parent
        key = (own, machine.arch, machine.memory_mib, rooted)
        if key not in known:
            found, faults = parcel.packed(
                own, folder, arch=machine.arch, recipe=recipe, memory_mib=machine.memory_mib, rooted=rooted
            )
            known[key] = replace(own, sent=found), faults
        for where, text in known[key][1]:
            report(cell, where, text)
        return replace(work, own=known[key][0])

    cells = [
        replace(
            cell,
            workload=sent(cell, cell.workload, cell.machine),
            cases=tuple(replace(case, workload=sent(cell, case.workload, case.machine)) for case in cell.cases),
        )
        if cell.workload.own is not None
        else cell
        for cell in plan.cells
    ]
    return replace(plan, cells=tuple(cells))


def sent_along(plan: Plan, library: Library) -> Plan:
    """As `with_files`, of a plan that has no draft. Raises UserError with the first that is wrong."""

    def report(cell: Cell, where: Where, text: str) -> None:
        raise UserError(f"{cell.id}: {text}")

    return with_files(plan, guest_recipe.load(library.rootfs()), report)
