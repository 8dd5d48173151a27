"""What the controls of a run say about the run itself. Pure.

A control shows that the plan can separate a good kernel from a bad one. It can fail, which spoils the run; be unable to
run, which leaves the question open; or not have run yet.
"""

from __future__ import annotations

from kzram_ci.model.outcome import Outcome, Verdict
from kzram_ci.results.reports.sanitize import one_line
from kzram_ci.results.reports.summary_model import CellView, RunView

FAILED = "CONTROLS FAILED: this run cannot separate a good kernel from a bad one"
_WITHOUT_A_WORD = frozenset({Outcome.NOT_RUN, Outcome.SKIPPED})


def _ran(cell: CellView) -> bool:
    """Whether the workload of a control ran to a verdict, good or bad."""
    judgement = cell.result.judgement
    judged = judgement.verdict in (Verdict.OK, Verdict.FINDING, Verdict.INCONCLUSIVE)
    return judged and judgement.outcome is not Outcome.BOOT_FAILED


def _with_reason(cell: CellView) -> str:
    return f"{cell.result.id}: {one_line(cell.result.judgement.reason)}"


def failed_cells(view: RunView) -> tuple[CellView, ...]:
    """The controls that ran and did not show what they must."""
    return tuple(
        cell
        for cell in view.cells
        if cell.result.control and _ran(cell) and cell.result.judgement.verdict is not Verdict.OK
    )


def failed(view: RunView) -> tuple[str, ...]:
    """A line for each control that ran and did not show what it must: then the whole run proves little."""
    return tuple(_with_reason(cell) for cell in failed_cells(view))


def unable(view: RunView) -> tuple[str, ...]:
    """A line for each control that could not run: its kernel was not made or did not boot, or the host failed."""
    return tuple(
        _with_reason(cell)
        for cell in view.cells
        if cell.result.control and not _ran(cell) and cell.result.judgement.outcome not in _WITHOUT_A_WORD
    )


def missing(view: RunView) -> tuple[str, ...]:
    """Ids of the controls that did not run yet, or that the plan skips."""
    return tuple(
        cell.result.id
        for cell in view.cells
        if cell.result.control and cell.result.judgement.outcome in _WITHOUT_A_WORD
    )
