"""A cell fitted to the kernel that it is to run on, or why it can show nothing there. The one place that asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from kzram_ci.base.errors import NotApplicable
from kzram_ci.kernel import compressors, kconfig, mechanism, source_facts
from kzram_ci.kernel.workshop import KernelContext, Prospect, image_of, prospect_of
from kzram_ci.model.cell import Cell
from kzram_ci.model.filesystem import kind_of
from kzram_ci.model.kernel import KernelImage, KernelSpec, Tree
from kzram_ci.model.workload import KUNIT, Fault

_FAULT_NEEDS = {
    Fault.NONE: (),
    Fault.FAILSLAB: ("CONFIG_FAULT_INJECTION_DEBUG_FS", "CONFIG_FAILSLAB", "CONFIG_SLUB_DEBUG"),
    Fault.FAIL_PAGE_ALLOC: ("CONFIG_FAULT_INJECTION_DEBUG_FS", "CONFIG_FAIL_PAGE_ALLOC"),
}
# of anonmutate: what it would find missing in the guest, and the fragment that has it
_ARGUMENT_NEEDS = (
    ("--evict", ("memcg",), "CONFIG_MEMCG", "memcg"),
    ("--thp", ("madvise", "always"), "CONFIG_TRANSPARENT_HUGEPAGE", "thp"),
)


def fitted(cell: Cell, image: KernelImage, context: KernelContext) -> Cell:
    """The cell as it must be run on this kernel, by all that is known of it: its source, its series, its config.

    Raises NotApplicable, before anything boots, when it could not show what it is to show.
    """
    facts = source_facts.recall(image.key, cache=context.cache)
    found = mechanism.suited(cell, facts) if facts is not None else cell
    found = without_proof(found, image)
    if not found.skip and found.expect.outcome == "derived":
        raise NotApplicable("what to expect is derived from the kernel's source, and its source is not known")
    if found.skip:
        raise NotApplicable(found.skip)
    return found


def obstacles(cells: Sequence[Cell], spec: KernelSpec, tree: Tree, context: KernelContext) -> tuple[str, ...]:
    """For each cell why it can show nothing on the kernel of this tree, "" where it can. Nothing is built.

    Raises UserError, PatchFailed, InfraError, Interrupted.
    """
    if (ahead := prospect_of(spec, tree, context)) is not None:
        return tuple(foreseen(cell, ahead).skip for cell in cells)
    image = image_of(spec, tree, context)  # in the cache, or in a store

    def obstacle(cell: Cell) -> str:
        try:
            fitted(cell, image, context)
        except NotApplicable as error:
            return error.message
        return ""

    return tuple(map(obstacle, cells))


def foreseen(cell: Cell, ahead: Prospect) -> Cell:
    """The cell, with the reason to skip it when the kernel that will be built could not show anything."""
    found = mechanism.suited(cell, ahead.facts)
    return replace(cell, skip=found.skip or mechanism.not_counted(found, ahead.applied))


def without_proof(cell: Cell, image: KernelImage | None) -> Cell:
    """The cell, with the reason to skip it when this kernel (None: not there yet) lacks an option or a counter."""
    if image is None:
        return cell
    applied = image.provenance.series if image.provenance is not None else ()
    lack = _no_argument(cell, image) or _no_option(cell, image)
    return replace(cell, skip=cell.skip or lack or mechanism.not_counted(cell, applied))


def _config(image: KernelImage) -> Mapping[str, str]:
    return kconfig.parse(Path(image.config).read_text("utf-8", "replace"))


def _no_option(cell: Cell, image: KernelImage) -> str:
    """What a ready image lacks, as far as its config tells. A kernel that is built has its config checked."""
    if not cell.kernel.source.ready or not image.config:
        return ""
    has = _config(image)
    if lack := _no_feature(cell, image, has):
        return lack
    device = ("CONFIG_ZRAM",) if cell.workload.zram.present else ()
    missing = [name for name in (*_FAULT_NEEDS[cell.workload.fault.kind], *device) if has.get(name, "n") == "n"]
    if not device and not missing:
        return ""
    algorithm, offered = cell.workload.zram.algorithm, compressors.offered(has, image.release)
    if not missing and offered and algorithm not in offered:
        return f"{image.release} has no {compressors.wanted(algorithm, image.release)[0]}: zram cannot use {algorithm}"
    if not missing:
        return ""
    return f"{image.release} has no {missing[0]}; take a test without fault injection, or a kernel that is built"


def _no_argument(cell: Cell, image: KernelImage) -> str:
    """What an argument of the workload needs and this kernel, of whatever kind, was built without."""
    words = cell.workload.args if cell.workload.program == "anonmutate" else ()
    for name, values, option, fragment in _ARGUMENT_NEEDS:
        given = [value for word, value in pairwise(words) if word == name and value in values]
        if given and image.config and _config(image).get(option, "n") == "n":
            return (
                f"{image.release} has no {option}, which {name[2:]}: {given[0]} needs; add_config: [{fragment}] has it"
            )
    return ""


def _no_feature(cell: Cell, image: KernelImage, has: Mapping[str, str]) -> str:
    """What a ready image lacks of the file system or the unit tests that a cell is about."""
    kind = kind_of(spec.kind) if (spec := cell.workload.filesystem) is not None else None
    if kind is not None and all(has.get(name, "n") == "n" for name in kind.symbols):
        return f"{image.release} has no {kind.name} ({kind.symbols[0]})"
    if cell.workload.program == KUNIT and has.get("CONFIG_KUNIT", "n") == "n":
        return f"{image.release} has no CONFIG_KUNIT"
    return ""
