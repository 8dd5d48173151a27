"""Cells that start from a saved guest: a kernel boots once on a machine, up to the point where it needs a cell.

A saved guest is a cache entry: its memory, QEMU's state without it, and what its console said. The key covers all
that made it. A kernel that complained while it booted is remembered as such, and its cells boot: a complaint may
depend on the boot.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from kzram_ci.base import cache, clock, files
from kzram_ci.base.clock import Deadline
from kzram_ci.base.digest import digest_json
from kzram_ci.base.errors import InfraError, Interrupted
from kzram_ci.guest import conf as guest_conf
from kzram_ci.guest.control import ControlPort
from kzram_ci.model import codec
from kzram_ci.model.arch import arch_of
from kzram_ci.model.cell import Cell
from kzram_ci.model.kernel import KernelImage, RootfsImage
from kzram_ci.model.layout import CellFile
from kzram_ci.model.machine import Accel, AccelChoice, Snapshot
from kzram_ci.run.boot_limits import Limits
from kzram_ci.run.boot_state import BootState, Ending
from kzram_ci.run.channels import ConsoleChannel, ControlChannel, HostChannel, MonitorChannel
from kzram_ci.run.follow import follow, take
from kzram_ci.run.prepare import Prepared, machine_for, prepared
from kzram_ci.vm import snapshot
from kzram_ci.vm.binary import find
from kzram_ci.vm.qemu import Machine

PART = "snapshots"  # of the cache
FORMAT = 1  # raise it when what is saved, or the way to start from it, changes
SAVE_SECONDS = 60.0
RESTORE_SECONDS = 30.0  # until the restored guest speaks; by hand 0.1 s
ENTROPY_BYTES = 64
_BLOCK = 1 << 16
_MEMORY, _STATE = "memory", "state"


class SnapshotUnusable(InfraError):
    """A saved guest does not come up; its cell boots instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A saved guest."""

    entry: Path

    @property
    def memory(self) -> Path:
        """The guest's memory, mapped privately by those that start from it."""
        return self.entry / _MEMORY

    @property
    def state(self) -> Path:
        """QEMU's state of all else."""
        return self.entry / _STATE

    @property
    def console(self) -> Path:
        """What its kernel said until then."""
        return self.entry / CellFile.CONSOLE


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


def saved_for(
    cell: Cell, image: KernelImage, rootfs: RootfsImage, *, accel: AccelChoice, root: Path, deadline: Deadline
) -> Saved | None:
    """The guest that a cell can start from, booted and saved now if need be. None: the cell boots.

    `root` is the cache. Raises InfraError, UserError, Interrupted as a boot does.
    """
    if not possible(cell):
        return None
    entry = root / PART / key(cell, image, rootfs, accel)
    there = Saved(entry=entry)
    try:
        cache.once(
            entry, lambda: _make(entry, cell, image, rootfs, accel, deadline), deadline, stale=lambda: not _whole(there)
        )
    except SnapshotUnusable:
        return None
    return there if there.state.is_file() else None


