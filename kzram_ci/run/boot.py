"""One boot of one cell: prepare, start, follow until it ends or must end, collect the evidence."""

from __future__ import annotations

import shutil
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from kzram_ci.base import clock, files, spans
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import Interrupted
from kzram_ci.guest.control import ControlPort
from kzram_ci.guest.messages import Sample
from kzram_ci.model.cell import Cell
from kzram_ci.model.events import CellOops, CellProgress, Listener
from kzram_ci.model.evidence import Evidence, MemoryDump
from kzram_ci.model.kernel import KernelImage, RootfsImage
from kzram_ci.model.layout import CellFile
from kzram_ci.model.machine import AccelChoice, Dump
from kzram_ci.model.workload import KUNIT
from kzram_ci.oops import capture
from kzram_ci.run import boot_state
from kzram_ci.run import memory as keeping
from kzram_ci.run.boot_limits import Limits
from kzram_ci.run.boot_state import BootState, Ending, HostFailed, Input, OopsFound
from kzram_ci.run.channels import ConsoleChannel, ControlChannel, HostChannel, MonitorChannel
from kzram_ci.run.collected import Collected
from kzram_ci.run.follow import follow, gone_now, take
from kzram_ci.run.job import Idle
from kzram_ci.run.prepare import Prepared, machine_for, prepared
from kzram_ci.run.saved_guest import Saved
from kzram_ci.run.snapshot import RESTORE_SECONDS, SnapshotUnusable, start_from
from kzram_ci.verdict import power
from kzram_ci.vm.qemu import Machine

WORK_MARGIN_SECONDS = 60.0  # the workload ends by its own clock, then verifies what it wrote
HANG_SECONDS = 30.0
Memory = tuple[MemoryDump | None, str]  # or why there is none


def boot_once(
    cell: Cell,
    image: KernelImage,
    rootfs: RootfsImage,
    *,
    directory: Path,
    accel: AccelChoice,
    deadline: Deadline,
    listener: Listener,
    saved: Saved | None = None,
    idle: Idle = (),
) -> Evidence:
    """Boot a cell once, or start it from a saved guest, and return the facts. What it produced is in `directory`.

    `idle`: counters, and after how many seconds of work at 0 the boot is given up.

    Raises InfraError or UserError when QEMU does not start, SnapshotUnusable when the saved guest does not come up,
    Interrupted after the guest was stopped.
    """
    origin = None if saved is None else saved.memory
    with (
        prepared(cell, image, rootfs, directory=directory, accel=accel, restored_from=origin) as ready,
        closing(Collected(directory, cell.workload.own)) as left,
    ):
        limits = _limits(cell, deadline, saved, idle)
        state, end, memory = _watched(cell, image, ready, directory, limits, deadline, listener, saved, left)
    oopses = capture.write(state.oopses, directory, directory / CellFile.CONSOLE, image)
    files.write_json(directory / CellFile.COUNTERS, boot_state.counters(state))
    if end is Ending.INTERRUPTED:
        raise Interrupted("interrupted while the guest ran; its logs are kept")
    told = directory / CellFile.CONSOLE if cell.workload.program == KUNIT else None  # by the kernel, before init
    found = left.added(boot_state.evidence(state, end, oopses, clock.monotonic()), told)
    if saved is not None and not found.booted and not found.oopses:
        raise SnapshotUnusable("the saved guest did not speak after it was started")
    return replace(found, restored=saved is not None, dump=memory[0], dump_missing=memory[1])


def _watched(
    cell: Cell,
    image: KernelImage,
    ready: Prepared,
    directory: Path,
    limits: Limits,
    deadline: Deadline,
    listener: Listener,
    saved: Saved | None,
    left: Collected,
) -> tuple[BootState, Ending, Memory]:
    """Start QEMU and follow it to its end; it is gone afterwards, and every channel was read to its end."""
    memory: Memory = (None, "")
    limit = cell.machine.console_limit_mib << 20

    def observe(given: Input, state: BootState) -> None:
        left.observe(given)
        if isinstance(given, Sample):
            listener(CellProgress(cell=cell.id, counters=dict(state.counters)))
        elif isinstance(given, OopsFound):
            spans.mark(given.oops.title, "oops", cell=cell.id)
            listener(CellOops(cell=cell.id, title=given.oops.title))

    with ExitStack() as stack:
        if saved is not None:  # QEMU appends to it
            shutil.copyfile(saved.console, directory / CellFile.CONSOLE)
        machine = stack.enter_context(machine_for(ready, cell, directory))
        console = stack.enter_context(closing(ConsoleChannel(directory / CellFile.CONSOLE, limit_bytes=limit)))
        port = ControlPort(ready.paths.control, directory / CellFile.CONTROL, ready.nonce)
        control = stack.enter_context(closing(ControlChannel(port, limit_bytes=limit)))
        monitor, host = MonitorChannel(machine), HostChannel(directory)
        state = BootState(limits=limits, began=clock.monotonic())
        if saved is None:
            machine.start(deadline)
        else:
            start_from(saved, machine, port, ready, (directory / CellFile.CONF).read_text())
        state, end = follow(state, (console, control, monitor, host), machine, observe)
        if end in (Ending.HUNG, Ending.HALTED):
            state = take(state, (*console.finish(), *control.finish()), observe)
        if end is Ending.HUNG and machine.suspended():
            state = take(state, (HostFailed(why="QEMU was stopped from outside (SIGSTOP, or a debugger)"),), observe)
            end = Ending.HOST
        if end is Ending.HUNG:
            _ask(machine, directory)
        if keeping.worth_keeping(cell, state, end):
            memory = keeping.keep(machine, cell, directory, image)
        machine.stop()
        rest = (*console.finish(), *control.finish(), *monitor.poll(), gone_now(machine))
        return take(state, rest, observe), end, memory


def _limits(cell: Cell, deadline: Deadline, saved: Saved | None, idle: Idle) -> Limits:
    seconds = cell.machine.boot_seconds
    return Limits(
        boot_until=deadline.within(seconds if saved is None else min(seconds, RESTORE_SECONDS)).at,
        until=deadline.at,
        work_seconds=cell.workload.duration_s + WORK_MARGIN_SECONDS,
        gauged=power.gauged(cell),
        # the guest's own counters have a dot; those of the detector stand or fall with it
        keeps_memory=cell.machine.dump is Dump.ON_CRASH,
        needs=tuple(name for name, bound in cell.expect.floors if bound > 0 and "." not in name),
        idle=idle,
    )


def _ask(machine: Machine, directory: Path) -> None:
    """A guest that ran into its deadline is asked for its state before it is stopped."""
    registers = machine.hang_state(Deadline.after(HANG_SECONDS))
    if registers:
        files.write_atomic(directory / CellFile.HANG_REGISTERS, registers.replace("\r\n", "\n"))
