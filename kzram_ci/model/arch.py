"""One row an architecture: names in kernel, ELF and QEMU, the machine, tools; odd values with their reason. Pure.

x86_64 and arm64 are proved by this project's own tests (tests/real): they boot, crash, pass with proof.
docs/architectures.md says how far the others are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kzram_ci.base.errors import UserError
from kzram_ci.base.packages import Packages, named
from kzram_ci.base.values import dataclass

if TYPE_CHECKING:
    from kzram_ci.base.needs import Need

DEFAULT = "x86_64"  # what kernels are for that say nothing: their names and the ids of their cells do not say it either

# Every cell, every architecture. The order is the order on the command line; a plan's words come last and win.
COMMON_CMDLINE = (
    "rdinit=/init",
    "panic=-1",  # reboot at once, which -no-reboot turns into QEMU's end
    "oops=panic",
    "softlockup_panic=1",  # a hang becomes an oops …
    "hung_task_panic=1",  # … with a stack
    "sysrq_always_enabled=1",  # a hanging guest is asked for its stacks over the serial line
    "random.trust_cpu=on",  # a guest has no other source that is quick
    "slab_nomerge",  # failslab picks its victim by cache name: a merged cache has another's
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arch:
    """One architecture. `uname` are the names the host's own kernel uses for it (KVM needs the same)."""

    name: str
    uname: tuple[str, ...]
    kvm_on: tuple[str, ...] = ()  # hosts of other kinds whose KVM runs it as well
    # the kernel's build
    kbuild: str  # make's ARCH
    directory: str  # below arch/ of the source
    image: str  # the bootable file, below arch/<directory>/boot
    magic: tuple[int, bytes]  # what tells such a file from those of others, and at which byte
    wide: tuple[int, int] | None = None  # byte and bit that are set in a file of 64 bits, where the magic is of both
    fragments: tuple[str, ...]  # of kernels/config: what only this architecture's kernels are configured with
    debian: str  # Debian's name
    flavour: str = ""  # what its kernels' packages have in the place of that name
    triplet: str  # of GNU cross tools
    cross_packages: Packages
    objdump: str  # its -m
    # its programs: a busybox of another kind would be found out by a guest that never prints
    elf_machine: str  # e_machine, as elf.h names it
    bits: int
    little_endian: bool
    # the machine
    qemu: str
    qemu_packages: Packages
    machine: str
    cpus_kvm: tuple[str, ...]  # the best one first; the next where it does not run
    cpu_tcg: str
    console: str  # tty of the first serial port
    panic_device: str  # "" where the machine type has none
    cmdline: tuple[str, ...]
    cmdline_tcg: tuple[str, ...] = ()
    tiny_guest: bool = False  # whether `tiny_guest.rom` can prove an accelerator on it


