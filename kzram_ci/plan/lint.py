"""What makes a cell pointless before it runs, found when the plan is read instead of after an hour. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from kzram_ci.model.cell import Cell
from kzram_ci.plan import vocabulary

Complaint = tuple[tuple[str, ...], str]  # (path of the field within the test, what is wrong)


def contradictions(cell: Cell) -> tuple[Complaint, ...]:
    """All complaints about a cell; each names it, because only some cells of a test may be wrong."""
    found = (*_device(cell), *_time(cell), *_expectation(cell))
    return tuple((tuple(field.split(".")), f"{text} (cell {cell.id})") for field, text in found)


def _device(cell: Cell) -> Iterator[tuple[str, str]]:
    work, machine = cell.workload, cell.machine
    if work.readers and not machine.disk_mib:
        yield "readers", "readers need a disk to read from: set machine.disk, such as 256M"
    if work.program in vocabulary.RAW_DEVICE_WORKLOADS and work.zram.swap:
        yield "zram.swap", f"{work.program} writes to the zram device itself: set zram.swap to false"
    if work.program in vocabulary.SWAP_WORKLOADS and not work.zram.swap:
        yield "zram.swap", f"{work.program} swaps: zram.swap cannot be false"
    if work.zram.size_mib < 1:
        yield "zram.size", "the zram device needs a size"
    if machine.memory_mib < 32:
        yield "machine.memory", f"{machine.memory_mib} MiB of memory boot nothing"


def _time(cell: Cell) -> Iterator[tuple[str, str]]:
    if cell.workload.duration_s < 1:
        yield "duration", "the duration must be at least 1s"
    if cell.workload.sample_ms < 10:
        yield "sample", "sampling more often than every 10ms disturbs what it measures"


def _expectation(cell: Cell) -> Iterator[tuple[str, str]]:
    expect, stop, ceilings = cell.expect, dict(cell.workload.stop), dict(cell.expect.ceilings)
    if expect.outcome == "pass" and (expect.oops.types or expect.oops.function or expect.oops.title):
        yield "expect", "an oops is described, but the expected outcome is pass: add outcome: oops"
    for name, bound in expect.floors:
        if name in ceilings and ceilings[name] < bound:
            yield "expect", f"floor {name} {bound:,} is above its ceiling {ceilings[name]:,}"
        if name in stop and len(stop) == 1 and stop[name] < bound:
            yield "stop", f"the cell stops at {name} {stop[name]:,}, below its floor {bound:,}"
