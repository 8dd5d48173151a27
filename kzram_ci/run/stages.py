"""The real stages behind `job.Stages`: kernels, the guest's image, accelerators, boots."""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from pathlib import Path

from kzram_ci.base.cache import mark_used_by_path
from kzram_ci.base.clock import Deadline
from kzram_ci.base.values import dataclass
from kzram_ci.kernel.fit import fitted
from kzram_ci.kernel.workshop import KernelContext, image_for
from kzram_ci.model.cell import Cell, Plan
from kzram_ci.model.events import Listener, Note
from kzram_ci.model.evidence import Evidence
from kzram_ci.model.kernel import KernelImage, KernelSpec, RootfsImage
from kzram_ci.model.machine import Accel, AccelChoice, MachineSpec, Snapshot
from kzram_ci.model.root import RootSpec
from kzram_ci.run.boot import boot_once
from kzram_ci.run.foresight import looked_ahead
from kzram_ci.run.guest_image import rootfs_for
from kzram_ci.run.guest_root import with_root
from kzram_ci.run.job import CellJob, Stages, equipment
from kzram_ci.run.saved_guest import Saved, discard
from kzram_ci.run.selftests import with_selftests
from kzram_ci.run.snapshot import SnapshotUnusable, place_of, saved_for
from kzram_ci.vm import accel

STAGE_SECONDS = 600.0


class SharedResources:
    """Guest images and accelerators are the same for many cells: made once, at the first request."""

    def __init__(self, context: KernelContext, wanted: Accel | None) -> None:
        self._context = context
        self._wanted = wanted
        self._lock = threading.Lock()
        self._rootfs: dict[tuple[str, str, RootSpec | None], RootfsImage] = {}
        self.accels: dict[tuple[Accel, str], AccelChoice] = {}

    def rootfs(self, cell: Cell) -> RootfsImage:
        """The guest's image for a cell: by architecture and kind of file system."""
        key = equipment(cell)
        with self._lock:
            if key not in self._rootfs:
                arch, filesystem, root = key
                self._rootfs[key] = with_root(rootfs_for(arch, self._context, filesystem), root, arch, self._context)
            return self._rootfs[key]

    def accel(self, machine: MachineSpec) -> AccelChoice:
        """The accelerator for a machine; the command line's wish comes before the plan's."""
        key = (self._wanted or machine.accel, machine.arch)
        with self._lock:
            if key not in self.accels:
                deadline = Deadline.after(STAGE_SECONDS)
                choice = accel.choose(key[0], key[1], cache=self._context.cache, deadline=deadline)
                self.accels[key] = choice
                text = f"acceleration: {choice}"
                self._context.listener(Note(subject=machine.arch, text=text))
            return self.accels[key]


@dataclass(frozen=True, slots=True, kw_only=True)
class QemuBoot:
    """A boot in QEMU, on the host that executes the job."""

    cache: Path
    snapshot: Snapshot | None = None  # in place of the plan's

    def __call__(self, job: CellJob, deadline: Deadline, listener: Listener) -> Evidence:
        """Boot once. Raises as `boot_once` does."""
        for path in (job.kernel.image, job.rootfs.path):
            mark_used_by_path(self.cache, Path(path))  # a run may last for hours
        if self.snapshot is not None:
            job = replace(job, cell=replace(job.cell, machine=replace(job.cell.machine, snapshot=self.snapshot)))
        boot = partial(
            boot_once,
            job.cell,
            job.kernel,
            job.rootfs,
            directory=job.place.path,
            accel=job.accel,
            deadline=deadline,
            listener=listener,
            idle=job.idle,
        )
        saved = self._saved(job, listener)
        if saved is None:
            return boot(saved=None)
        try:
            evidence = boot(saved=saved)
        except SnapshotUnusable as error:
            _discard(saved, job.cell, f"boots: {error}", listener)
            return boot(saved=None)
        if evidence.host_error:  # such as a clock that was misjudged when it booted: all that start from it have that
            _discard(saved, job.cell, evidence.host_error, listener)
        return evidence

    def _saved(self, job: CellJob, listener: Listener) -> Saved | None:
        """The saved guest that a job starts from; None: it boots."""
        cell, kernel, rootfs = job.cell, job.kernel, job.rootfs
        place = place_of(cell, kernel, rootfs, accel=job.accel, root=self.cache)
        if place is None or job.afresh:
            return None
        deadline = Deadline.after(STAGE_SECONDS)
        try:
            return saved_for(place, cell, kernel, rootfs, accel=job.accel, others=job.others, deadline=deadline)
        except SnapshotUnusable as error:
            listener(Note(subject=kernel.name, text=f"its cells boot: {error}"))
            return None


def _discard(saved: Saved, cell: Cell, why: str, listener: Listener) -> None:
    listener(Note(subject=cell.id, text=f"{why}; the saved guest is thrown away"))
    discard(saved, Deadline.after(STAGE_SECONDS))


def real_stages(
    context: KernelContext, wanted: Accel | None, snapshot: Snapshot | None = None
) -> tuple[Stages, SharedResources]:
    """The stages that touch the world, and what they chose (for `environment.json`).

    `wanted` and `snapshot` come before the plan's.
    """
    cache, listener = context.cache, context.listener
    chosen = SharedResources(context, wanted)

    def image(spec: KernelSpec) -> KernelImage:
        return image_for(spec, context)

    def fit(cell: Cell, kernel: KernelImage) -> Cell:
        found = fitted(cell, kernel, context)
        if added := [word for word in found.machine.cmdline if word not in cell.machine.cmdline]:
            listener(Note(subject=cell.id, text=f"booted with {' '.join(added)}: this kernel needs it"))
        return with_selftests(found, context)

    def ahead(plan: Plan, done: Collection[str]) -> Plan:
        return looked_ahead(plan, context, done)

    stages = Stages(
        image=image,
        rootfs=chosen.rootfs,
        accel=chosen.accel,
        boot=QemuBoot(cache=cache, snapshot=snapshot),
        fit=fit,
        ahead=ahead,
    )
    return stages, chosen
