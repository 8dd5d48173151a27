"""What a boot needs before QEMU starts: the initramfs, the command line, sockets, a nonce; and the machine of it."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path

from kzram_ci.base import files
from kzram_ci.base.clock import Deadline
from kzram_ci.base.values import dataclass
from kzram_ci.guest import conf as guest_conf
from kzram_ci.guest import cpio, parcel
from kzram_ci.guest import modules as guest_modules
from kzram_ci.model.arch import arch_of
from kzram_ci.model.cell import Cell
from kzram_ci.model.kernel import KernelImage, RootfsImage
from kzram_ci.model.layout import OOPS_GLOB, CellFile
from kzram_ci.model.machine import Accel, AccelChoice
from kzram_ci.vm import argv as qemu_argv
from kzram_ci.vm import by_hand
from kzram_ci.vm.binary import find as find_qemu
from kzram_ci.vm.confine import confinement
from kzram_ci.vm.qemu import Machine, SocketDirectory

PREPARE_SECONDS = 120.0
STALE = (
    CellFile.CONSOLE,
    CellFile.CONTROL,
    CellFile.QEMU_LOG,
    CellFile.COUNTERS,
    CellFile.HANG_REGISTERS,
    CellFile.VMCORE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A machine ready to start: its command line, its sockets and its nonce."""

    argv: tuple[str, ...]
    paths: qemu_argv.CellPaths
    nonce: str
    placed_cpus: int = 0  # emulated ones, which get places on the host


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """A shell instead of the workload. command: a line for it; stdin: it gets a port for what that reads.

    window: rows and columns of its terminal; gdb: the guest waits for a debugger.
    """

    command: str = ""
    stdin: bool = False
    window: tuple[int, int] | None = None
    gdb: bool = False
    files: Mapping[str, bytes] = field(default_factory=dict)  # for root alone, by path in the guest


@contextmanager
def prepared(
    cell: Cell,
    image: KernelImage,
    rootfs: RootfsImage,
    *,
    directory: Path,
    accel: AccelChoice,
    talk: Talk | None = None,
    parks_in: Path | None = None,
    restored_from: Path | None = None,
) -> Iterator[Prepared]:
    """Write what the boot needs; big throw-away files are removed afterwards. Raises InfraError, UserError.

    `parks_in`: the guest only boots and waits for a cell, its memory is that file; `restored_from`: the memory of one
    that did.
    """
    nonce = secrets.token_hex(8)
    directory = directory.absolute()
    directory.mkdir(parents=True, exist_ok=True)
    for name in (*STALE, *(path.name for path in directory.glob(OOPS_GLOB))):
        (directory / name).unlink(missing_ok=True)
    initrd, disk = directory / CellFile.INITRD, directory / CellFile.DISK
    sockets = SocketDirectory()
    try:
        modules = guest_modules.collect(image, cell, deadline=Deadline.after(PREPARE_SECONDS))
        conf = _conf(cell, nonce, tuple(modules), talk)
        files.write_atomic(directory / CellFile.CONF, conf)
        first = conf if parks_in is None else guest_conf.parked_conf(tuple(f"/{path}" for path in modules))
        archive = _archive(cell, first, modules, talk.files if talk else {})
        files.write_atomic(directory / CellFile.ARCHIVE, archive)
        with files.disk_errors(f"cannot prepare a boot in {directory}"):
            _write_initrd(initrd, Path(rootfs.path), archive)
            if cell.machine.disk_mib:
                disk.touch()
                os.truncate(disk, cell.machine.disk_mib << 20)
        place = qemu_argv.CellPaths(
            qmp=sockets.socket("qmp"),
            control=sockets.socket("control"),
            serial=sockets.socket("serial"),
            console=str(directory / CellFile.CONSOLE),
            disk=str(disk) if cell.machine.disk_mib else "",
            stdin=sockets.socket("stdin") if talk and talk.stdin else "",
            root=rootfs.disk,
            root_format=rootfs.disk_format,
            gdb=sockets.socket("gdb") if talk and talk.gdb else "",
            memory=str(parks_in or restored_from or ""),
            restored=restored_from is not None,
        )
        argv = qemu_argv.argv(
            cell.machine, accel.accel, cpu=accel.cpu, kernel=image.image, initrd=str(initrd), paths=place
        )
        program = find_qemu(arch_of(cell.machine.arch))
        argv = (program, *confinement(program, cell.machine), *argv[1:])
        files.write_atomic(directory / CellFile.QEMU_ARGV, _by_hand(argv, cell, image, rootfs, accel))
        placed = 0 if accel.accel is Accel.KVM else cell.machine.cpus
        yield Prepared(argv=argv, paths=place, nonce=nonce, placed_cpus=placed)
    finally:
        sockets.remove()
        initrd.unlink(missing_ok=True)
        disk.unlink(missing_ok=True)


def _conf(cell: Cell, nonce: str, modules: tuple[str, ...], talk: Talk | None) -> str:
    return guest_conf.cell_conf(
        cell,
        nonce,
        modules=tuple(f"/{path}" for path in modules),
        interactive=talk is not None,
        command=talk.command if talk else "",
        window=talk.window if talk else None,
        tags=tuple(qemu_argv.share_tag(number) for number in range(len(cell.machine.shares))),
    )


def _archive(cell: Cell, conf: str, modules: dict[str, bytes], private: Mapping[str, bytes]) -> bytes:
    """What the cell adds to the initramfs: its configuration, modules, and the files of a test that the plan brings."""
    own = cell.workload.own
    sent = parcel.entries(own, cell.machine.arch) if own is not None else []
    keys = [cpio.regular(path, data, 0o600) for path, data in private.items()]
    return cpio.pack(
        [
            *sent,
            *keys,
            *(cpio.regular(path, data) for path, data in {guest_conf.PATH: conf.encode(), **modules}.items()),
        ]
    )


def _by_hand(argv: qemu_argv.Argv, cell: Cell, image: KernelImage, rootfs: RootfsImage, accel: AccelChoice) -> str:
    alone = qemu_argv.alone_argv(
        cell.machine,
        accel.accel,
        cpu=accel.cpu,
        kernel=image.image,
        initrd=CellFile.INITRD,
        control=CellFile.CONTROL,
        disk=CellFile.DISK if cell.machine.disk_mib else "",
        root=(rootfs.disk, rootfs.disk_format),
    )
    return by_hand.script(
        argv,
        (argv[0], *alone[1:]),
        kernel=image.image,
        rootfs=rootfs.path,
        archive=CellFile.ARCHIVE,
        initrd=CellFile.INITRD,
        control=CellFile.CONTROL,
        disk=(CellFile.DISK, cell.machine.disk_mib),
    )


def _write_initrd(initrd: Path, rootfs: Path, conf: bytes) -> None:
    """Root file system, then the cell's archive: the kernel unpacks one after the other.

    Between two archives it skips zero bytes, and wants the next on a 4-byte boundary (init/initramfs.c,
    unpack_to_rootfs(), v2.6.12 and later).
    """
    shutil.copyfile(rootfs, initrd)
    with initrd.open("ab") as out:
        out.write(b"\0" * (-out.tell() % 4))
        out.write(conf)


def machine_for(ready: Prepared, cell: Cell, directory: Path) -> Machine:
    """The machine of a prepared boot, not started yet."""
    return Machine(
        ready.argv,
        qmp=ready.paths.qmp,
        serial=ready.paths.serial,
        log=directory / CellFile.QEMU_LOG,
        own_words=cell.machine.qemu_args,
        placed_cpus=ready.placed_cpus,
    )
