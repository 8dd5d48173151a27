"""`kzram-ci boot`: a kernel and a shell, or one command in it."""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from kzram_ci.base import proc
from kzram_ci.base.cache import cache_root
from kzram_ci.base.clock import Deadline
from kzram_ci.base.digest import digest_file
from kzram_ci.base.errors import UserError
from kzram_ci.cli.kernel_option import SOURCE_HELP
from kzram_ci.model.arch import ARCHS
from kzram_ci.model.cell import Cell
from kzram_ci.model.kernel import KernelImage, KernelSpec, RootfsImage
from kzram_ci.model.machine import Accel, MachineSpec
from kzram_ci.model.source import ImageSource
from kzram_ci.model.workload import WorkloadSpec, ZramSpec
from kzram_ci.run import shell
from kzram_ci.vm import accel

EXIT_CRASH = 1
CHOOSE_SECONDS = 600.0  # until an accelerator is proved
EPILOG = """\
Options come before KERNEL. One word after -- is a line for the guest's shell; several are a program and its arguments.
exit codes: the command's own · 1 the guest went away before the command ended · 2 usage · 69 infrastructure
In an interactive console Ctrl-] ends the guest.

examples: kzram-ci boot --memory 512 stock
          kzram-ci boot unstable -- 'cat /sys/block/zram0/mm_stat'
          kzram-ci boot ./arch/x86/boot/bzImage -- uname -r
          kzram-ci boot debian:linux-image-cloud-amd64@trixie -- uname -r
          kzram-ci boot --kernel git:../linux@v6.13 saved-clen
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "boot",
        help="boot a kernel to a shell, or run a command in it",
        description="Boot a kernel of ours, or a ready image, to a shell on its serial console.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "kernel", metavar="KERNEL", help="name of a kernel, path of a bootable image, or a source for `stock`"
    )
    parser.add_argument("rest", metavar="-- CMD", nargs=argparse.REMAINDER, help="command to run in the guest")
    parser.add_argument("--kernel", dest="source", metavar="SOURCE", help=SOURCE_HELP)
    parser.add_argument("--arch", default="x86_64", choices=[row.name for row in ARCHS])
    parser.add_argument("--accel", default=Accel.AUTO, choices=[str(word) for word in Accel])
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--memory", type=int, default=768, metavar="MIB")
    parser.add_argument("--disk", type=int, default=0, metavar="MIB", help="scratch disk /dev/vda")
    parser.add_argument("--zram", type=int, default=512, metavar="MIB", help="size of /dev/zram0")
    parser.add_argument("--append", default="", metavar="WORDS", help="more words for the kernel's command line")
    parser.add_argument("--rootfs", type=Path, help="an initramfs of your own with our init")
    parser.add_argument("--timeout", type=float, default=600.0, metavar="SECONDS", help="for a command (default 600)")
    parser.add_argument("--directory", type=Path, help="keep the logs here")
    parser.set_defaults(func=main)


def main(args: argparse.Namespace) -> int:
    """Boot, talk, stop."""
    words = _command(args.rest)
    image, rootfs = _kernel(args.kernel, args.source, args.arch), _rootfs(args.rootfs, args.arch)
    cell = _cell(args)
    cache = cache_root()
    deadline = Deadline.after(CHOOSE_SECONDS)
    choice = accel.choose(cell.machine.accel, args.arch, cache=cache, deadline=deadline, image=image)
    print(f"kzram-ci: {choice.accel}: {choice.why}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix=proc.temporary_prefix()) as temporary:
        directory = args.directory or Path(temporary)
        with shell.session(cell, image, rootfs, directory=directory, accel=choice) as guest:
            if not words:
                shell.interact(guest)
                return 0
            code = shell.run_command(guest, shell.shell_line(words), seconds=args.timeout, output=_print)
        if code is None:
            lines = proc.tail(directory / "console.log", 4096).splitlines()
            print("kzram-ci: the guest went away; its last lines:", *lines[-30:], sep="\n", file=sys.stderr)
            return EXIT_CRASH
        return code


def _command(rest: list[str]) -> tuple[str, ...]:
    """The words after KERNEL. Raises UserError: a flag there would silently become a command.

    argparse takes the `--` itself in some Python versions and leaves it in others.
    """
    words = rest[1:] if rest[:1] == ["--"] else rest
    if words and words[0].startswith("-"):
        raise UserError(f"{words[0]}: options come before KERNEL, a command after --", hint="kzram-ci boot --help")
    return tuple(words)


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _cell(args: argparse.Namespace) -> Cell:
    """The machine that the flags describe; its workload is the shell."""
    machine = MachineSpec(
        arch=args.arch,
        accel=Accel(args.accel),
        cpus=args.cpus,
        memory_mib=args.memory,
        disk_mib=args.disk,
        cmdline=tuple(args.append.split()),
    )
    spec = KernelSpec(name=args.kernel, source=ImageSource(path=args.kernel), arch=args.arch)
    work = WorkloadSpec(program="shell", zram=ZramSpec(size_mib=args.zram))
    return Cell(id="boot", kernel=spec, test="boot", machine=machine, workload=work)


def _kernel(word: str, source: str | None, arch: str) -> KernelImage:
    """A ready image by path or source, else a kernel of ours, built when it is not in the cache."""
    from kzram_ci.kernel.workshop import KernelContext, image_for
    from kzram_ci.plan.kernels import load_kernel
    from kzram_ci.plan.library import find_kernel, known_kernels
    from kzram_ci.plan.source_args import split
    from kzram_ci.run.retarget import named

    globs, sources = split([source] if source else [])
    if globs:
        raise UserError(f"--kernel {globs[0]} is no source", hint="kzram-ci boot --help")
    if Path(word).is_file():
        word = f"image:{word}"
    elif "/" in word and ":" not in word:
        raise UserError(f"{word} is no file", hint="give a kernel's name or the path of a bootable image")

    def load(name: str) -> KernelSpec:
        return load_kernel(name, find_kernel=find_kernel, known_kernels=known_kernels())

    (spec,) = named(word, load, sources)
    if spec.source.ready:
        spec = replace(spec, arch=arch)
    if spec.arch != arch:
        raise UserError(f"kernel {spec.name} is for {spec.arch}", hint=f"--arch {spec.arch}")
    return image_for(spec, KernelContext())


def _rootfs(chosen: Path | None, arch: str) -> RootfsImage:
    if chosen is not None:
        if not chosen.is_file():
            raise UserError(f"{chosen} is no file", hint="--rootfs wants an initramfs")
        return RootfsImage(key=digest_file(chosen), path=str(chosen.absolute()))
    from kzram_ci.kernel.workshop import KernelContext
    from kzram_ci.run.guest_image import rootfs_for

    return rootfs_for(arch, KernelContext())
