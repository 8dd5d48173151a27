"""How much guests may use together: laws of the gate, and the host's budget."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.base import budget
from kzram_ci.model.machine import MachineSpec
from kzram_ci.run.pool import QEMU_OVERHEAD_MIB, Budget, Gate, host_budget

MACHINES = st.builds(MachineSpec, cpus=st.integers(1, 12), memory_mib=st.integers(32, 8192))
BUDGETS = st.builds(Budget, cpus=st.integers(1, 16), memory_mib=st.integers(64, 16384), guests=st.integers(0, 5))


def need(machine: MachineSpec) -> tuple[int, int]:
    return machine.cpus, machine.memory_mib + QEMU_OVERHEAD_MIB


@given(limit=BUDGETS, wanted=st.lists(st.tuples(MACHINES, st.booleans()), max_size=40))
def test_what_runs_fits_or_runs_alone(limit: Budget, wanted: list[tuple[MachineSpec, bool]]) -> None:
    """Guests come and go in any order; `leave_first` lets the oldest go before the next comes."""
    gate, running = Gate(limit), list[MachineSpec]()
    for machine, leave_first in wanted:
        if leave_first and running:
            gate.leave(running.pop(0))
        was_full = gate.full
        admitted = gate.admit(machine)
        assert not (admitted and was_full)
        assert admitted or running, "an idle host takes any guest"
        if admitted:
            running.append(machine)
        cpus, memory = (sum(part) for part in zip(*map(need, running), strict=True)) if running else (0, 0)
        assert len(running) == 1 or (cpus <= limit.cpus and memory <= limit.memory_mib)
        assert not limit.guests or len(running) <= limit.guests


@given(limit=BUDGETS, machines=st.lists(MACHINES, min_size=1, max_size=10))
def test_who_leaves_leaves_nothing_behind(limit: Budget, machines: list[MachineSpec]) -> None:
    used, fresh = Gate(limit), Gate(limit)
    for machine in [machine for machine in machines if used.admit(machine)]:
        used.leave(machine)
    assert [used.admit(machine) for machine in machines] == [fresh.admit(machine) for machine in machines]


@given(limit=BUDGETS, machine=MACHINES)
def test_full_means_that_no_guest_fits(limit: Budget, machine: MachineSpec) -> None:
    gate = Gate(limit)
    for _ in range(20):
        if gate.full:
            assert not gate.admit(machine)
            assert not gate.admit(MachineSpec(cpus=1, memory_mib=1))
            return
        gate.admit(machine)


@pytest.mark.parametrize(
    ("cpus", "available", "jobs", "want"),
    [
        (4, 10_000, 0, Budget(cpus=8, memory_mib=8000)),
        (1, 100, 0, Budget(cpus=2, memory_mib=1024)),  # one guest of the default size can always be tried
        (4, 10_000, 3, Budget(cpus=1 << 20, memory_mib=8000, guests=3)),  # the user bounds guests, not CPUs
    ],
)
def test_the_hosts_budget(monkeypatch: pytest.MonkeyPatch, cpus: int, available: int, jobs: int, want: Budget) -> None:
    monkeypatch.setattr(budget, "cpus", lambda: cpus)
    monkeypatch.setattr(budget, "memory", lambda: budget.Memory(total=2 * available, available=available))
    assert host_budget(jobs) == want


def test_how_many_at_a_time() -> None:
    assert Budget(cpus=6, memory_mib=1).most == 6
    assert Budget(cpus=1 << 20, memory_mib=1, guests=2).most == 2