def key(cell: Cell, image: KernelImage, rootfs: RootfsImage, accel: AccelChoice) -> str:
    """All that a saved guest depends on: kernel, root file system, modules, machine, QEMU, the host under KVM."""
    machine = cell.machine
    binary = Path(find(arch_of(machine.arch))).resolve()
    program = binary.stat()
    boot = Path("/proc/sys/kernel/random/boot_id")
    host = (os.uname().release, boot.read_text().strip() if boot.is_file() else "")
    facts = (
        FORMAT,
        [image.key, image.image, rootfs.key],
        codec.to_json(cell.workload) if image.modules else "",  # decides which modules are loaded
        [machine.arch, machine.cpus, machine.memory_mib, machine.disk_mib, str(machine.dump), *machine.cmdline],
        [str(accel.accel), accel.cpu, *(host if accel.accel is Accel.KVM else ())],
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
        snapshot.restore(machine, saved.state, ready.paths.state, deadline)
        port.send(guest_conf.sent(conf, seconds=now, entropy=secrets.token_hex(ENTROPY_BYTES)), deadline)
    except InfraError as error:
        raise SnapshotUnusable(str(error)) from error


def _whole(saved: Saved) -> bool:
    """Whether the files are as they were saved: what a wrong bit does would be taken for the kernel's fault."""
    try:
        about = files.read_json(saved.entry / cache.MANIFEST)
        if about["complaint"]:
            return True
        stamp = tuple((name, about[name], (saved.entry / name).stat().st_mtime_ns) for name in (_MEMORY, _STATE))
        return _checked(saved.entry, stamp)
    except (InfraError, OSError, KeyError, TypeError):
        return False


@lru_cache(maxsize=1024)
def _checked(entry: Path, stamp: tuple[tuple[str, str, int], ...]) -> bool:
    """Once in a process: what was read then is what a later guest maps."""
    return all(_digest(entry / name) == wanted for name, wanted, _ in stamp)


def _digest(path: Path) -> str:
    """Of a file's blocks that are not zero, and its size; holes are not read."""
    state, position = hashlib.sha256(str(path.stat().st_size).encode()), 0
    with path.open("rb") as handle:
        while True:
            try:
                position = os.lseek(handle.fileno(), position, os.SEEK_DATA) // _BLOCK * _BLOCK
            except OSError:  # no data behind it
                return state.hexdigest()
            block = os.pread(handle.fileno(), _BLOCK, position)
            if block.count(0) < len(block):
                state.update(position.to_bytes(8, "little") + block)
            position += _BLOCK


def discard(saved: Saved, deadline: Deadline) -> None:
    """Throw a saved guest away that does not come up."""
    with files.lock(saved.entry.with_name(f"{saved.entry.name}.lock"), deadline):
        shutil.rmtree(saved.entry, ignore_errors=True)


def _make(
    entry: Path, cell: Cell, image: KernelImage, rootfs: RootfsImage, accel: AccelChoice, deadline: Deadline
) -> None:
    shutil.rmtree(entry, ignore_errors=True)  # one that is damaged
    with cache.entry_in_progress(entry) as directory:
        complaint = _boot_and_save(directory, cell, image, rootfs, accel, deadline)
        if complaint:  # remembered: its cells boot
            (directory / _MEMORY).unlink(missing_ok=True)
            (directory / _STATE).unlink(missing_ok=True)
        sums = {} if complaint else {name: _digest(directory / name) for name in (_MEMORY, _STATE)}
        about = {"kernel": image.key, "release": image.release, "complaint": complaint, **sums}
        files.write_json(directory / cache.MANIFEST, about)


def _boot_and_save(
    directory: Path, cell: Cell, image: KernelImage, rootfs: RootfsImage, accel: AccelChoice, deadline: Deadline
) -> str:
    """Boot until the guest waits for a cell, and save it; or what its kernel complained of.

    Raises SnapshotUnusable when the guest did not get there or QEMU cannot save it, which may be chance.
    """
    with (
        prepared(cell, image, rootfs, directory=directory, accel=accel, parks_in=directory / _MEMORY) as ready,
        machine_for(ready, cell, directory) as machine,
        ExitStack() as stack,
    ):
        limit = cell.machine.console_limit_mib << 20
        console = stack.enter_context(closing(ConsoleChannel(directory / CellFile.CONSOLE, limit_bytes=limit)))
        port = ControlPort(ready.paths.control, directory / CellFile.CONTROL, ready.nonce)
        control = stack.enter_context(closing(ControlChannel(port, limit_bytes=limit)))
        until = deadline.within(cell.machine.boot_seconds)
        limits = Limits(boot_until=until.at, until=until.at, work_seconds=0.0, parks=True)
        machine.start(until)
        channels = (console, control, MonitorChannel(machine), HostChannel(directory))
        state, end = follow(BootState(limits=limits, began=clock.monotonic()), channels, machine)
        if end is Ending.INTERRUPTED:
            raise Interrupted("interrupted while a guest booted that was to be saved")
        if end is Ending.PARKED:
            try:
                snapshot.save(machine, directory / _STATE, ready.paths.state, Deadline.after(SAVE_SECONDS))
            except InfraError as error:
                raise SnapshotUnusable(str(error)) from error
        machine.stop()
        state = take(state, console.finish())
    if not state.oopses and end is not Ending.PARKED:
        raise SnapshotUnusable(f"the guest did not come to wait for a cell: {end}")
    return state.oopses[0].title if state.oopses else ""
