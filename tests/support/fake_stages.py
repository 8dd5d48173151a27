"""Stages that build and boot nothing. The boot is a function of a module, so that other processes can run it."""

from __future__ import annotations

from collections.abc import Callable

from builders import a_rootfs, an_accel, an_image

from kzram_ci.base import clock
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import CommandFailed, InfraError
from kzram_ci.model.events import CellProgress, Listener
from kzram_ci.model.evidence import Evidence, OopsSummary
from kzram_ci.model.kernel import KernelImage, KernelSpec
from kzram_ci.model.layout import CellFile
from kzram_ci.run.job import BootStage, CellJob, Stages

GOOD = Evidence(
    booted=True,
    ready=True,
    exit_code=0,
    counters={"vmstat.pswpout": 9, "zram.writes": 9},
    console_bytes=10,
    qemu_exit=0,
)
OOPS = OopsSummary(title="BUG: NULL deref in obj_malloc", type="null_deref", function="obj_malloc", signature="s")


def image(spec: KernelSpec) -> KernelImage:
    """A kernel at once."""
    return an_image(spec.name)


def boot(job: CellJob, deadline: Deadline, listener: Listener) -> Evidence:
    """What a guest does follows from the name of its test."""
    job.place.file(CellFile.CONSOLE).write_text(f"{job.cell.id} with seed {job.cell.seed}\n")
    listener(CellProgress(cell=job.cell.id, counters=GOOD.counters))
    match job.cell.test.partition("-")[0]:
        case "crash":
            return Evidence(booted=True, ready=True, console_bytes=9, oopses=(OOPS,), panicked=True)
        case "silent":
            return Evidence(console_bytes=3)
        case "infra":
            raise InfraError("no disk", hint="buy one")
        case "command":
            raise CommandFailed(("qemu", "-m"), 1, "error: no memory\n")
        case "defect":
            raise ZeroDivisionError("ours")
        case "slow":
            clock.sleep(0.05)
    return GOOD


def stages(boot: BootStage = boot, image: Callable[[KernelSpec], KernelImage] = image) -> Stages:
    """All stages."""
    return Stages(image=image, rootfs=lambda cell: a_rootfs(), accel=lambda machine: an_accel(), boot=boot)
