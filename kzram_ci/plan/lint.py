"""What makes a cell pointless before it runs, found when the plan is read instead of after an hour. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kzram_ci.model.cell import Cell
from kzram_ci.model.machine import Snapshot
from kzram_ci.model.root import RootKind
from kzram_ci.plan.counters import WORKLOAD
from kzram_ci.plan.own import own_faults
from kzram_ci.plan.workloads import Workloads

Field = tuple[str, ...]
Fault = tuple[Field, str]  # (path of the field within the test, what is wrong)

LEAST_MEMORY_MIB = 32
# struct zram_table_entry, 16 bytes a page on 64 bit: allocated when the device gets its size
TABLE_BYTES_A_PAGE = 16


def faults(cell: Cell, args: Mapping[str, Any], workloads: Workloads) -> Iterator[Fault]:
    """What is wrong with a cell whose workload gets these arguments."""
    yield from own_faults(cell, args)
    yield from _device(cell, workloads)
    yield from _machine(cell)
    yield from _time(cell)
    yield from _expectation(cell)
    yield from _counters(cell, workloads)
    for name, text in workloads.faults(cell.workload.program, args):
        yield (("args", name) if name else ("args",)), text


def _device(cell: Cell, workloads: Workloads) -> Iterator[Fault]:
    work = cell.workload
    row = workloads.rows.get(work.program)
    if row is not None and row.zram == "raw" and work.zram.swap:
        yield ("zram", "swap"), f"{work.program} writes to the zram device itself: set zram.swap to false"
    if row is not None and row.zram == "swap" and not work.zram.swap and work.filesystem is None:
        yield ("zram", "swap"), f"{work.program} swaps: zram.swap cannot be false"
    if row is not None and row.zram == "files" and work.filesystem is None:
        yield ("workload",), f"{work.program} works on files: it needs a `filesystem`, such as ext4"
    if work.filesystem is not None and work.zram.swap:
        yield ("zram", "swap"), "the device holds a file system or swap, not both: zram.swap cannot be true"
    if row is not None and row.zram != "files" and work.filesystem is not None:
        yield ("filesystem",), f"{work.program} does not use files: a file system is in its way"
    if row is not None and work.uid and not row.users:
        yield ("uid",), f"{work.program} runs as root only"
    if not work.zram.present:
        return
    if work.zram.size_mib < 1:
        yield ("zram", "size"), "the zram device needs a size"
    table_mib = (work.zram.size_mib << 20) // 4096 * TABLE_BYTES_A_PAGE >> 20
    if table_mib > cell.machine.memory_mib // 2:
        yield (
            ("zram", "size"),
            f"a zram device of {work.zram.size_mib} MiB needs {table_mib} MiB for its table alone, "
            f"and the guest has {cell.machine.memory_mib} MiB of memory",
        )


def _root(cell: Cell) -> Iterator[Fault]:
    root = cell.machine.root
    if root is None:
        return
    if root.kind is RootKind.IMAGE and not root.path:
        yield ("rootfs",), "an image needs a path"
    if cell.machine.snapshot in (Snapshot.ON, Snapshot.PER_SEED):
        yield ("machine", "snapshot"), "a saved guest has no root of its own: rootfs and snapshot exclude each other"


def _machine(cell: Cell) -> Iterator[Fault]:
    yield from _root(cell)
    if cell.workload.readers and not cell.machine.disk_mib:
        yield ("readers",), "readers need a disk to read from: set machine.disk, such as 256M"
    if cell.machine.memory_mib < LEAST_MEMORY_MIB:
        yield (
            ("machine", "memory"),
            f"no guest boots with {cell.machine.memory_mib} MiB of memory: give it {LEAST_MEMORY_MIB}M or more",
        )


def _time(cell: Cell) -> Iterator[Fault]:
    if cell.workload.duration_s < 1:
        yield ("duration",), "the duration must be at least 1s"
    if cell.workload.sample_ms < 10:
        yield ("sample",), "sampling more often than every 10ms disturbs what it measures"


def _expectation(cell: Cell) -> Iterator[Fault]:
    expect, stop, ceilings = cell.expect, dict(cell.workload.stop), dict(cell.expect.ceilings)
    if expect.outcome == "pass" and (expect.oops.types or expect.oops.function or expect.oops.title):
        yield ("expect",), "an oops is described, but the expected outcome is pass: add outcome: oops"
    for name, bound in expect.floors:
        if name in ceilings and ceilings[name] < bound:
            yield ("expect", "floors", name), f"floor {name} {bound:,} is above its ceiling {ceilings[name]:,}"
        if name in stop and len(stop) == 1 and cell.evidence is None and stop[name] < bound:
            yield ("stop", name), f"the cell stops at {name} {stop[name]:,}, below its floor {bound:,}"


def _counters(cell: Cell, workloads: Workloads) -> Iterator[Fault]:
    """Counters of the workload's own: reported beside the kernel's, and not known where a stop is decided."""
    bounds = [("expect", "floors", name) for name, _ in cell.expect.floors]
    bounds += [("expect", "ceilings", name) for name, _ in cell.expect.ceilings]
    for field in bounds:
        group, _, rest = field[-1].partition(".")
        if group == WORKLOAD and (text := workloads.counter_fault(cell.workload.program, rest)):
            yield field, text
    if cell.evidence is not None and cell.evidence.races == "reuse_refused_write":
        text = "a control does not tell which of the faults that got their page were writes: name reuse_refused"
        yield ("stop", "evidence"), text
    counted = cell.evidence is not None and cell.evidence.races.startswith(f"{WORKLOAD}.")
    if counted and cell.workload.own is None:
        yield ("stop", "evidence"), "a cell cannot stop by what its workload reports: name a counter of the kernel"
    for name, _ in cell.workload.stop:
        if name.startswith(f"{WORKLOAD}.") and cell.workload.own is None:
            yield ("stop", name), "a cell cannot stop by what its workload reports: name a counter of the kernel"
