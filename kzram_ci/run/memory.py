"""The guest's memory as it was when the kernel crashed or hung, kept as a file for drgn and crash."""

from __future__ import annotations

import shutil
from pathlib import Path

from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import InfraError
from kzram_ci.model.cell import Cell
from kzram_ci.model.evidence import MemoryDump
from kzram_ci.model.kernel import KernelImage
from kzram_ci.model.layout import CellFile
from kzram_ci.model.machine import Dump
from kzram_ci.run.boot_state import BootState, Ending
from kzram_ci.vm import kdump
from kzram_ci.vm.qemu import Machine

SECONDS = 300.0
RESERVE_MIB = 256  # of the disk, for everything else
_ENDINGS = frozenset({Ending.HALTED, Ending.CRASHED, Ending.HUNG})


def worth_keeping(cell: Cell, state: BootState, end: Ending) -> bool:
    """Whether a plan wants the memory of a boot that ended so: a crash, a hang, a guest gone without a word."""
    wanted = cell.machine.dump is Dump.ON_CRASH and end in _ENDINGS
    return wanted and (state.crashed_at is not None or state.exited_at is None)


def keep(machine: Machine, cell: Cell, directory: Path, image: KernelImage) -> tuple[MemoryDump | None, str]:
    """Write the file; or why there is none. The boot's outcome does not depend on it."""
    path, spec = directory.absolute() / CellFile.VMCORE, cell.machine
    free = shutil.disk_usage(directory).free >> 20
    if free < 2 * min(spec.memory_mib, spec.dump_limit_mib) + RESERVE_MIB:  # for a moment there are two
        return None, f"the disk that holds {directory} has {free:,} MiB free, too few for a dump"
    try:
        limit = spec.dump_limit_mib << 20
        machine.dump_memory(path, limit_bytes=limit, deadline=Deadline.after(SECONDS))
        size = kdump.finish(path, release=image.release, limit_bytes=limit)
    except InfraError as error:
        path.unlink(missing_ok=True)
        return None, error.message
    return MemoryDump(file=path.name, bytes=size, vmlinux=image.vmlinux), ""