ARCHS = (
    Arch(
        name="x86_64",
        uname=("x86_64",),
        kbuild="x86_64",
        directory="x86",
        image="bzImage",
        magic=(0x202, b"HdrS"),  # Documentation/arch/x86/boot.rst
        wide=(0x236, 1),  # xloadflags, XLF_KERNEL_64
        fragments=("x86_64", "acpi"),
        debian="amd64",
        triplet="x86_64-linux-gnu",
        objdump="i386:x86-64",
        cross_packages=named(
            "gcc-x86-64-linux-gnu binutils-x86-64-linux-gnu libc6-dev-amd64-cross",
            "gcc-x86_64-linux-gnu binutils-x86_64-linux-gnu",
            "",
            "",
            "",
        ),
        elf_machine="EM_X86_64",
        bits=64,
        little_endian=True,
        qemu="qemu-system-x86_64",
        qemu_packages=named("qemu-system-x86", "qemu-system-x86", "qemu-x86", "qemu-system-x86", "qemu"),
        # q35, not microvm: microvm hung once in TSC calibration, and boots only 0.2 s faster (QEMU 7.2).
        machine="q35",
        # `host` hands the guest every feature KVM tells of; a QEMU that knows less of the host's CPU than KVM can
        # fail to set one ("failed to set MSR 0x10a"). kvm64 is what all 64-bit CPUs have in common.
        cpus_kvm=("host", "kvm64"),
        # The smallest 64-bit model: boots every kernel from 4.9 on, has no SMAP whose switches cost TCG a
        # TLB flush, no 5-level page tables. `max` has all of these. Without cmpxchg16b: QEMU 7.2's translation of
        # it can leave the flags wrong (half of the boots of Debian's 6.12 died so in SLUB); kernels do without.
        # With rdrand the kernel has random numbers from the first moment; else mkswap waits almost 3 s for them.
        cpu_tcg="qemu64,-cx16,+rdrand",
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
        kbuild="arm64",
        directory="arm64",
        image="Image",
        magic=(56, b"ARM\x64"),  # Documentation/arch/arm64/booting.rst
        fragments=("arm64",),
        debian="arm64",
        triplet="aarch64-linux-gnu",
        objdump="aarch64",
        cross_packages=named(
            "gcc-aarch64-linux-gnu binutils-aarch64-linux-gnu libc6-dev-arm64-cross",
            "gcc-aarch64-linux-gnu binutils-aarch64-linux-gnu",
            "",  # versioned, and with another triplet
            "aarch64-linux-gnu-gcc aarch64-linux-gnu-binutils",
            "",
        ),
        elf_machine="EM_AARCH64",
        bits=64,
        little_endian=True,
        qemu="qemu-system-aarch64",
        qemu_packages=named("qemu-system-arm", "qemu-system-aarch64", "qemu-arm", "qemu-system-aarch64", "qemu"),
        machine="virt,gic-version=max",
        cpus_kvm=("host",),  # KVM on arm64 runs no other model
        # The smallest model that has pages of 4K, 16K and 64K (cortex-a57 and a72 have no 16K). `max` also has what
        # TCG is slow at, pointer authentication above all, and is another CPU with each version of QEMU.
        cpu_tcg="cortex-a76",
        console="ttyAMA0",
        panic_device="pvpanic-pci",
        cmdline=("console=ttyAMA0", "earlycon"),
    ),
    Arch(
        name="riscv64",
        uname=("riscv64",),
        kbuild="riscv",
        directory="riscv",
        image="Image",
        magic=(56, b"RSC\x05"),  # Documentation/arch/riscv/boot-image-header.rst
        fragments=("riscv64",),
        debian="riscv64",
        triplet="riscv64-linux-gnu",
        objdump="riscv:rv64",
        cross_packages=named(
            "gcc-riscv64-linux-gnu binutils-riscv64-linux-gnu libc6-dev-riscv64-cross",
            "gcc-riscv64-linux-gnu binutils-riscv64-linux-gnu",
            "",
            "riscv64-linux-gnu-gcc riscv64-linux-gnu-binutils",
            "",
        ),
        elf_machine="EM_RISCV",
        bits=64,
        little_endian=True,
        qemu="qemu-system-riscv64",
        qemu_packages=named("qemu-system-misc", "qemu-system-riscv", "qemu-extra", "qemu-system-riscv", "qemu"),
        machine="virt",
        cpus_kvm=("host", "rv64"),  # QEMU learnt `host` on riscv64 in 8.0
        cpu_tcg="rv64",
        console="ttyS0",
        panic_device="pvpanic-pci",
        cmdline=("console=ttyS0", "earlycon"),
    ),
    Arch(
        name="i386",
        uname=("i686", "i586", "i386"),
        kvm_on=("x86_64",),
        kbuild="i386",
        directory="x86",
        image="bzImage",
        magic=(0x202, b"HdrS"),
        wide=(0x236, 1),
        fragments=("i386", "acpi"),
        debian="i386",
        flavour="686",
        triplet="i686-linux-gnu",
        objdump="i386",
        # gcc -m32 needs gcc-multilib, which Debian does not install beside the cross compilers above
        cross_packages=named(
            "gcc-i686-linux-gnu binutils-i686-linux-gnu libc6-dev-i386-cross",
            "",
            "",
            "",
            "",
        ),
        elf_machine="EM_386",
        bits=32,
        little_endian=True,
        qemu="qemu-system-i386",
        qemu_packages=named("qemu-system-x86", "qemu-system-x86", "qemu-x86", "qemu-system-x86", "qemu"),
        machine="q35",
        cpus_kvm=("host", "kvm32"),
        cpu_tcg="qemu32,+rdrand",  # with PAE; rdrand as on x86_64
        console="ttyS0",
        panic_device="pvpanic-pci",
        cmdline=("console=ttyS0", "earlyprintk=ttyS0"),
        cmdline_tcg=("tsc=reliable", "no_timer_check"),
        tiny_guest=True,
    ),
)


def needs_of(row: Arch) -> tuple[Need, ...]:
    """What a host needs to boot guests of this architecture, and to build for it on a host of another one."""
    from kzram_ci.base.needs import Need, Task  # late: a table that only `doctor` and errors need

    return (
        Need(
            task=Task.BOOT,
            arch=row.name,
            what=row.qemu,
            why=f"boots {row.name} guests",
            packages=row.qemu_packages,
        ),
        *(
            Need(
                task=Task.CROSS,
                arch=row.name,
                what=f"{row.triplet}-{tool}",
                why=f"builds for {row.name} on another architecture",
                packages=row.cross_packages,
            )
            for tool in ("gcc", "ld")
        ),
    )


def needs() -> tuple[Need, ...]:
    """What guests and kernels of all architectures need."""
    return tuple(need for row in ARCHS for need in needs_of(row))


def arch_of(name: str) -> Arch:
    """The row of an architecture. Raises UserError that lists the known ones."""
    for row in ARCHS:
        if row.name == name:
            return row
    known = ", ".join(row.name for row in ARCHS)
    raise UserError(f"unknown architecture {name!r}", hint=f"use one of {known}")
