"""One kernel, booted to a shell: for a person at a terminal, or to run one command in it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from kzram_ci.base import proc
from kzram_ci.base.cache import cache_root
from kzram_ci.base.clock import Deadline
from kzram_ci.base.digest import digest_file
from kzram_ci.base.errors import UserError
from kzram_ci.kernel.oneoff import OneOff
from kzram_ci.kernel.workshop import KernelContext, image_for
from kzram_ci.model.cell import Cell
from kzram_ci.model.kernel import KernelImage, KernelSpec, RootfsImage
from kzram_ci.model.layout import CellFile
from kzram_ci.model.machine import MachineSpec
from kzram_ci.model.source import ImageSource
from kzram_ci.model.workload import WorkloadSpec, ZramSpec
from kzram_ci.run import shell
from kzram_ci.run.guest_image import rootfs_for
from kzram_ci.run.kernels import specs_of, with_patches
from kzram_ci.vm import accel

EXIT_CRASH = 1
CHOOSE_SECONDS = 600.0  # until an accelerator is proved
_TAIL_BYTES, _TAIL_LINES = 4096, 30


@dataclass(frozen=True, slots=True, kw_only=True)
class BootRequest:
    """`kernel`: a name, the path of an image, or a source. `command`: empty for a shell; one word is a line for the
    guest's shell, several are a program and its arguments. `timeout`: of the command, in seconds.
    """

    kernel: str
    source: str = ""
    patches: tuple[OneOff, ...] = ()
    machine: MachineSpec = MachineSpec()
    zram_mib: int = 512
    rootfs: Path | None = None
    command: tuple[str, ...] = ()
    timeout: float = 600.0
    directory: Path | None = None  # keeps the logs


def boot(request: BootRequest, *, tell: Callable[[str], None], output: Callable[[str], None]) -> int:
    """Boot, talk, stop; the exit code of the command, EXIT_CRASH when the guest went away before its end.

    `tell` gets what a person should know, `output` what the command prints. Raises UserError, KernelError,
    InfraError, Interrupted.
    """
    image, rootfs = _kernel(request), _rootfs(request)
    cell = _cell(request)
    choice = accel.choose(
        cell.machine.accel, cell.machine.arch, cache=cache_root(), deadline=Deadline.after(CHOOSE_SECONDS), image=image
    )
    tell(str(choice))
    with tempfile.TemporaryDirectory(prefix=proc.temporary_prefix()) as temporary:
        directory = request.directory or Path(temporary)
        line = shell.shell_line(request.command) if request.command else ""
        given = shell.standard_input() if line else None
        with shell.session(cell, image, rootfs, directory=directory, accel=choice, command=line, stdin=given) as guest:
            if not line:
                shell.interact(guest)
                return 0
            code = shell.run_command(guest, seconds=request.timeout, output=output)
        if code is None:
            last = proc.tail(directory / CellFile.CONSOLE, _TAIL_BYTES).splitlines()[-_TAIL_LINES:]
            tell("\n".join(("the guest went away; its last lines:", *last)))
    return EXIT_CRASH if code is None else code


def _cell(request: BootRequest) -> Cell:
    """A cell whose workload is the shell."""
    spec = KernelSpec(name=request.kernel, source=ImageSource(path=request.kernel), arch=request.machine.arch)
    work = WorkloadSpec(program="shell", zram=ZramSpec(size_mib=request.zram_mib))
    return Cell(id="boot", kernel=spec, test="boot", machine=request.machine, workload=work)


def _kernel(request: BootRequest) -> KernelImage:
    """A ready image by path or source, else a kernel of ours, built when it is not in the cache."""
    word, arch = request.kernel, request.machine.arch
    if Path(word).is_file():
        word = f"image:{word}"
    elif "/" in word and ":" not in word:
        raise UserError(f"{word} is not a file", hint="give a kernel's name or the path of a bootable image")
    # a patch with a name makes a variant beside its base: that is the one to boot
    spec = with_patches(specs_of((word,), (request.source,) if request.source else ()), request.patches)[-1]
    if spec.source.ready:
        spec = replace(spec, arch=arch)
    if spec.arch != arch:
        raise UserError(f"kernel {spec.name} is for {spec.arch}", hint=f"--arch {spec.arch}")
    return image_for(spec, KernelContext())


def _rootfs(request: BootRequest) -> RootfsImage:
    if (chosen := request.rootfs) is None:
        return rootfs_for(request.machine.arch, KernelContext())
    if not chosen.is_file():
        raise UserError(f"{chosen} is not a file", hint="--rootfs wants an initramfs")
    return RootfsImage(key=digest_file(chosen), path=str(chosen.absolute()))
