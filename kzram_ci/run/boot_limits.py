"""When a boot has to be over, and what ends it before. Pure."""

from __future__ import annotations

from kzram_ci.base.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a boot has to be over, as points on the monotonic clock; `work_seconds` count from the workload's start."""

    boot_until: float
    until: float
    work_seconds: float
    gauged: tuple[str, ...] = ()  # counters whose gains from sample to sample are kept
    needs: tuple[str, ...] = ()  # counters of the detector without which the rest of the boot is for nothing
    idle: tuple[tuple[str, float], ...] = ()  # counters, and after how many seconds of work at 0 it is over
    dialogue: bool = False  # the work is a dialogue on the serial line, not the guest's own workload
    crash_ends: bool = True
    parks: bool = False  # it is over once the guest has booted and waits for a cell
    keeps_memory: bool = False  # QEMU does not end with the guest
