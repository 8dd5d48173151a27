"""The machine a cell boots on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Accel(StrEnum):
    """How QEMU executes guest code; AUTO is resolved by booting a tiny guest, never by a device node."""

    AUTO = "auto"
    KVM = "kvm"
    TCG = "tcg"


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineSpec:
    """Size and kind of a guest. Memory and disk in MiB, deadlines in seconds."""

    arch: str = "x86_64"
    accel: Accel = Accel.AUTO
    cpus: int = 2
    memory_mib: int = 768
    disk_mib: int = 0  # scratch virtio disk; 0: none
    cmdline: tuple[str, ...] = ()
    qemu_args: tuple[str, ...] = ()
    boot_seconds: float = 120.0
    console_limit_mib: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class AccelChoice:
    """What `auto` became, and the proof."""

    accel: Accel
    why: str
    proved: bool
