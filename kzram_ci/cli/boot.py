"""`kzram-ci boot`: a kernel and a shell, or one command in it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from kzram_ci.base.errors import UserError
from kzram_ci.cli.answers import VERSION
from kzram_ci.cli.guest_option import add_guest, words_for_kernel, words_for_qemu
from kzram_ci.cli.kernel_option import PATCH_HELP, SOURCE_HELP, add_sandbox, patches_of
from kzram_ci.model.machine import Accel, MachineSpec

TRAILING = True  # main hands on what stands after `--`: a command
EPILOG = """\
KERNEL is a name as for `kzram-ci build` (built first when it is not in the cache), a bootable image, or a source.
The guest: root, busybox, /dev/zram0 in use as swap, debugfs mounted, no network and no disk (--disk gives a scratch
one); /bin has the workloads: anonmutate, directmutate, pressure. What it writes is gone at the end; with
--directory the console, QEMU's command line and the control port's log stay. --share DIR shows a directory of the
host as /mnt/NAME, read-only unless it ends in :rw; a kernel of ours is built with 9p for that, once. Files go in on
standard input, too: `kzram-ci boot stock -- 'cat >/tmp/f; …' <f`.

One word after -- is a line for the guest's shell; several are a program and its arguments. A command reads what
stands on standard input, unless that is a terminal. --timeout counts from the start of the command.
--gdb: the guest waits, and the line for gdb in another terminal is printed; no time limits then.
exit codes: the command's own · 1 the kernel crashed or warned meanwhile (the oops is shown, decoded, with the file
that has it), or the guest went away · 2 usage, also a root,
share or sshd that the guest cannot have · 69 infrastructure
In an interactive console Ctrl-] ends the guest.

examples: kzram-ci boot --memory 512 stock
          kzram-ci boot unstable -- 'cat /sys/block/zram0/mm_stat'
          kzram-ci boot stock -- sh <script.sh
          kzram-ci boot --share ./selftests stock -- /mnt/selftests/run.sh
          kzram-ci boot --root debian:trixie+strace unstable -- strace -c ls
          kzram-ci boot --gdb --config debug-info unstable
          kzram-ci boot --kernel-arg 'dyndbg="file zram_drv.c +p"' stock -- dmesg
          kzram-ci boot ./arch/x86/boot/bzImage -- uname -r
          kzram-ci boot debian:linux-image-cloud-amd64@trixie -- uname -r
          kzram-ci boot --kernel git:../linux@v6.13 saved-clen
          kzram-ci boot stock --arch arm64 -- uname -m
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "boot",
        usage="kzram-ci boot [options] KERNEL [-- CMD...]",
        help="boot a kernel to a shell, or run a command in it",
        description="Boot a kernel that is built here, or a ready image, with zram as swap: to a root shell on its\n"
        "serial console, or to run one command. What the guest changes is gone when it ends.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "kernel", metavar="KERNEL", help="name of a kernel, path of a bootable image, or a source for `stock`"
    )
    parser.add_argument(
        "words", metavar="COMMAND", nargs="*", default=[], help=argparse.SUPPRESS
    )  # for an error that tells where they belong
    parser.add_argument("--kernel", dest="source", default="", metavar="SOURCE", help=SOURCE_HELP)
    parser.add_argument("--patch", action="append", default=[], metavar="[NAME=]FILE", help=PATCH_HELP)
    parser.add_argument(
        "--config", action="append", default=[], metavar="NAME", help="one more config fragment, such as debug-info"
    )
    add_sandbox(parser)
    add_guest(parser)
    parser.add_argument("--rootfs", type=Path, metavar="FILE", help="an initramfs of your own with our init")
    parser.add_argument(
        "--directory", type=Path, metavar="DIR", help="keep the logs here (default: they are removed at the end)"
    )
    parser.add_argument("--json", action="store_true", help="of a command: its exit code and output, for programs")
    parser.set_defaults(func=main, takes_trailing=True)


def main(args: argparse.Namespace) -> int:
    """The command."""
    if args.words:
        again = f"kzram-ci boot {args.kernel} -- {' '.join(args.words)}"
        raise UserError(f"{args.words[0]}: a command for the guest comes after --", hint=again)
    from kzram_ci.run.boot_shell import BootRequest, boot  # heavy; --help needs none of it
    from kzram_ci.run.guest_root import root_of
    from kzram_ci.run.shares import shares_of

    machine = MachineSpec(
        accel=Accel(args.accel),
        cpus=args.cpus,
        memory_mib=args.memory,
        disk_mib=args.disk,
        cmdline=words_for_kernel(args.append, args.kernel_arg),
        qemu_args=words_for_qemu(args.qemu_arg),
        shares=shares_of(args.share),
        root=root_of(args.root),
    )
    request = BootRequest(
        kernel=args.kernel,
        source=args.source,
        patches=patches_of(args.patch),
        config=tuple(args.config),
        machine=machine,
        zram_mib=args.zram,
        rootfs=args.rootfs,
        command=args.trailing,
        timeout=args.timeout,
        directory=args.directory,
        gdb=args.gdb,
        ssh=args.ssh,
        arch=args.arch,
        sandbox=args.sandbox,
    )
    if not args.json:
        return boot(request, tell=lambda text: print(f"kzram-ci: {text}", file=sys.stderr), output=_print)
    if not request.command:
        raise UserError(
            "--json is for a command, and a shell has none", hint=f"kzram-ci boot {args.kernel} --json -- CMD"
        )
    notes, printed = list[str](), list[str]()
    code = boot(request, tell=notes.append, output=printed.append)
    directory = "" if args.directory is None else str(args.directory)
    told = {"version": VERSION, "kernel": args.kernel, "exit_code": code, "output": "".join(printed)}
    print(json.dumps({**told, "notes": notes, "directory": directory}, indent=2))
    return code


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
