"""One kernel, booted to a shell: for a person at a terminal, or to run one command in it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from kzram_ci.base import needs, proc
from kzram_ci.base.cache import cache_root
from kzram_ci.base.clock import Deadline
from kzram_ci.base.digest import digest_file
from kzram_ci.base.errors import UserError
from kzram_ci.base.library import Library
from kzram_ci.base.values import dataclass
from kzram_ci.kernel.oneoff import OneOff
from kzram_ci.kernel.sandbox import wanted
from kzram_ci.kernel.workshop import KernelContext, image_for
from kzram_ci.model.cell import Cell
from kzram_ci.model.events import BuildStarted, Event, Note
from kzram_ci.model.kernel import KernelImage, KernelSpec, RootfsImage
from kzram_ci.model.layout import CellFile
from kzram_ci.model.machine import MachineSpec
from kzram_ci.model.source import ImageSource, theirs
from kzram_ci.model.workload import WorkloadSpec, ZramSpec
from kzram_ci.run import aftermath, debugger, guest_root, shares, shell, ssh
from kzram_ci.run.aftermath import Place
from kzram_ci.run.guest_image import rootfs_for
from kzram_ci.run.kernels import specs_of, with_patches
from kzram_ci.run.shell import Spoken
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
    config: tuple[str, ...] = ()  # fragments more than the kernel's own
    patches: tuple[OneOff, ...] = ()
    machine: MachineSpec = MachineSpec()
    zram_mib: int = 512
    rootfs: Path | None = None
    command: tuple[str, ...] = ()
    timeout: float = 600.0
    directory: Path | None = None  # keeps the logs
    gdb: bool = False
    ssh: bool = False
    arch: str = ""  # "": the kernel's own
    sandbox: bool | None = None  # of a build; None: where the source is theirs


def boot(request: BootRequest, *, tell: Callable[[str], None], output: Callable[[str], None]) -> int:
    """Boot, talk, stop; the exit code of the command, EXIT_CRASH when the kernel crashed or the guest went away.

    `tell` gets what a person should know, `output` what the command prints. Raises UserError, KernelError,
    InfraError, Interrupted.
    """
    if request.ssh and request.machine.root is None:
        raise UserError("--ssh needs a root with an sshd", hint="--root debian:trixie+openssh-server")
    spec = _spec(request)
    request = replace(request, machine=replace(request.machine, arch=spec.arch))
    boxed = wanted(request.sandbox, tell, theirs=theirs(spec.source))
    rootfs = _rootfs(request, tell)  # a root that cannot be made is found before a kernel is built for it
    image = _kernel(spec, tell, boxed=boxed)
    cell = _cell(request)
    choice = accel.choose(
        cell.machine.accel, cell.machine.arch, cache=cache_root(), deadline=Deadline.after(CHOOSE_SECONDS), image=image
    )
    tell(str(choice))
    for share in cell.machine.shares:
        tell(shares.words(share))
    with aftermath.place(request.directory) as where:
        line = shell.shell_line(request.command) if request.command else ""
        given = shell.standard_input() if line else None
        door = ssh.make(where.path) if request.ssh else None
        private = door.guest_files if door is not None else {}
        with shell.session(
            _reached(cell, door),
            image,
            rootfs,
            directory=where.path,
            accel=choice,
            command=line,
            stdin=None if door is not None else given,
            gdb=request.gdb,
            private=private,
        ) as guest:
            if request.gdb:
                _tell_gdb(image, guest.gdb, tell)
            if door is not None and not line:
                tell(f"as soon as the guest is up, in another terminal: {door.line()}")
            if not line:
                spoken = shell.interact(guest)
            elif door is not None:
                spoken = shell.run_by_ssh(
                    guest, door, line, seconds=request.timeout, output=output, error=_complain, stdin=given
                )
            else:
                spoken = shell.run_command(guest, seconds=request.timeout, output=output)
        return _code(spoken, where, image, tell, command=bool(line))


def _code(spoken: Spoken, where: Place, image: KernelImage, tell: Callable[[str], None], *, command: bool) -> int:
    """The exit code, after telling what went wrong. Raises UserError where the guest cannot be what was asked for."""
    refused = spoken.errors[-1] if spoken.refused and spoken.errors else ""
    for error in spoken.errors[: -1 if refused else None]:
        tell(f"the guest: {error}")
    gone = command and spoken.code is None
    if gone or spoken.panicked or aftermath.damaged(spoken.tainted):
        found = aftermath.oopses(where, image)
        for oops in found:
            tell(aftermath.text(oops, where))
        if found or spoken.panicked:
            return EXIT_CRASH
    if refused:
        raise UserError(f"the guest: {refused}")
    if gone and spoken.why:
        tell(spoken.why)
        return EXIT_CRASH
    if gone:
        last = proc.tail(where.path / CellFile.CONSOLE, _TAIL_BYTES).splitlines()[-_TAIL_LINES:]
        tell("\n".join(("the guest went away; its last lines:", *last)))
        return EXIT_CRASH
    return spoken.code or 0


def _complain(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def _reached(cell: Cell, door: ssh.Door | None) -> Cell:
    """The cell with a network, if it has a door to it."""
    if door is None or cell.machine.root is None:
        return cell
    return replace(cell, machine=replace(cell.machine, root=replace(cell.machine.root, ssh_port=door.port)))


def _tell_gdb(image: KernelImage, socket: str, tell: Callable[[str], None]) -> None:
    tell("the guest waits for gdb; in another terminal:")
    tell(debugger.attach_line(image, socket))
    if shutil.which(program := debugger.program(image.arch)) is None:
        tell(f"{program} is not installed: {needs.advice(program)}")
    if text := debugger.advice(image):
        tell(text)


def _cell(request: BootRequest) -> Cell:
    """A cell whose workload is the shell."""
    spec = KernelSpec(name=request.kernel, source=ImageSource(path=request.kernel), arch=request.machine.arch)
    work = WorkloadSpec(program="shell", zram=ZramSpec(size_mib=request.zram_mib))
    machine = request.machine
    if request.gdb:
        machine = replace(machine, cmdline=(*debugger.CMDLINE, *machine.cmdline))
    return Cell(id="boot", kernel=spec, test="boot", machine=machine, workload=work)


def _spec(request: BootRequest) -> KernelSpec:
    """A ready image by path or source, else a kernel of ours with what this boot needs. Raises UserError."""
    word = request.kernel
    if Path(word).is_file():
        word = f"image:{word}"
    elif "/" in word and ":" not in word:
        raise UserError(f"{word} is not a file", hint="give a kernel's name or the path of a bootable image")
    # a patch with a name makes a variant beside its base: that is the one to boot
    spec = with_patches(specs_of((word,), (request.source,) if request.source else (), request.arch), request.patches)[
        -1
    ]
    more = _fragments(request)
    if spec.source.ready and request.config:
        raise UserError(f"{spec.source.words()} is ready, --config cannot change it", hint="take a source to build")
    for name in more:
        Library().fragment(name)  # raises UserError before anything is fetched
    if not spec.source.ready:
        spec = replace(spec, config=tuple(dict.fromkeys((*spec.config, *more))))
    return spec


def _kernel(spec: KernelSpec, tell: Callable[[str], None], *, boxed: bool) -> KernelImage:
    """The kernel, built when it is not in the cache."""

    def listen(event: Event) -> None:
        if isinstance(event, BuildStarted):
            tell(f"building {event.kernel} with {', '.join(spec.config)}")

    return image_for(spec, KernelContext(listener=listen, sandbox=boxed))


def _fragments(request: BootRequest) -> tuple[str, ...]:
    """What a kernel that is built must be configured with beside its own."""
    share = (shares.FRAGMENT,) if request.machine.shares else ()
    root = (guest_root.FRAGMENT,) if request.machine.root is not None and "fs" not in request.config else ()
    return (*request.config, *share, *root, *((ssh.FRAGMENT,) if request.ssh else ()))


def _rootfs(request: BootRequest, tell: Callable[[str], None]) -> RootfsImage:
    arch = request.machine.arch

    def listen(event: Event) -> None:
        if isinstance(event, Note):
            tell(f"{event.subject}: {event.text}")

    if (chosen := request.rootfs) is None:
        context = KernelContext(listener=listen)
        return guest_root.with_root(rootfs_for(arch, context), request.machine.root, arch, context)
    if not chosen.is_file():
        raise UserError(f"{chosen} is not a file", hint="--rootfs wants an initramfs")
    return RootfsImage(key=digest_file(chosen), path=str(chosen.absolute()))
