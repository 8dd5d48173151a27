"""How much guests may use of the host together, and the gate that keeps to it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate

from kzram_ci.base import budget
from kzram_ci.base.units import say_count
from kzram_ci.base.values import dataclass
from kzram_ci.model.machine import MachineSpec

QEMU_OVERHEAD_MIB = 256  # firmware, TCG's translation buffer, device models


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What guests may use together: virtual CPUs and memory in MiB; `guests`: at most so many (0: any number)."""

    cpus: int
    memory_mib: int
    guests: int = 0

    @property
    def most(self) -> int:
        """How many guests can run at a time: each has one CPU at least."""
        return min(self.guests or self.cpus, self.cpus)


def host_budget(jobs: int = 0, cpus: int = 0) -> Budget:
    """The host's budget. `jobs` > 0: at most so many guests; `cpus` > 0: virtual CPUs in place of the host's number.

    Guests may use two virtual CPUs for each real one: a cell is half waiting (boot, the serial port, the
    verifier), and its stop conditions count events, not seconds. More of them only wait for each other.
    """
    free = int(budget.memory().available * 0.8)
    return Budget(cpus=cpus or max(2, 2 * budget.cpus()), memory_mib=max(1024, free), guests=max(0, jobs))


def too_many(limit: Budget, machines: Iterable[MachineSpec]) -> str:
    """What to tell a user who asked for more guests at a time than have virtual CPUs; "" elsewhere."""
    if not limit.guests:
        return ""
    together = list(accumulate(sorted(machine.cpus for machine in machines)[: limit.guests]))
    room = sum(cpus <= limit.cpus for cpus in together) or 1
    if room >= len(together):
        return ""
    have = f"with {say_count(limit.cpus, 'virtual CPU')} there is room for {room}"
    return f"{limit.guests} guests at a time were asked for; {have}, with --cpus {together[-1]} for {len(together)}"


class Gate:
    """Admits a guest when the budget has room for it; one that is larger than the whole budget runs alone."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._guests = 0
        self._cpus = 0
        self._memory = 0

    @property
    def full(self) -> bool:
        """Whether no guest fits, of whatever size."""
        return self._guests >= self._budget.most or (self._guests > 0 and self._cpus >= self._budget.cpus)

    @property
    def busy(self) -> bool:
        """Whether a guest has its share now."""
        return self._guests > 0

    def admit(self, machine: MachineSpec) -> bool:
        """Whether a guest may start now; if so, it has its share until `leave`."""
        cpus, memory = machine.cpus, machine.memory_mib + QEMU_OVERHEAD_MIB
        room = self._cpus + cpus <= self._budget.cpus and self._memory + memory <= self._budget.memory_mib
        if self.full or (self._guests and not room):
            return False
        self._guests += 1
        self._cpus += cpus
        self._memory += memory
        return True

    def leave(self, machine: MachineSpec) -> None:
        """Give back the share of a guest that is gone."""
        self._guests -= 1
        self._cpus -= machine.cpus
        self._memory -= machine.memory_mib + QEMU_OVERHEAD_MIB
