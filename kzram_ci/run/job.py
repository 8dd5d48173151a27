"""A cell ready to run, as a value: what an executor takes, in this process or in another."""

from __future__ import annotations

from collections.abc import Callable, Collection

from kzram_ci.base.clock import Deadline
from kzram_ci.base.values import dataclass
from kzram_ci.model.cell import Cell, Plan
from kzram_ci.model.events import Listener
from kzram_ci.model.evidence import Evidence
from kzram_ci.model.kernel import KernelImage, KernelSpec, RootfsImage
from kzram_ci.model.machine import AccelChoice, MachineSpec
from kzram_ci.model.root import RootSpec
from kzram_ci.results.layout import CellDir

Idle = tuple[tuple[str, float], ...]  # counters, and after how many seconds of work at 0 a boot is given up


@dataclass(frozen=True, slots=True, kw_only=True)
class CellJob:
    """A cell, all that it needs, and where what it leaves goes. It can be pickled.

    others: boots still to come that could start from the same saved guest. afresh: it boots, since a start from a
    saved guest did not reach the workload.
    """

    cell: Cell
    kernel: KernelImage
    rootfs: RootfsImage
    accel: AccelChoice
    place: CellDir
    boot_retries: int = 0
    idle: Idle = ()
    others: int = 0
    afresh: bool = False


def equipment(cell: Cell) -> tuple[str, str, RootSpec | None]:
    """What a guest's image is made for: architecture, the file system whose tools are in it, the root of programs."""
    spec = cell.workload.filesystem
    return cell.kernel.arch, "" if spec is None else spec.kind, cell.machine.root


# One boot of a job's cell. An executor of processes needs one that can be pickled: a function of a module, or a value.
BootStage = Callable[[CellJob, Deadline, Listener], Evidence]


def _unchanged(cell: Cell, kernel: KernelImage) -> Cell:
    return cell


def _same(plan: Plan, done: Collection[str]) -> Plan:
    return plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """The stages a plan needs, as functions; tests put others in their place. All but `boot` run in this process."""

    image: Callable[[KernelSpec], KernelImage]
    rootfs: Callable[[Cell], RootfsImage]  # the same for cells of one `equipment`
    accel: Callable[[MachineSpec], AccelChoice]
    boot: BootStage
    fit: Callable[[Cell, KernelImage], Cell] = _unchanged  # to the source of its kernel
    ahead: Callable[[Plan, Collection[str]], Plan] = _same  # skips the cells that will show nothing, but those done
