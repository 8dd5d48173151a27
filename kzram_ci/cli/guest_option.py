"""The options of `boot` that say what the guest is made of and how long it has, and the words in them."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence

from kzram_ci.base.errors import UserError
from kzram_ci.cli.arguments import ACCELS, seconds, whole
from kzram_ci.cli.kernel_option import GUEST_ARCH_HELP, add_arch
from kzram_ci.model.cmdline import kernel_word, kernel_words

MOST_CPUS, LEAST_MIB, MOST_MIB = 256, 32, 1 << 24  # as in a plan


def add_guest(parser: argparse.ArgumentParser) -> None:
    """What the guest is made of."""
    add_arch(parser, GUEST_ARCH_HELP)
    parser.add_argument(
        "--accel",
        default="auto",
        choices=ACCELS,
        help="auto: KVM where it is proved to work (default)",
    )
    parser.add_argument("--cpus", type=whole(1, MOST_CPUS), default=2, metavar="N", help="virtual CPUs (default 2)")
    parser.add_argument(
        "--memory", type=whole(LEAST_MIB, MOST_MIB), default=768, metavar="MIB", help="of the guest (default 768)"
    )
    parser.add_argument(
        "--disk",
        type=whole(0, MOST_MIB),
        default=0,
        metavar="MIB",
        help="size of a scratch disk, /dev/vda (default: none)",
    )
    parser.add_argument(
        "--zram", type=whole(0, MOST_MIB), default=512, metavar="MIB", help="size of /dev/zram0 (default 512)"
    )
    parser.add_argument(
        "--share", action="append", default=[], metavar="DIR[:ro|:rw]", help="show a directory of the host to the guest"
    )
    parser.add_argument(
        "--root",
        default="",
        metavar="ROOT",
        help="programs run in debian:SUITE+PACKAGE+… (made once by mmdebstrap), or in a disk of yours: image:FILE",
    )
    parser.add_argument("--ssh", action="store_true", help="with --root: the root's own sshd runs, and the command")
    parser.add_argument("--gdb", action="store_true", help="wait for gdb before the first instruction (nokaslr)")
    parser.add_argument(
        "--kernel-arg", action="append", default=[], metavar="WORD", help="one word for the kernel's command line"
    )
    parser.add_argument(
        "--append", default="", metavar="WORDS", help="several; blanks inside a word stand in double quotes"
    )
    parser.add_argument("--qemu-arg", action="append", default=[], metavar="WORDS", help="more arguments for QEMU")
    parser.add_argument("--timeout", type=seconds, default=600.0, metavar="SECONDS", help="for a command (default 600)")


def words_for_kernel(text: str, words: Sequence[str]) -> tuple[str, ...]:
    """Words of the kernel's command line. Raises UserError."""
    try:
        return (*kernel_words(text), *map(kernel_word, words))
    except ValueError as error:
        raise UserError(str(error), hint="""--kernel-arg 'dyndbg="file zram_drv.c +p"'""") from error


def words_for_qemu(pieces: Sequence[str]) -> tuple[str, ...]:
    """Words of QEMU's. Raises UserError."""
    try:
        return tuple(word for piece in pieces for word in shlex.split(piece))
    except ValueError as error:
        raise UserError(f"--qemu-arg: {error}", hint="--qemu-arg='-device virtio-rng-pci'") from error
