"""A whole plan: every cell that is not done yet, its result to the sink as soon as it is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor

from kzram_ci.base.clock import Deadline
from kzram_ci.base.errors import Interrupted, KzramError, UserError
from kzram_ci.base.values import dataclass
from kzram_ci.model.cell import Cell, Plan
from kzram_ci.model.events import CellDone, Listener
from kzram_ci.model.evidence import CellResult
from kzram_ci.model.layout import CellFile
from kzram_ci.model.outcome import Verdict
from kzram_ci.results.layout import CellDir
from kzram_ci.run.cell_run import from_error, skipped
from kzram_ci.run.elsewhere import Elsewhere
from kzram_ci.run.job import Stages
from kzram_ci.run.pool import Budget
from kzram_ci.run.scheduler import More, Work, run_all
from kzram_ci.verdict.judge import principal_oops
from kzram_ci.verdict.siblings import reconsider, undecided


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRun:
    """One run of a plan. `place` gives a cell's directory.

    `sink` is called with every finished result, from one thread, as soon as it is known. `until`: nothing begins later,
    its cells are not run. `more`: gives another cell for time that is left.
    """

    plan: Plan
    stages: Stages
    budget: Budget
    place: Callable[[Cell], CellDir]
    sink: Callable[[CellResult], None]
    listener: Listener
    until: Deadline | None = None
    more: More | None = None
    elsewhere: Elsewhere | None = None

    def execute(
        self,
        done: frozenset[str] = frozenset(),
        before: Sequence[CellResult] = (),
        *,
        executor: Executor | None = None,
    ) -> tuple[CellResult, ...]:
        """Run all cells but those whose ids are in `done`; results in the order they ended.

        Cells run on `executor`, by default on threads of this process. What a kernel that does not boot means follows
        from its siblings: such results wait for the end of the run. `before` are results of an earlier part of it.
        Raises Interrupted or UserError after every result that could be had was handed to `sink`.
        """
        todo = tuple(cell for cell in self.plan.cells if cell.id not in done)
        results = [skipped(cell, relative=self.place(cell).relative) for cell in todo if cell.skip]
        for result in results:
            self.sink(result)
        fatal: KzramError | None = None
        cells = {cell.id: cell for cell in self.plan.cells}
        known = {result.id: result for result in (*self.plan.controls, *before, *results)}
        for cell, ended in run_all(self._work(todo, known), executor):
            if isinstance(ended, Interrupted | UserError):
                fatal = fatal or ended
            if isinstance(ended, Interrupted):
                continue  # the cell stays not-run on disk
            cells.setdefault(cell.id, cell)
            results.append(self._result(cell, ended))
            if not undecided(results[-1]):
                self._finish(cell, results[-1])
        final = self._decided(cells, results, before)
        if fatal is not None:
            raise fatal
        return final

    def _work(self, todo: Sequence[Cell], known: Mapping[str, CellResult]) -> Work:
        return Work(
            cells=tuple(cell for cell in todo if not cell.skip),
            stages=self.stages,
            budget=self.budget,
            place=self.place,
            boot_retries=self.plan.boot_retries,
            listener=self.listener,
            known=known,
            until=self.until,
            more=self.more,
            elsewhere=self.elsewhere,
        )

    def _result(self, cell: Cell, ended: CellResult | BaseException) -> CellResult:
        if isinstance(ended, CellResult):
            return ended
        if isinstance(ended, Exception):
            return from_error(cell, ended, relative=self.place(cell).relative)
        raise ended

    def _finish(self, cell: Cell, result: CellResult) -> None:
        self.sink(result)
        self.listener(CellDone(cell=result.id, judgement=result.judgement, file=self._to_open(cell, result)))

    def _to_open(self, cell: Cell, result: CellResult) -> str:
        """Of a finding the text of its crash, else the console."""
        if result.judgement.verdict is not Verdict.FINDING:
            return ""
        oops = principal_oops(result.evidence.oopses)
        names = (oops.file if oops is not None else "", CellFile.CONSOLE)
        found = (self.place(cell).path / name for name in names if name)
        return next((str(path) for path in found if path.is_file()), "")

    def _decided(
        self, cells: Mapping[str, Cell], results: Sequence[CellResult], before: Sequence[CellResult]
    ) -> tuple[CellResult, ...]:
        """The results, with those that waited for their siblings judged and handed to `sink`."""
        final = reconsider(cells.values(), (*before, *results))[len(before) :]
        for first, result in zip(results, final, strict=True):
            if undecided(first):
                self._finish(cells[result.id], result)
        return final
