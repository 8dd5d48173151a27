"""Cells that start from a saved guest: a kernel boots once on a machine, up to the point where it needs a cell.

The key of a saved guest (`run/saved_guest.py`) covers all that made it. A kernel that complained while it booted is
remembered as such, and its cells boot: a complaint may depend on the boot.

What is measured must not depend on how a guest started. `auto` therefore restores only where `bench/snapshots.py` was
run (docs/measurements.md; two lines of kernels stand for all), and only where it saves time.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path

from kzram_ci.base import cache, clock
from kzram_ci.base.clock import Deadline
from kzram_ci.base.digest import digest_json
from kzram_ci.base.errors import InfraError, Interrupted
from kzram_ci.base.spans import span
from kzram_ci.guest import conf as guest_conf
from kzram_ci.guest.control import ControlPort
from kzram_ci.model import codec
from kzram_ci.model.arch import arch_of
from kzram_ci.model.cell import Cell
from kzram_ci.model.kernel import KernelImage, RootfsImage
from kzram_ci.model.layout import CellFile
from kzram_ci.model.machine import Accel, AccelChoice, Snapshot
from kzram_ci.run import saved_guest
from kzram_ci.run.boot_limits import Limits
from kzram_ci.run.boot_state import BootState, Ending
from kzram_ci.run.channels import ConsoleChannel, ControlChannel, HostChannel, MonitorChannel
from kzram_ci.run.follow import follow, take
from kzram_ci.run.prepare import Prepared, machine_for, prepared
from kzram_ci.run.saved_guest import MEMORY, PART, STATE, Saved
from kzram_ci.vm import snapshot
from kzram_ci.vm.binary import find
from kzram_ci.vm.qemu import Machine

FORMAT = 1  # raise it when what is saved, or the way to start from it, changes
BOOT_SECONDS = 60.0  # for a guest that is to be saved: one that takes longer is not worth waiting for
SAVE_SECONDS = 60.0
RESTORE_SECONDS = 30.0  # until the restored guest speaks; by hand 0.1 s
ENTROPY_BYTES = 64
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
MEASURED = frozenset({"anonmutate"})  # workloads
SHORTEST = 4  # seconds of a cell: in the first one a guest that has just booted does less than a restored one
TRIES = 2  # to save a guest, in one process: a busy host spoils some
_failed: Counter[str] = Counter()  # by the key of a guest


class SnapshotUnusable(InfraError):
    """A saved guest does not come up; its cell boots instead."""


def possible(cell: Cell) -> bool:
    """Whether the plan wants it and the cell allows it: a share and arguments of the plan's bring in what changes.

    The files of a test that the plan brings come with the initramfs, which a saved guest has unpacked already; a root
    of the plan's is a disk of its own.
    """
    machine = cell.machine
    return (
        machine.snapshot is not Snapshot.OFF
        and not machine.qemu_args
        and not machine.shares
        and machine.root is None
        and cell.workload.own is None
    )


def measured(cell: Cell, accel: AccelChoice) -> bool:
    """Whether restored guests were measured to behave as booted ones: kernels of ours, emulated, not for a moment."""
    machine = cell.machine
    return (
        accel.accel is Accel.TCG
        and machine.arch == "x86_64"
        and not cell.kernel.source.ready
        and cell.workload.program in MEASURED
        and cell.workload.duration_s >= SHORTEST
    )


def place_of(cell: Cell, image: KernelImage, rootfs: RootfsImage, *, accel: AccelChoice, root: Path) -> Saved | None:
    """Where the guest is that a cell may start from, or would be. None: the cell boots. `root` is the cache."""
    if not possible(cell) or (cell.machine.snapshot is Snapshot.AUTO and not measured(cell, accel)):
        return None
    return Saved(entry=root / PART / key(cell, image, rootfs, accel))


def saved_for(
    there: Saved,
    cell: Cell,
    image: KernelImage,
    rootfs: RootfsImage,
    *,
    accel: AccelChoice,
    others: int,
    deadline: Deadline,
) -> Saved | None:
    """The guest of `place_of`, booted and saved now if need be. None: the cell boots.

    `others`: boots that could start from it besides this one. Saving costs as much as it saves one of them, so `auto`
    does without where there are none, and takes what is there.

    Raises InfraError, UserError, Interrupted as a boot does, SnapshotUnusable when it cannot be saved.
    """
    entry, name = there.entry, there.entry.name
    wanted = others > 0 or cell.machine.snapshot is not Snapshot.AUTO
    if _failed[name] >= TRIES or not (wanted or cache.complete(entry)):
        return None
    try:
        cache.once(
            entry,
            lambda: _make(entry, cell, image, rootfs, accel, deadline),
            deadline,
            stale=lambda: not saved_guest.whole(there),
        )
    except SnapshotUnusable:
        _failed[name] += 1  # or each cell of a kernel that does not boot would wait for two boots
        raise
    return there if there.state.is_file() else None


def key(cell: Cell, image: KernelImage, rootfs: RootfsImage, accel: AccelChoice) -> str:
    """All that a saved guest depends on: kernel, root file system, modules, machine, QEMU, the host until it reboots.

    The host: a guest measures when it boots how fast the processor's counter (TSC) is, under emulation too.
    """
    machine = cell.machine
    binary = Path(find(arch_of(machine.arch))).resolve()
    program = binary.stat()
    facts = (
        FORMAT,
        [image.key, image.image, rootfs.key],
        codec.to_json(cell.workload) if image.modules else "",  # decides which modules are loaded
        [machine.arch, machine.cpus, machine.memory_mib, machine.disk_mib, str(machine.dump), *machine.cmdline],
        [str(accel.accel), accel.cpu, os.uname().release, BOOT_ID.read_text().strip() if BOOT_ID.is_file() else ""],
        [str(binary), program.st_size, program.st_mtime_ns],
        cell.seed if machine.snapshot is Snapshot.PER_SEED else "",
    )
    return digest_json(facts)


def start_from(saved: Saved, machine: Machine, port: ControlPort, ready: Prepared, conf: str) -> None:
    """Restore a saved guest in a machine that waits for it, and send it its cell. Raises SnapshotUnusable."""
    deadline = Deadline.after(RESTORE_SECONDS)
    now = int(clock.now_utc().timestamp())
    try:
        machine.start(deadline)
        snapshot.restore(machine, saved.state, deadline)
        port.send(guest_conf.sent(conf, seconds=now, entropy=secrets.token_hex(ENTROPY_BYTES)), deadline)
    except InfraError as error:
        raise SnapshotUnusable(str(error)) from error


def _make(
    entry: Path, cell: Cell, image: KernelImage, rootfs: RootfsImage, accel: AccelChoice, deadline: Deadline
) -> None:
    shutil.rmtree(entry, ignore_errors=True)  # one that is damaged
    with span("save a guest", "boot", kernel=image.name), cache.entry_in_progress(entry) as directory:
        complaint = _boot_and_save(directory, cell, image, rootfs, accel, deadline)
        saved_guest.describe(directory, complaint, {"kernel": image.key, "release": image.release})
    saved_guest.trim(entry.parent, entry)


def _boot_and_save(
    directory: Path, cell: Cell, image: KernelImage, rootfs: RootfsImage, accel: AccelChoice, deadline: Deadline
) -> str:
    """Boot until the guest waits for a cell, and save it; or what its kernel complained of.

    Raises SnapshotUnusable when the guest did not get there or QEMU cannot save it, which may be chance.
    """
    with (
        prepared(cell, image, rootfs, directory=directory, accel=accel, parks_in=directory / MEMORY) as ready,
        machine_for(ready, cell, directory) as machine,
        ExitStack() as stack,
    ):
        limit = cell.machine.console_limit_mib << 20
        console = stack.enter_context(closing(ConsoleChannel(directory / CellFile.CONSOLE, limit_bytes=limit)))
        port = ControlPort(ready.paths.control, directory / CellFile.CONTROL, ready.nonce)
        control = stack.enter_context(closing(ControlChannel(port, limit_bytes=limit)))
        until = deadline.within(min(cell.machine.boot_seconds, BOOT_SECONDS))
        limits = Limits(boot_until=until.at, until=until.at, work_seconds=0.0, parks=True)
        machine.start(until)
        channels = (console, control, MonitorChannel(machine), HostChannel(directory))
        state, end = follow(BootState(limits=limits, began=clock.monotonic()), channels, machine)
        if end is Ending.INTERRUPTED:
            raise Interrupted("interrupted while a guest booted that was to be saved")
        if end is Ending.PARKED:
            try:
                snapshot.save(machine, directory / STATE, Deadline.after(SAVE_SECONDS))
            except InfraError as error:
                raise SnapshotUnusable(str(error)) from error
        machine.stop()
        state = take(state, console.finish())
    if not state.oopses and end is not Ending.PARKED:
        raise SnapshotUnusable(f"the guest did not come to wait for a cell: {end}")
    return state.oopses[0].title if state.oopses else ""
