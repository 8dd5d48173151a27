"""The machine a cell boots on."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from kzram_ci.base.values import dataclass
from kzram_ci.model.root import RootSpec


class Accel(StrEnum):
    """How QEMU executes guest code; AUTO is resolved by booting a tiny guest, never by a device node."""

    AUTO = "auto"
    KVM = "kvm"
    TCG = "tcg"


class Snapshot(StrEnum):
    """Whether a cell starts from a saved guest that has booted, instead of booting."""

    AUTO = "auto"  # where restored guests were measured to behave as booted ones (`run/snapshot.py`)
    OFF = "off"
    ON = "on"  # one for all seeds: they share what a boot decides by chance, such as the kernel's address
    PER_SEED = "per-seed"


class Dump(StrEnum):
    """When the guest's memory is kept."""

    NEVER = "never"
    ON_CRASH = "on-crash"  # or when it hangs


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A directory of the host that the guest sees at `mount`."""

    directory: str
    mount: str
    writable: bool = False


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
    shares: tuple[Share, ...] = ()
    snapshot: Snapshot = Snapshot.AUTO
    root: RootSpec | None = None  # None: programs run in our initramfs
    dump: Dump = Dump.NEVER
    dump_limit_mib: int = 1024  # a larger file is given up

    def booting(self) -> MachineSpec:
        """The machine whose guests all boot, where `auto` would start most of them behind the boot."""
        return replace(self, snapshot=Snapshot.OFF) if self.snapshot is Snapshot.AUTO else self


@dataclass(frozen=True, slots=True, kw_only=True)
class AccelChoice:
    """What `auto` became, and the proof. why: one short line; detail: QEMU's messages where KVM is refused.

    cpu: the model that was proved; "" for the architecture's first one.
    """

    accel: Accel
    why: str
    proved: bool
    cpu: str = ""
    detail: str = ""

    def __str__(self) -> str:
        model = f" -cpu {self.cpu}" if self.cpu and self.accel is Accel.KVM else ""
        return f"{self.accel}{model}: {self.why}"
