"""A whole plan: build its kernels one after another, boot cells as soon as their kernel is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from kzram_ci.base import proc
from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import Interrupted, KzramError, UserError
from kzram_ci.model.cell import Cell, Plan
from kzram_ci.model.events import Listener
from kzram_ci.model.evidence import CellResult, Evidence
from kzram_ci.model.kernel import KernelImage, KernelSpec, RootfsImage
from kzram_ci.model.machine import AccelChoice, MachineSpec
from kzram_ci.results.layout import CellDir
from kzram_ci.run.cell_run import CellContext, from_error, run_cell, skipped
from kzram_ci.run.pool import Budget, Gate, run_all
from kzram_ci.verdict.siblings import reconsider, undecided

BootStage = Callable[[Cell, KernelImage, RootfsImage, AccelChoice, Path, Deadline], Evidence]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """The stages a plan needs, as functions; tests put others in their place."""

    image: Callable[[KernelSpec], KernelImage]
    rootfs: Callable[[str], RootfsImage]  # by architecture
    accel: Callable[[MachineSpec], AccelChoice]
    boot: BootStage
    fit: Callable[[Cell, KernelImage], Cell] = lambda cell, kernel: cell  # to the source of its kernel


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRun:
    """One run of a plan. `place` gives a cell's directory.

    `sink` is called with every finished result, from one thread, as soon as it is known.
    """

    plan: Plan
    stages: Stages
    budget: Budget
    place: Callable[[Cell], CellDir]
    sink: Callable[[CellResult], None]
    listener: Listener

    def execute(self, done: frozenset[str] = frozenset(), before: Sequence[CellResult] = ()) -> tuple[CellResult, ...]:
        """Run all cells but those whose ids are in `done`; results in the order they ended.

        What a kernel that does not boot means follows from its siblings: such results wait for the end of the run.
        `before` are results of an earlier part of this run.
        Raises Interrupted or UserError after every result that could be had was handed to `sink`.
        """
        todo = tuple(cell for cell in self.plan.cells if cell.id not in done)
        results = [skipped(cell, relative=self.place(cell).relative) for cell in todo if cell.skip]
        for result in results:
            self.sink(result)
        active = tuple(cell for cell in todo if not cell.skip)
        fatal: KzramError | None = None
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="build") as builder:
            images = self._start_builds(builder, active)
            gate = Gate(self.budget)
            for cell, result_or_error in run_all(
                lambda cell: self._one(cell, images[cell.kernel.name], gate), active, workers=len(active)
            ):
                if isinstance(result_or_error, CellResult):
                    result = result_or_error
                elif isinstance(result_or_error, Interrupted | UserError):
                    fatal = fatal or result_or_error
                    if isinstance(result_or_error, Interrupted):
                        continue  # the cell stays not-run on disk
                    result = from_error(cell, result_or_error, relative=self.place(cell).relative)
                elif isinstance(result_or_error, Exception):
                    result = from_error(cell, result_or_error, relative=self.place(cell).relative)
                else:
                    raise result_or_error
                results.append(result)
                if not undecided(result):
                    self.sink(result)
        final = self._decided(results, before)
        if fatal is not None:
            raise fatal
        return final

    def _decided(self, results: Sequence[CellResult], before: Sequence[CellResult]) -> tuple[CellResult, ...]:
        """The results, with those that waited for their siblings judged and handed to `sink`."""
        final = reconsider(self.plan.cells, (*before, *results))[len(before) :]
        for first, result in zip(results, final, strict=True):
            if undecided(first):
                self.sink(result)
        return final

    def _start_builds(self, builder: ThreadPoolExecutor, cells: tuple[Cell, ...]) -> dict[str, Future[KernelImage]]:
        """One build at a time: a kernel build takes every core, and variants share an object tree."""

        def build(spec: KernelSpec) -> KernelImage:
            if proc.cancelled():
                raise Interrupted("interrupted before the kernel was built")
            return self.stages.image(spec)

        specs = {cell.kernel.name: cell.kernel for cell in cells}
        return {name: builder.submit(build, spec) for name, spec in specs.items()}

    def _one(self, cell: Cell, image: Future[KernelImage], gate: Gate) -> CellResult:
        kernel = image.result()
        cell = self.stages.fit(cell, kernel)
        rootfs = self.stages.rootfs(cell.kernel.arch)
        accel = self.stages.accel(cell.machine)

        def boot(attempt: Cell, where: Path, deadline: Deadline) -> Evidence:
            return self.stages.boot(attempt, kernel, rootfs, accel, where, deadline)

        with gate.admit(cell):
            return run_cell(
                cell,
                CellContext(
                    place=self.place(cell),
                    kernel=kernel,
                    accel=str(accel.accel),
                    boot=boot,
                    boot_retries=self.plan.boot_retries,
                    listener=self.listener,
                ),
            )
