"""What each architecture's machine looks like in QEMU: rows, each odd value with its reason. Pure.

x86_64 is proved by this project's own tests; arm64 and riscv64 are plausible rows: the names are QEMU's and
the kernel's, no cell was ever run on them.
"""

from __future__ import annotations

from dataclasses import dataclass

from kzram_ci.base.errors import UserError

# Every cell, every architecture. The order is the order on the command line; a plan's words come last and win.
COMMON_CMDLINE = (
    "rdinit=/init",
    "panic=-1",  # reboot at once, which -no-reboot turns into QEMU's end
    "oops=panic",
    "softlockup_panic=1",  # a hang becomes an oops …
    "hung_task_panic=1",  # … with a stack
    "sysrq_always_enabled=1",  # a hanging guest is asked for its stacks over the serial line
    "slab_nomerge",  # failslab picks its victim by cache name: a merged cache has another's
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arch:
    """One architecture. `uname` are the names the host's own kernel uses for it (KVM needs the same)."""

    name: str
    uname: tuple[str, ...]
    qemu: str
    package: str  # Debian's package of `qemu`
    machine: str
    cpu_kvm: str
    cpu_tcg: str
    image: str  # what kbuild calls the bootable file, below arch/<srcarch>/boot
    console: str  # tty of the first serial port
    panic_device: str  # "" where the machine type has none
    cmdline: tuple[str, ...]
    cmdline_tcg: tuple[str, ...] = ()
    tiny_guest: bool = False  # whether `tiny_guest.rom` can prove an accelerator on it


ARCHS = (
    Arch(
        name="x86_64",
        uname=("x86_64",),
        qemu="qemu-system-x86_64",
        package="qemu-system-x86",
        # q35, not microvm: microvm hung once in TSC calibration, and boots only 0.2 s faster (QEMU 7.2).
        machine="q35",
        cpu_kvm="host",
        # The smallest 64-bit model: boots every kernel from 4.9 on, has no SMAP whose switches cost TCG a
        # TLB flush, no 5-level page tables. `max` has all of these. Without cmpxchg16b: QEMU 7.2's translation of
        # it can leave the flags wrong (half of the boots of Debian's 6.12 died so in SLUB); kernels do without.
        cpu_tcg="qemu64,-cx16",
        image="bzImage",
        console="ttyS0",
        panic_device="pvpanic-pci",
        cmdline=("console=ttyS0", "earlyprintk=ttyS0"),
        # On a starved host calibration against an emulated timer goes wrong: "IO-APIC + timer doesn't work!".
        cmdline_tcg=("tsc=reliable", "no_timer_check"),
        tiny_guest=True,
    ),
    Arch(
        name="arm64",
        uname=("aarch64", "arm64"),
        qemu="qemu-system-aarch64",
        package="qemu-system-arm",
        machine="virt,gic-version=max",
        cpu_kvm="host",
        cpu_tcg="cortex-a57",
        image="Image",
        console="ttyAMA0",
        panic_device="pvpanic-pci",
        cmdline=("console=ttyAMA0", "earlycon"),
    ),
    Arch(
        name="riscv64",
        uname=("riscv64",),
        qemu="qemu-system-riscv64",
        package="qemu-system-misc",
        machine="virt",
        cpu_kvm="host",
        cpu_tcg="rv64",
        image="Image",
        console="ttyS0",
        panic_device="pvpanic-pci",
        cmdline=("console=ttyS0", "earlycon=sbi"),
    ),
)


def arch_of(name: str) -> Arch:
    """The row of an architecture. Raises UserError that lists the known ones."""
    for row in ARCHS:
        if row.name == name:
            return row
    known = ", ".join(row.name for row in ARCHS)
    raise UserError(f"unknown architecture {name!r}", hint=f"use one of {known}")
