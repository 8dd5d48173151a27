"""How much guests may use together: laws of the gate, and the host's budget."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kzram_ci.base import budget
from kzram_ci.model.machine import MachineSpec
from kzram_ci.run.pool import QEMU_OVERHEAD_MIB, Budget, Gate, host_budget, too_many

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
    ("cpus", "available", "asked", "want"),
    [
        (4, 10_000, {}, Budget(cpus=8, memory_mib=8000)),
        (1, 100, {}, Budget(cpus=2, memory_mib=1024)),  # one guest of the default size can always be tried
        (4, 10_000, {"jobs": 3}, Budget(cpus=8, memory_mib=8000, guests=3)),  # a bound more, none less
        (4, 10_000, {"jobs": 9, "cpus": 18}, Budget(cpus=18, memory_mib=8000, guests=9)),  # the user knows better
        (4, 10_000, {"cpus": 1}, Budget(cpus=1, memory_mib=8000)),
    ],
)
def test_the_hosts_budget(
    monkeypatch: pytest.MonkeyPatch, cpus: int, available: int, asked: dict[str, int], want: Budget
) -> None:
    monkeypatch.setattr(budget, "cpus", lambda: cpus)
    monkeypatch.setattr(budget, "memory", lambda: budget.Memory(total=2 * available, available=available))
    assert host_budget(**asked) == want


def test_how_many_at_a_time() -> None:
    assert Budget(cpus=6, memory_mib=1).most == 6
    assert Budget(cpus=8, memory_mib=1, guests=2).most == 2
    assert Budget(cpus=4, memory_mib=1, guests=8).most == 4


def test_who_asks_for_more_guests_than_fit_is_told_both_numbers_and_how_to_overrule_them() -> None:
    limit = Budget(cpus=4, memory_mib=1 << 20, guests=8)
    two = MachineSpec(cpus=2)
    assert too_many(limit, [two] * 20) == (
        "8 guests at a time were asked for; with 4 virtual CPUs there is room for 2, with --cpus 16 for 8"
    )
    assert too_many(limit, [MachineSpec(cpus=6)] * 3).endswith("there is room for 1, with --cpus 18 for 3")
    assert not too_many(limit, [two] * 2), "there are no more cells"
    assert not too_many(limit, [])
    assert not too_many(replace(limit, cpus=16), [two] * 20)
    assert not too_many(replace(limit, guests=2), [two] * 20)
    assert not too_many(replace(limit, guests=0), [two] * 20), "nothing was asked for"


@given(limit=BUDGETS, machines=st.lists(MACHINES, max_size=10))
def test_the_gate_admits_what_the_note_says(limit: Budget, machines: list[MachineSpec]) -> None:
    told = too_many(limit, machines)
    if not told:
        return
    gate = Gate(replace(limit, memory_mib=1 << 20))
    small = sorted(machines, key=lambda machine: machine.cpus)
    admitted = sum(gate.admit(machine) for machine in small)
    assert f"there is room for {admitted}, with" in told
    wide = Gate(replace(limit, memory_mib=1 << 20, cpus=int(told.split("--cpus ")[1].split()[0])))
    assert sum(wide.admit(machine) for machine in small) == int(told.rsplit(" ", 1)[1])
