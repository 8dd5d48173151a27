"""One boot of a cell on a kernel that is there, without retries: for those who decide boot by boot what comes next."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kzram_ci.base.clock import Deadline
from kzram_ci.model.cell import Cell
from kzram_ci.model.events import Listener
from kzram_ci.model.evidence import Evidence
from kzram_ci.model.kernel import KernelImage
from kzram_ci.model.machine import MachineSpec
from kzram_ci.results.layout import CellDir
from kzram_ci.run.cell_run import STOP_MARGIN_SECONDS
from kzram_ci.run.job import CellJob, Idle, Stages
from kzram_ci.run.pool import QEMU_OVERHEAD_MIB, Budget


def booting(cell: Cell) -> Cell:
    """The cell where the boot itself is what is looked at: `auto` would start all boots but one behind it."""
    return replace(cell, machine=cell.machine.booting())


def boot_alone(
    cell: Cell,
    image: KernelImage,
    *,
    directory: Path,
    stages: Stages,
    listener: Listener,
    idle: Idle = (),
    others: int = 0,
) -> tuple[Evidence, str]:
    """The evidence, and the accelerator it had. A boot that fails is a fact of its own.

    `idle`: counters, and after how many seconds of work at 0 the boot is given up. `others`: boots of this kernel
    that are to follow.

    Raises InfraError, UserError, Interrupted.
    """
    rootfs, accel = stages.rootfs(cell), stages.accel(cell.machine)
    cell = stages.fit(cell, image)
    seconds = cell.machine.boot_seconds + cell.workload.duration_s + STOP_MARGIN_SECONDS
    place = CellDir(path=directory, relative=directory.name)
    job = CellJob(cell=cell, kernel=image, rootfs=rootfs, accel=accel, place=place, idle=idle, others=others)
    return stages.boot(job, Deadline.after(seconds), listener), str(accel.accel)


def guests_at_a_time(machine: MachineSpec, budget: Budget) -> int:
    """As many guests of this machine as the budget allows, one at least."""
    cpus = budget.cpus // max(1, machine.cpus)
    memory = budget.memory_mib // (machine.memory_mib + QEMU_OVERHEAD_MIB)
    return max(1, min(budget.most, cpus, memory))
